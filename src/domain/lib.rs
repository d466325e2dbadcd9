//! The functional core: what to look at, what it means and what to do. No client, clock, async, log or random.
//!
//! One pass over a rollout is `needs -> observe -> decide -> execute -> record`; [`needs::needs`] and
//! [`decide::decide`] are the two that live here. Both are pure: the time is an argument.

pub mod acknowledgement;
pub mod analysis;
pub mod claim;
pub mod cohort;
pub mod decide;
pub mod delivery;
pub mod election;
pub mod format;
pub mod line;
pub mod mark;
pub mod needs;
pub mod observation;
pub mod patching;
pub mod plan;
pub mod preview;
pub mod record;
pub mod rendering;
pub mod restoration;
pub mod run;
pub mod series;
pub mod settings;
pub mod settled;
pub mod status;
pub mod traffic;
