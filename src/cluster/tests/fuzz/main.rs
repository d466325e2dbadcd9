//! Everything that reads what others wrote, with inputs that nobody would write. A short part of `make fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod exposition;
mod format;
mod fuzz;
mod json;
mod source;
mod spec;
mod status;
mod tests;

use fuzz::{Outcome, sentence};
