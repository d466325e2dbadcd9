//! Statuses, records and marks that an older version wrote, or that somebody damaged: a decision is made, and nobody is
//! switched on whom the stage does not allow.

use api::{
    OptimizationRollout,
    names::{MEMBERS_KEY, RETREAT_ANNOTATION, cohort},
};
use domain::{
    decide::{decide, decide_standby},
    mark::Mark,
    needs::needs,
    observation::{Measurements, Member, Observation, Pod, Service, Shard},
    plan::Advance,
    preview::preview,
    record::{Cohort, Record},
    run::{judged_by, plan_id, run_id},
};
use serde_json::{Value, json};

use super::{Outcome, json, sentence, source::Source, spec};

const TIME: &str = "2026-01-01T00:00:00Z";
const WORDS: [&str; 30] = [
    "run",
    "stage",
    "retreat",
    "id",
    "plan",
    "seed",
    "index",
    "quota",
    "percent",
    "edited",
    "startedAt",
    "abortedAt",
    "succeededAt",
    "settlingAt",
    "settledAt",
    "judgedBy",
    "covered",
    TIME,
    "9999-12-31T23:59:59Z",
    "members",
    "node-0",
    "node-9",
    "c",
    "s",
    "u",
    "o",
    "b",
    "h",
    "r",
    "conditions",
];

pub fn check(source: &mut Source) -> Outcome {
    let mut rollout: OptimizationRollout = serde_json::from_value(spec::rollout()).unwrap();
    let plan = plan_id(&rollout);
    let id = if source.one_in(8) { "older-1".to_owned() } else { run_id(&plan, 1) };
    let mut status = status(source, &rollout, &plan, &id);
    json::damage(source, &mut status, &WORDS);
    let Ok(status) = serde_json::from_value(status) else {
        return Outcome { taken: false, bytes: 0 };
    };
    rollout.status = Some(status);
    if source.one_in(4) {
        rollout.metadata.annotations = Some([(RETREAT_ANNOTATION.to_owned(), id.clone())].into());
    }
    if source.one_in(8) {
        rollout.metadata.deletion_timestamp = serde_json::from_value(json!(TIME)).unwrap();
    }
    if source.one_in(2) {
        rollout.metadata.finalizers = Some(vec![api::names::FINALIZER.to_owned()]);
    }
    let mut seen = fleet(1 + source.below(6));
    seen.services = vec![Service { name: "nodes".to_owned(), ..Service::default() }];
    seen.report_due = source.one_in(2);
    seen.shards = shards(source, &id, seen.members.len());
    for member in &mut seen.members {
        member.pod.cohort = source.one_in(2).then(|| source.pick(&[cohort::OPTIMIZED, cohort::BASELINE]).to_owned());
        member.pod.serving = source.one_in(2).then(|| source.pick(&["true", "false", ""]).to_owned());
    }
    if source.one_in(2) {
        seen.measurements = Some(Measurements {
            run: id.clone(),
            bake: TIME.parse().unwrap(),
            covered: std::time::Duration::from_secs(source.below(100_000) as u64),
            passing: source.one_in(2),
            ..Measurements::default()
        });
    }
    let plan = decide(&rollout, &seen);
    let _ = (preview(&rollout, &seen), decide_standby(&rollout, &seen), needs(&rollout, &seen));
    // What stays as it was is not ours.
    let before = rollout.status.as_ref().map_or(&[][..], |status| status.conditions.as_slice());
    let said = plan.status.conditions.iter().filter(|condition| !before.contains(condition));
    for condition in said.filter(|condition| !condition.message.is_empty()) {
        sentence(&condition.message);
    }
    obeys(&rollout, &seen, &plan.advance);
    // What comes of it is decided upon again.
    rollout.status = Some(plan.status);
    obeys(&rollout, &seen, &decide(&rollout, &seen).advance);
    Outcome::taken(0)
}

