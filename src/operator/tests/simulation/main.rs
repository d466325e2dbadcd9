//! The whole operator, unchanged, over an in-memory API server and a simulated fleet, on a paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod base;
mod crashes;
mod edits;
mod end_state;
mod fleets;
mod foreign;
mod lifecycle;
mod members;
mod mistakes;
mod museum;
mod namespaces;
mod outage;
mod patched;
mod plan;
mod prometheus;
mod release;
mod rerouted;
mod restarts;
mod retreat;
mod standby;
mod stories;
mod world;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
