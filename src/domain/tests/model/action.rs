//! Everything that can happen next.

use super::{
    config::{Config, Person},
    model::{Lags, Model},
    state::State,
};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A replica decides on what it sees.
    Decide { replica: u8, lags: Lags },
    /// The next write of its pass happens, or not.
    Write { replica: u8, ends: Ends },
    /// A replica crashes and starts again.
    Crash { replica: u8 },
    /// A replica looks at the members.
    Look { replica: u8, lags: Lags, shows: Shows },
    /// A member reads its file.
    Read { member: u8 },
    /// The endpoints of the Service follow.
    Endpoints,
    /// The optimization turns out to be harmful.
    Harm,
    /// The Lease gets older.
    Age,
    /// A replica takes or renews the Lease.
    Elect { replica: u8 },
    /// Somebody does something.
    Person { which: u8 },
}

/// How a write ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// As the API server has it.
    Answered,
    /// It never arrives.
    Lost,
    /// It happens, and its answer is lost.
    Unanswered,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Every indicator within its limits.
    Pass,
    /// A breach.
    Breach,
    /// Nothing sufficient until the deadline.
    Silence,
}

/// Everything that may happen in a state; some of it changes nothing.
pub fn possible(model: &mut Model, state: &State) -> Vec<Action> {
    let mut possible = vec![Action::Endpoints, Action::Harm, Action::Age];
    let members = u8::try_from(model.config.members).unwrap();
    possible.extend((0..members).map(|member| Action::Read { member }));
    let people = u8::try_from(model.config.people.len()).unwrap();
    possible.extend((0..people).map(|which| Action::Person { which }));
    for replica in 0..u8::try_from(model.config.replicas).unwrap() {
        possible.extend([Action::Elect { replica }, Action::Crash { replica }]);
        let chances = model.chances(state, replica.into());
        if state.replicas[usize::from(replica)].pass.is_some() {
            let ends = [Ends::Answered, Ends::Lost, Ends::Unanswered];
            possible.extend(ends.map(|ends| Action::Write { replica, ends }));
        } else {
            possible.extend(chances.decisions.iter().map(|lags| Action::Decide { replica, lags: *lags }));
        }
        for lags in &chances.looks {
            let shows = [Shows::Pass, Shows::Breach, Shows::Silence];
            possible.extend(shows.map(|shows| Action::Look { replica, lags: *lags, shows }));
        }
    }
    possible
}

impl Action {
    /// In words.
    pub fn told(self, config: &Config) -> String {
        let name = |replica: u8| char::from(b'A' + replica);
        let behind = |lags: Lags| {
            let kinds = ["rollout", "ConfigMap", "Service", "pods"];
            let old = kinds.iter().zip(lags).filter(|(_, lag)| *lag > 0);
            let old: Vec<String> = old.map(|(kind, lag)| format!("{kind} {lag} behind")).collect();
            if old.is_empty() { String::new() } else { format!(" ({})", old.join(", ")) }
        };
        match self {
            Self::Decide { replica, lags } => format!("{} decides{}", name(replica), behind(lags)),
            Self::Write { replica, ends: Ends::Answered } => format!("{} writes", name(replica)),
            Self::Write { replica, ends: Ends::Lost } => format!("{} writes, and it is lost", name(replica)),
            Self::Write { replica, ends: Ends::Unanswered } => format!("{} writes, and gets no answer", name(replica)),
            Self::Crash { replica } => format!("{} crashes and starts again", name(replica)),
            Self::Look { replica, lags, shows } => format!("{} looks{}: {shows:?}", name(replica), behind(lags)),
            Self::Read { member } => format!("node-{member} reads its file"),
            Self::Endpoints => "the endpoints follow".to_owned(),
            Self::Harm => "the optimized members fail from now on".to_owned(),
            Self::Age => "the Lease is not renewed".to_owned(),
            Self::Elect { replica } => format!("{} takes or renews the Lease", name(replica)),
            Self::Person { which } => match config.people[usize::from(which)] {
                Person::Abort => "somebody sets spec.abort".to_owned(),
                Person::Retry => "somebody raises spec.attempt".to_owned(),
                Person::Shrink => "somebody lowers the percent of the last stage".to_owned(),
                Person::Delete => "somebody deletes the rollout".to_owned(),
            },
        }
    }
}
