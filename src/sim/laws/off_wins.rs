//! L10: who takes a value back has the last word.

use std::collections::BTreeSet;

use domain::record::Cohort;

use super::map::{Map, files, says, switched};
use super::view::View;
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;

/// Files that somebody else took back: the ConfigMap, the file and the run.
#[derive(Default)]
pub(super) struct OffWins {
    overridden: BTreeSet<(Key, String, String)>,
}

impl Law for OffWins {
    fn law(&self) -> (&'static str, &'static str) {
        ("L10 off wins", "a value that somebody else took back is never overwritten with the optimized one")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some((key, Some(before), Some(after))) = entry.change() else { return };
        if key.plural != "configmaps" {
            return;
        }
        let (before, after) = (Map::read(before), Map::read(after));
        let run = &before.record.run;
        let Some(rollout) = view.rollout_of(run) else { return };
        let (config, values) = (&rollout.spec.fleet.config, switched(rollout));
        let ours = view.ours(entry).is_some();
        let keys: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
        for (member, file) in files(rollout, key, keys.into_iter()) {
            let id = (key.clone(), file.clone(), run.clone());
            let was = says(config, before.files.get(file), &values);
            let is = says(config, after.files.get(file), &values);
            match (was, is) {
                (true, false) if !ours && before.cohort(run, &member) == Some(Cohort::Optimized) => {
                    found.premises += 1;
                    self.overridden.insert(id);
                }
                (false, true) if !ours => {
                    self.overridden.remove(&id);
                }
                (false, true) if after.record.run == *run && self.overridden.contains(&id) => {
                    found.violations.push(format!("the file of {member} is switched on again in run {run}"));
                }
                _ => {}
            }
        }
    }
}
