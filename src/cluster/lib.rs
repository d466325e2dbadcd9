//! The outside world: the only reader ([`observe`]), the only writer ([`execute`]), and what measures ([`metrics`]).

pub mod execute;
pub mod metrics;
pub mod observe;
