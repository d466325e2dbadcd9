//! Stories out of a seed: rollouts, a fleet, and what goes wrong. The laws are checked after every entry.

mod draw;
pub mod edit;
mod foreign;
mod owner;
mod parallel;
pub mod play;
mod replicas;
pub mod script;
mod shrink;
#[cfg(test)]
mod sweep;
pub mod tally;
mod trouble;

pub use tally::tally;

#[cfg(test)]
mod tests;
