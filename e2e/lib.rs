//! End to end, against a real cluster: what the demo, the benchmarks and the crashes share.

pub mod fleet;
pub mod load;
pub mod outcome;
pub mod process;
pub mod rollout;
