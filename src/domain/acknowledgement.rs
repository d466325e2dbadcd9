//! Whether a member runs what its file says, and when to tell it again.

use std::{collections::BTreeMap, time::Duration};

use api::fleet::Reload;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    observation::{Pod, Report},
    record::Entry,
    run::stable_hash,
};

/// Waits before a pod is told again, by how often it was told already. A touch can be lost on a kubelet that was busy
/// with the pod's volumes at that moment.
const REPEATS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// How long a member that goes back has to read its file where it cannot say that an optimization is off, because it does
/// not know it by this name. A kubelet that nobody tells takes about as long.
pub const UNKNOWN: Duration = Duration::from_secs(60);

/// A request to the kubelet to project a pod's ConfigMaps again, as it stands in the pod's annotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// When it was written.
    pub at: Timestamp,
    /// How many times for this file, from 1.
    pub count: u32,
    /// Fingerprint of the file that it was for.
    pub file: String,
}

impl Touch {
    /// The touch that an annotation holds; `None` for one that is not ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '#');
        let at = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        Some(Self { at, count, file: parts.next()?.to_owned() })
    }

    /// When the first one for its file was written, or a little later.
    #[must_use]
    pub fn first(&self) -> Timestamp {
        let repeats = usize::try_from(self.count.saturating_sub(1)).unwrap_or(usize::MAX);
        self.at.checked_sub(REPEATS.iter().take(repeats).sum::<Duration>()).unwrap_or(self.at)
    }

    /// The annotation's text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}#{}#{}", self.at, self.count, self.file)
    }
}

/// Short name of what a file tells its member; of no file at all as well.
#[must_use]
pub fn fingerprint(file: Option<&str>) -> String {
    format!("{:016x}", stable_hash(&[file.unwrap_or_default()]))
}

/// When a pod was told of the file with this fingerprint, so that what it reports since then counts: by a touch, or by
/// its start where it reads the file only then.
#[must_use]
pub fn told_at(reload: Reload, pod: &Pod, entry: Option<&Entry>, fingerprint: &str) -> Option<Timestamp> {
    match reload {
        Reload::Watch => {
            let touched = pod.touched.as_ref().filter(|touch| touch.file == fingerprint);
            touched.map(|touch| touch.at)
        }
        Reload::RestartPod => entry.filter(|entry| entry.pod != pod.uid).map(|_| pod.created),
    }
}

/// Whether a member runs its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acknowledgement {
    /// Not yet.
    Pending,
    /// Not yet: it goes back, and all that its report leaves open is what it does not know by name.
    Open,
    /// It had the time for it; nobody knows.
    Assumed,
    /// It said so itself.
    Acknowledged,
}

/// What a member has to report of the file that it was told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Whether each optimization is on.
    pub enabled: BTreeMap<&'a str, bool>,
    /// It goes back: of an optimization that it does not know by its name it may never say that it is off.
    pub returns: bool,
    /// The file's revision.
    pub revision: Option<String>,
}

impl Expected<'_> {
    /// What a report says by the names of optimizations that was taken so long after its member was told.
    fn judge(&self, report: &Report, after: Duration) -> Acknowledgement {
        let said = |name: &str| report.enabled.get(name).copied();
        if self.enabled.iter().all(|(name, on)| said(name) == Some(*on)) {
            return Acknowledgement::Acknowledged;
        }
        let leaves_open = self.enabled.iter().all(|(name, on)| said(name).is_none_or(|said| said == *on));
        match self.returns && leaves_open && !report.enabled.is_empty() {
            true if after >= UNKNOWN => Acknowledgement::Assumed,
            true => Acknowledgement::Open,
            false => Acknowledgement::Pending,
        }
    }
}

impl Acknowledgement {
    /// Judges one pod that was told of its file at this time.
    ///
    /// With a revision label the revision decides, otherwise whether each optimization is on as expected. A report
    /// counts only if it is of this very process and was taken after the pod was told. Who goes back, says what else is on,
    /// and nothing of what is to be off, has a minute to read its file.
    #[must_use]
    pub fn of(
        spec: &api::fleet::Acknowledgement,
        pod: &Pod,
        told: Timestamp,
        expected: &Expected<'_>,
        report: Option<&Report>,
        now: Timestamp,
    ) -> Self {
        if let Some(timer) = spec.timer {
            return if elapsed(told, now) >= timer.get() { Self::Assumed } else { Self::Pending };
        }
        match report.filter(|report| report.pod == pod.uid && report.at >= told) {
            None => Self::Pending,
            Some(report) if spec.revision_label.is_none() => expected.judge(report, elapsed(told, report.at)),
            Some(report) if report.revision == expected.revision => Self::Acknowledged,
            Some(_) => Self::Pending,
        }
    }

    /// True for both ends that count.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Assumed)
    }
}

/// The touch that is due for a pod whose member has not acknowledged the file with this fingerprint; after the last
/// repeat, none.
#[must_use]
pub fn touch_due(pod: &Pod, fingerprint: &str, now: Timestamp) -> Option<Touch> {
    let file = fingerprint.to_owned();
    let Some(last) = pod.touched.as_ref().filter(|touch| touch.file == file) else {
        return Some(Touch { at: now, count: 1, file });
    };
    let wait = REPEATS.get(usize::try_from(last.count.saturating_sub(1)).unwrap_or(usize::MAX))?;
    (elapsed(last.at, now) >= *wait).then(|| Touch { at: now, count: last.count + 1, file })
}

/// Time from one to the other; none if the clock went back.
#[must_use]
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
