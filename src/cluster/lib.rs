//! The outside world: the only reader, the only writer, and a trait per kind of provider.

pub mod metrics;