/// Nobody is switched on in a run that is not that of the status, that is marked or over, or beyond the quota.
fn obeys(rollout: &OptimizationRollout, seen: &Observation, advance: &[Advance]) {
    let added = advance.iter().filter_map(|item| match item {
        Advance::WriteShard(write) => Some((write, Record::parse(write.data.get(MEMBERS_KEY)?.as_deref()).unwrap())),
        _ => None,
    });
    let status = rollout.status.clone().unwrap_or_default();
    for (write, record) in added {
        let before = seen.shards.iter().find(|shard| shard.name == write.name).map(|shard| &shard.record);
        let before = before.filter(|before| before.run == record.run);
        let is_on = |record: &Record, name: &String| {
            record.members.get(name).is_some_and(|entry| entry.cohort == Cohort::Optimized)
        };
        let on = |name: &&String| is_on(&record, name) && !before.is_some_and(|before| is_on(before, name));
        if !record.members.keys().any(|name| on(&name)) {
            continue;
        }
        let all = record.members.keys().filter(|name| is_on(&record, name)).count();
        let run = status.run.as_ref().unwrap();
        assert_eq!(run.id, record.run, "{write:?}");
        assert!(run.aborted_at.is_none() && run.settled_at.is_none(), "{status:?} {write:?}");
        let marked = |mark: &Option<Mark>| mark.as_ref().is_some_and(|mark| mark.run == run.id);
        assert!(!seen.shards.iter().any(|shard| marked(&shard.mark)), "{write:?}");
        let annotations = rollout.metadata.annotations.as_ref();
        assert_ne!(annotations.and_then(|all| all.get(RETREAT_ANNOTATION)), Some(&run.id), "{write:?}");
        let quota = usize::try_from(status.stage.as_ref().map_or(0, |stage| stage.quota)).unwrap_or(0);
        assert!(run.settling_at.is_some() || all <= quota, "{all} of {quota}: {write:?}");
        assert!(
            advance.first() == Some(&Advance::Confirm),
            "somebody is switched on without a last look at the rollout: {advance:?}"
        );
    }
}

/// So many members that are well.
pub fn fleet(members: usize) -> Observation {
    let member = |index| {
        let name = format!("node-{index}");
        let pod = Pod {
            name: name.clone(),
            uid: name.clone(),
            ip: Some("10.0.0.1".to_owned()),
            metrics_port: Some(9100),
            ready: true,
            mounts_config: true,
            controller: "StatefulSet".to_owned(),
            ..Pod::default()
        };
        Member { name, zone: String::new(), unfit: None, pod }
    };
    Observation { now: TIME.parse().unwrap(), members: (0..members).map(member).collect(), ..Observation::default() }
}

fn status(source: &mut Source, rollout: &OptimizationRollout, plan: &str, id: &str) -> Value {
    let mut status = json!({
        "observedGeneration": 1,
        "run": {
            "id": id, "plan": plan, "attempt": 1, "seed": id, "eligible": 4, "holdout": source.below(3), "startedAt": TIME,
        },
        "stage": {
            "index": source.below(3), "name": source.pick(&["canary", "full"]), "percent": 10, "quota": source.below(5),
            "startedAt": TIME, "edited": source.one_in(4), "covered": "30m",
            "judgedBy": if source.one_in(4) { String::new() } else { judged_by(rollout) },
        },
        "members": {
            "fleet": 4, "eligible": 4, "optimized": source.below(4), "acknowledged": 0, "baseline": 1, "holdout": 1,
            "returning": 0,
        },
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Baking", "message": "", "lastTransitionTime": TIME,
        }],
        "history": [{"time": TIME, "reason": "RunStarted", "message": "x"}],
    });
    for fact in ["abortedAt", "succeededAt", "settlingAt", "settledAt"] {
        if source.one_in(5) {
            status["run"][fact] = json!(TIME);
        }
    }
    if source.one_in(5) {
        status["retreat"] = json!({"reason": "LimitBreached", "message": "x", "decidedAt": TIME});
        if source.one_in(2) {
            status["retreat"]["acknowledgedAt"] = json!(TIME);
        }
    }
    status
}

/// One or two ConfigMaps whose records may not fit together.
fn shards(source: &mut Source, id: &str, members: usize) -> Vec<Shard> {
    let mut shards = Vec::new();
    for name in ["settings", "settings-1"].into_iter().take(source.below(3)) {
        let mut shard = Shard {
            name: name.to_owned(),
            resource_version: "1".to_owned(),
            record: record(source, id, members),
            rollout: Some("pooling".to_owned()),
            ..Shard::default()
        };
        for index in (0..members).filter(|_| source.one_in(2)).collect::<Vec<_>>() {
            let file = ["pool.enabled = true\ncache.size = 100\n", "pool.enabled = false\n", "", "= broken"];
            shard.files.insert(format!("node-{index}"), source.pick(&file).to_owned());
        }
        if source.one_in(6) {
            shard.mark = Mark::parse(Some(source.pick(&[id, "older-1"])), Some(&source.text()));
        }
        if source.one_in(8) {
            shard.settled = [("cache.size".to_owned(), api::Scalar::Int(100))].into();
        }
        shards.push(shard);
    }
    shards
}

/// A record that still parses.
fn record(source: &mut Source, id: &str, members: usize) -> Record {
    let entries: serde_json::Map<String, Value> = (0..members)
        .map(|index| {
            let entry = json!({
                "c": source.pick(&["o", "b", "h", "r"]), "s": source.below(3), "u": format!("node-{index}"),
            });
            (format!("node-{index}"), entry)
        })
        .collect();
    let mut record = json!({
        "run": source.pick(&[id, id, "older-1"]), "stage": source.below(3) as i64 - 1, "members": entries,
    });
    if source.one_in(3) {
        json::damage(source, &mut record, &WORDS);
    }
    Record::parse(Some(&record.to_string())).unwrap_or_default()
}
