//! Whether a member can take part, and whether it still runs what it was given.

use api::{
    fleet::{Config, Delivery},
    reason::Reason,
};

use crate::{
    delivery,
    format::{FormatError, splice::fingerprint},
    observation::{Member, Problem, Shard},
    patching,
    rendering::Rendering,
    settings::{Changes, Settings, setting},
    settled::Owners,
};

/// What members' files are compared with.
#[derive(Debug)]
pub struct Fitness<'a> {
    config: &'a Config,
    /// What a member without a file runs, where that is known; rendered delivery.
    base: Option<&'a str>,
    /// Between which values members are switched.
    settings: &'a Settings,
    /// Whether a run switches something, or is about to.
    switching: bool,
}

impl<'a> Fitness<'a> {
    /// For the files of one rollout. Without a run that is `switching` something, nobody's file is looked into. The
    /// `base` is what members run before they have a file.
    #[must_use]
    pub fn new(config: &'a Config, settings: &'a Settings, switching: bool, base: Option<&'a str>) -> Self {
        Self { config, base, settings, switching }
    }

    /// What is written into the file of an optimized member with this ConfigMap; patched delivery.
    fn switched(&self, shard: Option<&Shard>) -> Changes {
        let none = Owners::new();
        delivery::switched(self.config, self.settings, shard.map_or(&none, |shard| &shard.owners))
    }

    /// Whether an optimized member's file has other values than it was given; `rendering` is that of its ConfigMap.
    #[must_use]
    pub fn is_overridden(&self, shard: Option<&Shard>, rendering: &Rendering, file: Option<&str>) -> bool {
        match &self.config.delivery {
            Delivery::Rendered(_) => file != rendering.optimized.as_deref(),
            Delivery::Patched(_) => {
                let inverse = shard.and_then(|shard| shard.inverse.as_ref());
                let same = |file: &str| {
                    inverse.is_some_and(|inverse| inverse.hash == fingerprint(file))
                        || patching::says(self.config.format, file, &self.switched(shard))
                };
                !file.is_some_and(same)
            }
        }
    }

    /// Whether a file that was given back has the optimized values again, in whatever words: nobody writes them there but
    /// others. What a run only takes out, its owner may have taken out before.
    #[must_use]
    pub fn is_on_again(&self, shard: Option<&Shard>, rendering: &Rendering, file: Option<&str>) -> bool {
        let Settings { switched, baseline, .. } = self.settings;
        let switches = switched.iter().any(|(path, value)| baseline.get(path) != Some(value));
        // No owner tells what the base says where a value is taken out of a rendered file.
        let is_ours = matches!(self.config.delivery, Delivery::Rendered(_));
        let mut changes = if is_ours { setting(switched) } else { self.switched(shard) };
        changes.retain(|path, _| Some(path) != self.config.revision_path.as_ref());
        let says = |file: &str| patching::says(self.config.format, file, &changes);
        let is_exact = is_ours && file == rendering.optimized.as_deref();
        file != rendering.baseline.as_deref() && (is_exact || switches && file.is_some_and(says))
    }

    /// Why a member that has no part in the run yet cannot have one.
    #[must_use]
    pub fn unfit(&self, member: &Member, shard: Option<&Shard>, file: Option<&str>) -> Option<Problem> {
        member.unfit.clone().or_else(|| match &self.config.delivery {
            // Without a base there is no evidence of what runs beneath the file, and in a run the file is ours.
            Delivery::Rendered(rendered) => {
                rendered.base.as_ref().filter(|_| self.settings.released.is_empty())?;
                let text = match shard {
                    Some(shard) => file.filter(|_| shard.record.members.is_empty())?,
                    None => self.base?,
                };
                self.optimized_already(member, text, &setting(&self.settings.switched))
            }
            Delivery::Patched(_) => self.unpatchable(member, shard, file?),
        })
    }

    fn unpatchable(&self, member: &Member, shard: Option<&Shard>, file: &str) -> Option<Problem> {
        let map = delivery::config_map(self.config, &member.name)?;
        if !member.pod.mounts_config {
            let message = format!(
                "pod {} does not mount ConfigMap {map} as a directory; mount it as a volume without subPath \
                 (environment variables and subPath mounts are never updated)",
                member.pod.name
            );
            return Some(Problem::new(Reason::NotMounted, message));
        }
        if !self.switching {
            return None;
        }
        let mut changes = self.switched(shard);
        if let Err(error) = patching::patch(self.config.format, file, &changes) {
            return Some(unreadable(self.config, &member.name, &error));
        }
        if let Some(revision) = &self.config.revision_path {
            changes.remove(revision);
        }
        self.optimized_already(member, file, &changes)
    }

    fn optimized_already(&self, member: &Member, file: &str, changes: &Changes) -> Option<Problem> {
        (self.switching && patching::says(self.config.format, file, changes)).then(|| {
            let message = format!("member {} runs the optimized values already; it is left alone", member.name);
            Problem::new(Reason::AlreadyOptimized, message)
        })
    }
}

/// A member's own file that cannot be patched.
#[must_use]
pub fn unreadable(config: &Config, member: &str, error: &FormatError) -> Problem {
    let map = delivery::config_map(config, member).unwrap_or_default();
    let key = delivery::file_key(config, member);
    Problem::new(Reason::ConfigUnreadable, format!("ConfigMap {map}, key {key}: {error}"))
}

#[cfg(test)]
mod tests;
