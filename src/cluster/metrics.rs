//! Measurements of members.

pub mod exposition;
