//! What a policy wants.

use std::time::Duration;

use api::{
    reason::Reason,
    status::{Retreat, Run, StageStatus},
};

use super::pass::Pass;
use crate::plan::{Advance, Withdraw};

/// What a policy wants done, remembered and said.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Taking away.
    pub withdraw: Vec<Withdraw>,
    /// Going on.
    pub advance: Vec<Advance>,
    /// The run as the status will have it.
    pub run: Option<Run>,
    /// The stage as the status will have it.
    pub stage: Option<StageStatus>,
    /// The retreat as the status will have it.
    pub retreat: Option<Retreat>,
    /// How things are.
    pub state: State,
    /// What happened just now, for history and events.
    pub transition: Option<(Reason, String)>,
    /// When to look again.
    pub requeue: Duration,
}

/// How things are, for people and for kstatus.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Who has to act.
    pub kind: Kind,
    /// Why.
    pub reason: Reason,
    /// In a sentence.
    pub message: String,
}

/// Who has to act next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// The operator does.
    Working,
    /// Nobody: waiting for a person, another rollout or nothing at all.
    Waiting,
    /// A person has to, or nothing goes on.
    Stalled,
}

/// How often an active run is looked at without being woken.
pub const ACTIVE: Duration = Duration::from_secs(1);
/// How often a rollout that does nothing is looked at without being woken.
pub const IDLE: Duration = Duration::from_secs(300);

impl Intent {
    /// Nothing but a statement; memory stays as it is.
    #[must_use]
    pub fn state(pass: &Pass<'_>, kind: Kind, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            withdraw: Vec::new(),
            advance: Vec::new(),
            run: pass.run.clone(),
            stage: pass.status.stage.clone(),
            retreat: pass.status.retreat.clone(),
            state: State { kind, reason, message: message.into() },
            transition: None,
            requeue: if kind == Kind::Working { ACTIVE } else { IDLE },
        }
    }

    /// The same with something that happened just now; its text is the state's message.
    #[must_use]
    pub fn transition(mut self, reason: Reason) -> Self {
        self.transition = Some((reason, self.state.message.clone()));
        self
    }
}
