//! Stories out of a seed: rollouts, a fleet, and what goes wrong. The laws are checked after every entry.

mod draw;
mod edit;
mod foreign;
pub mod play;
mod replicas;
pub mod script;
mod shrink;
#[cfg(test)]
mod sweep;
mod tally;
mod trouble;

pub use tally::{story, tally};

#[cfg(test)]
mod tests;
