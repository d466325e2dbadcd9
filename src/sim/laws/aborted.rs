//! L8: what was taken back stays back.

use std::collections::BTreeSet;
use std::time::Duration;

use api::reason::Reason;

use super::map::added;
use super::view::{Run, View};
use super::{Found, Law};
use crate::history::Entry;

/// How long a write that was decided on before the mark may be on its way.
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// Runs that were aborted for another reason than that somebody wanted another plan.
#[derive(Default)]
pub(super) struct AbortedStaysAborted {
    failed: BTreeSet<String>,
}

impl Law for AbortedStaysAborted {
    fn law(&self) -> (&'static str, &'static str) {
        ("L8 aborted stays aborted", "an aborted run never goes on, until there is a new plan or attempt")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Some((write, before, after)) = view.map_write(entry)
            && let Some(Run { aborted: Some((since, by)), .. }) = view.run(&after.record.run)
        {
            let added = added(before, after);
            // Whoever did not write the mark may have had a write on its way.
            let in_flight = write.user != *by && write.at.duration_since(*since) <= IN_FLIGHT;
            let broken = !added.is_empty() && !in_flight;
            found.stake(broken.then(|| format!("{added:?} are switched on in the aborted run {}", after.record.run)));
        }
        let Some((_, before, after)) = view.status_write(entry) else { return };
        let (old, new) = (before.status.clone().unwrap_or_default(), after.status.clone().unwrap_or_default());
        let Some(run) = new.run else { return };
        let failed = new.retreat.is_some_and(|retreat| retreat.reason != Reason::PlanChanged);
        if failed && run.aborted_at.is_some() {
            self.failed.insert(run.id.clone());
        }
        match old.run {
            Some(old) if old.id == run.id && old.aborted_at.is_some() => {
                let goes_on = run.aborted_at.is_none()
                    || (old.succeeded_at.is_none() && run.succeeded_at.is_some())
                    || (old.settling_at.is_none() && run.settling_at.is_some())
                    || (old.closing_at.is_none() && run.closing_at.is_some())
                    || (old.settled_at.is_none() && run.settled_at.is_some());
                found.stake(goes_on.then(|| format!("the aborted run {} goes on: {run:?}", run.id)));
            }
            Some(old) if old.id != run.id => {
                let again = self.failed.contains(&run.id);
                found.stake(again.then(|| format!("run {} starts again after it was aborted", run.id)));
            }
            _ => {}
        }
    }
}
