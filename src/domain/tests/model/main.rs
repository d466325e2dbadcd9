//! Every state that the decisions of several replicas can lead to, within bounds: the product's own `decide`,
//! `decide_standby`, `needs` and election, over objects and writes in the abstract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, reason = "`make model` uses the rest")]

mod action;
mod config;
mod end;
mod execute;
mod explore;
mod intern;
mod laws;
mod model;
mod object;
mod state;
mod step;
mod tests;
mod trace;
mod view;
mod write;
