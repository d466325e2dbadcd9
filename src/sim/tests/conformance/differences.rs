//! Where the fake differs from the real server, and why it may.

use std::collections::BTreeMap;

use crate::recording;
use crate::transcript::Behaviour;

/// What the fake does not have it answers with 501.
const ABSENT: &str = "the fake says 501 where it has nothing, so that a simulation fails instead of going on";
/// Other words of the same refusal.
const WORDS: &str = "the refusal has other words; the operator sends no such object";

/// Names of behaviours, and the reason why the operator does not depend on them.
const ACCEPTED: &[(&str, &str)] = &[
    ("a collection is not replaced", ABSENT),
    ("an object is not created under its own name", ABSENT),
    ("an unknown resource is not found", ABSENT),
    ("a ConfigMap has no status", ABSENT),
    ("other fields are not selected by", ABSENT),
    ("an apply may be YAML", "those who apply in a simulation send JSON, which is YAML as well"),
    ("an object of another kind is refused", WORDS),
    ("a custom object of another kind is refused", WORDS),
    ("a custom object says its kind", WORDS),
    ("a merge patch does not change the kind", WORDS),
    ("a continuation that is none is refused", WORDS),
    ("a selector that is none is refused", WORDS),
    ("refused: a fraction where a whole number belongs", WORDS),
];

/// What came of a comparison with the recording.
pub enum Verdict {
    Equal,
    /// It differs, for this reason.
    Accepted(&'static str),
    /// It differs; what to look at.
    Wrong(String),
}

/// Compares what was played on the fake with what the real server was recorded to answer.
pub fn judge(recorded: &BTreeMap<String, String>, played: &[Behaviour]) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    for behaviour in played {
        let name = &behaviour.name;
        let reason = ACCEPTED.iter().find(|(accepted, _)| accepted == name).map(|(_, reason)| *reason);
        let found = recorded.get(name).map(|recorded| recording::differences(recorded, &behaviour.steps_text()));
        let verdict = match (found, reason) {
            (None, _) => Verdict::Wrong("  is not recorded: run RECORD=1 make conformance\n".to_owned()),
            (Some(found), None) if found.is_empty() => Verdict::Equal,
            (Some(found), None) => Verdict::Wrong(found),
            (Some(found), Some(_)) if found.is_empty() => {
                Verdict::Wrong("  is listed as different, and is equal: take it off the list\n".to_owned())
            }
            (Some(_), Some(reason)) => Verdict::Accepted(reason),
        };
        if verdicts.insert(name.clone(), verdict).is_some() {
            verdicts.insert(name.clone(), Verdict::Wrong("  is the name of two behaviours\n".to_owned()));
        }
    }
    for name in recorded.keys() {
        let gone = || Verdict::Wrong("  is recorded and no longer played: run RECORD=1 make conformance\n".to_owned());
        verdicts.entry(name.clone()).or_insert_with(gone);
    }
    verdicts
}
