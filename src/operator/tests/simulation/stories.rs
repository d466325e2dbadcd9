//! Stories out of a seed: a rollout, a fleet, and what goes wrong. The laws are checked after every entry.

pub mod play;
pub mod script;
mod tally;
mod trouble;

pub use tally::tally;

#[cfg(test)]
mod tests;
