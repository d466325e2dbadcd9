//! The contract: the kinds of `optimization.qudag.io`, their validation rules, names and reasons.
//!
//! Field comments are user documentation: they become the text of `kubectl explain`.

pub mod connection;
pub mod duration;
pub mod fleet;
pub mod indicator;
pub mod metrics;
pub mod names;
pub mod optimization;
pub mod reason;
pub mod rollout;
pub mod scalar;
pub mod stage;
pub mod status;
pub mod threshold;
pub mod traffic;

pub use connection::{Connection, ConnectionSpec};
pub use duration::Duration;
pub use rollout::{OptimizationRollout, OptimizationRolloutSpec};
pub use scalar::Scalar;
pub use status::OptimizationRolloutStatus;
