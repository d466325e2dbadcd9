//! Somebody else gives a member of the baseline the optimized values: that is taken back once. Who insists holds the run.

use std::collections::BTreeMap;

use api::{fleet::Delivery, reason::Reason};

use super::{
    intent::{Intent, Kind},
    pass::{Pass, Phase},
    roster::Standing,
    stage::upkeep,
    stamp::{self, patched::write_to},
    tell,
};
use crate::{
    delivery, format,
    observation::Shard,
    patching,
    plan::Advance,
    record::Cohort,
    restoration::told_baseline,
    settings::{Changes, setting},
};

/// Takes optimized values outside the optimized cohort back, once for each member; holds the run when that did not last,
/// or when nobody declares what to go back to. A retreat comes before this and leaves such a file to whoever wrote it.
#[must_use]
pub fn policy(pass: &Pass<'_>) -> Option<Intent> {
    if !matches!(pass.phase, Phase::Staging | Phase::Watching) {
        return None;
    }
    let is_foreign = detect(pass);
    let mut fresh = BTreeMap::new();
    let mut insisting = Vec::new();
    for standing in pass.roster.standings.iter().filter(|standing| is_foreign(standing)) {
        match baseline(pass, standing) {
            Some(file) if standing.entry.is_some_and(|entry| !entry.reverted) => {
                fresh.insert(standing.member.name.as_str(), (standing, file));
            }
            _ => insisting.push(standing),
        }
    }
    let taken_back = (!fresh.is_empty()).then(|| {
        let who = said(fresh.values().map(|(standing, _)| *standing));
        format!("{who}, which the stage does not allow; the baseline is written back, once")
    });
    let mut intent = if insisting.is_empty() {
        Intent::state(pass, Kind::Working, Reason::Overridden, taken_back.clone()?)
    } else {
        let message = format!(
            "{}, which the stage does not allow; the run holds until their files have the baseline values again, or \
             spec.abort is set",
            said(insisting.iter().copied())
        );
        Intent::state(pass, Kind::Stalled, Reason::Overridden, message)
    };
    intent.transition = taken_back.map(|message| (Reason::Overridden, message));
    intent.advance = if fresh.is_empty() { upkeep(pass) } else { writes(pass, &fresh) };
    Some(intent)
}

/// Tells whether a member of the baseline or the holdout has a file with all optimized values of this rollout.
pub fn detect<'p>(pass: &'p Pass<'_>) -> impl Fn(&Standing<'_>) -> bool + 'p {
    let config = &pass.spec.fleet.config;
    let ours: BTreeMap<&str, Option<String>> = match &config.delivery {
        Delivery::Rendered(_) => {
            let file = |shard: &Shard| delivery::checked_file(config, shard.base.as_deref(), &pass.settings.baseline);
            pass.run_shards().map(|shard| (shard.name.as_str(), file(shard))).collect()
        }
        // A member whose file said so before the run is not eligible.
        Delivery::Patched(_) => BTreeMap::new(),
    };
    // What is settled already says nothing of the run.
    let settled = |path: &String| pass.settings.baseline.get(path) == pass.settings.switched.get(path);
    let switched = setting(&pass.settings.switched).into_iter().filter(|(path, _)| !settled(path)).collect::<Changes>();
    move |standing| {
        let is_baseline = matches!(standing.cohort(), Some(Cohort::Baseline | Cohort::Holdout));
        let ours = standing.shard.and_then(|shard| ours.get(shard.name.as_str())?.as_deref());
        let foreign = standing.file.filter(|file| is_baseline && !switched.is_empty() && Some(*file) != ours);
        foreign.is_some_and(|file| patching::says(config.format, file, &switched))
    }
}

/// Who gave whom the optimized values.
pub(super) fn said<'s, 'p: 's>(standings: impl Iterator<Item = &'s Standing<'p>> + Clone) -> String {
    let writer = standings.clone().find_map(|standing| standing.shard?.last_writer.as_deref());
    let names = stamp::listed(standings.map(|standing| standing.member.name.as_str()));
    format!("{} gave {names} the optimized values", writer.unwrap_or("somebody else"))
}

/// The file with the baseline values, which may be none; `None` when a value of it is not declared.
fn baseline(pass: &Pass<'_>, standing: &Standing<'_>) -> Option<Option<String>> {
    let config = &pass.spec.fleet.config;
    let values = &pass.settings.baseline;
    match &config.delivery {
        Delivery::Rendered(_) => delivery::file(config, standing.shard?.base.as_deref(), values).ok(),
        Delivery::Patched(_) => {
            let paths = pass.settings.switched.keys();
            let changes =
                paths.map(|path| Some((path.clone(), Some(values.get(path)?.clone())))).collect::<Option<_>>()?;
            format::edit(config.format, standing.file?, &changes).ok().map(Some)
        }
    }
}

fn writes(pass: &Pass<'_>, fresh: &BTreeMap<&str, (&Standing<'_>, Option<String>)>) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    let shards = pass.run_shards().filter(|shard| fresh.keys().any(|name| shard.record.members.contains_key(*name)));
    let writes = shards.map(|shard| {
        let mut record = shard.record.clone();
        let mut write = write_to(shard);
        for (name, entry) in &mut record.members {
            if let Some((_, file)) = fresh.get(name.as_str()) {
                entry.reverted = true;
                write.data.insert(delivery::file_key(config, name), file.clone());
            }
        }
        write.record(config, Some(&record));
        Advance::WriteShard(write)
    });
    let touches = fresh.values().filter_map(|(standing, file)| {
        let told = told_baseline(config, &pass.settings, file.as_deref());
        tell::touch(pass, standing, &told, &standing.shard?.name).map(Advance::Touch)
    });
    let told: Vec<&Standing<'_>> = fresh.values().map(|(standing, _)| *standing).collect();
    let evictions = tell::evictions(pass, &told).into_iter().map(Advance::Evict);
    writes.chain(touches).chain(evictions).collect()
}

#[cfg(test)]
mod tests;
