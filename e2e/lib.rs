//! End to end: the demo, against a real cluster.

pub mod fleet;
pub mod load;
pub mod outcome;
pub mod rollout;
