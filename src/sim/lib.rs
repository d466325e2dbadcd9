//! An in-memory Kubernetes API server, a simulated fleet and a clock, for tests only.
//!
//! Everything runs on tokio's clock, so `#[tokio::test(start_paused = true)]` turns hours into milliseconds and
//! repeats exactly. There are no sockets: [`ApiServer::client_as`] gives a real [`kube::Client`] whose transport ends
//! in this process.

pub mod audit;
mod clock;
mod definition;
mod fault;
mod fields;
#[cfg(test)]
mod fixture;
mod fleet;
mod history;
mod kind;
pub mod laws;
mod managers;
mod object;
mod queue;
mod refusal;
mod request;
mod review;
mod schema;
mod selector;
mod server;
mod service;
mod signals;
mod store;
mod structure;
mod validation;
mod watch;
mod write;

pub use clock::Clock;
pub use fault::{Denial, Fault};
pub use fleet::{Fleet, FleetSpec};
pub use history::{Entry, Version, Write};
pub use kind::Key;
pub use request::{RequestInfo, Subresource, Verb};
pub use server::ApiServer;
