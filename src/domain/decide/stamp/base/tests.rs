use api::{OptimizationRollout, names::SETTLED_ANNOTATION};
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    decide::decide,
    observation::{Member, Observation, Pod},
    plan::ShardWrite,
    record::Record,
};

const OLD: &str = "log = \"info\"\n[pool]\nmax = 20 # ours\n";
const NEW: &str = "log = \"debug\"\n[pool]\nmax = 30 # ours\n";

fn on(base: &str) -> String {
    base.replace("20", "100").replace("30", "100")
}

fn rollout() -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "pooling", "namespace": "qudag", "uid": "1"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "config": {"rendered": {
                    "name": "settings", "key": "{member}.toml", "base": {"name": "node-base", "key": "base.toml"},
                }},
            },
            "optimizations": [{"name": "pool", "settings": [{"path": "pool.max", "optimized": 100}]}],
            "stages": [{"name": "half", "percent": 50, "bake": "1m"}],
        },
    }))
    .unwrap()
}

/// A run in its first stage: a is optimized, b is not, c is and somebody gave it another value, d has left.
fn running() -> (OptimizationRollout, Observation) {
    let member = |name: &str| Member {
        name: name.to_owned(),
        zone: String::new(),
        unfit: None,
        pod: Pod { name: name.to_owned(), uid: name.to_owned(), mounts_config: true, ..Pod::default() },
    };
    let mut rollout = rollout();
    let mut seen = Observation {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        members: ["a", "b", "c"].map(member).into(),
        base: Some(Ok(OLD.to_owned())),
        ..Observation::default()
    };
    rollout.status = Some(decide(&rollout, &seen).status);
    let run = rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    let entry = |cohort: &str| json!({"c": cohort, "s": 0, "u": ""});
    let members = json!({"a": entry("o"), "b": entry("b"), "c": entry("o"), "d": entry("o")});
    let record: Record = serde_json::from_value(json!({"run": run, "stage": 0, "members": members})).unwrap();
    let files = [("a", on(OLD)), ("b", OLD.to_owned()), ("c", OLD.replace("20", "7")), ("d", on(OLD))];
    seen.shards.push(Shard {
        name: "settings".to_owned(),
        record,
        base: Some(OLD.to_owned()),
        rollout: Some("pooling".to_owned()),
        files: files.map(|(member, file)| (member.to_owned(), file)).into(),
        ..Shard::default()
    });
    (rollout, seen)
}

fn renewed(rollout: &OptimizationRollout, seen: &Observation) -> Vec<ShardWrite> {
    let writes = renewals(&Pass::new(rollout, seen)).into_iter();
    writes.filter_map(|advance| if let Advance::WriteShard(write) = advance { Some(write) } else { None }).collect()
}

#[test]
fn every_members_file_follows_the_base_but_one_that_somebody_else_edited() {
    let (rollout, mut seen) = running();
    seen.base = Some(Ok(NEW.to_owned()));
    let [write] = renewed(&rollout, &seen).try_into().unwrap();
    let expected = [(".base", NEW.to_owned()), ("a.toml", on(NEW)), ("b.toml", NEW.to_owned()), ("d.toml", on(NEW))];
    assert_eq!(write.data, expected.map(|(key, text)| (key.to_owned(), Some(text))).into());
    assert_eq!(write.annotations, BTreeMap::new(), "nothing else changes");
    let owner = ("optimization.qudag.io/rollout".to_owned(), "pooling".to_owned());
    assert_eq!(write.labels, BTreeMap::from([owner]));
}

#[test]
fn what_somebody_took_back_stays_so_when_the_rest_is_settled() {
    let (mut rollout, mut seen) = running();
    let run = rollout.status.as_mut().unwrap().run.as_mut().unwrap();
    run.settled_at = Some(run.started_at.clone());
    let shard = &mut seen.shards[0];
    shard.record.members.clear();
    shard.settled = [("pool.max".to_owned(), api::Scalar::Int(100))].into();
    shard.files.insert("b".to_owned(), on(OLD));
    // Another line of it is no reason to leave it behind.
    shard.files.insert("d".to_owned(), format!("{}# by hand\n", on(OLD)));
    seen.base = Some(Ok(NEW.to_owned()));
    let [write] = renewed(&rollout, &seen).try_into().unwrap();
    let expected = [(".base", NEW.to_owned()), ("a.toml", on(NEW)), ("b.toml", on(NEW)), ("d.toml", on(NEW))];
    assert_eq!(write.data, expected.map(|(key, text)| (key.to_owned(), Some(text))).into());
}

#[test]
fn a_base_that_is_named_no_more_leaves_the_settings_alone() {
    let (mut rollout, mut seen) = running();
    rollout.metadata.name = Some("later".to_owned());
    if let api::fleet::Delivery::Rendered(rendered) = &mut rollout.spec.fleet.config.delivery {
        rendered.base = None;
    }
    (rollout.status, seen.base) = (None, None);
    seen.shards[0].record = Record::parse(None).unwrap();
    rollout.status = Some(decide(&rollout, &seen).status);
    let [write] = renewed(&rollout, &seen).try_into().unwrap();
    assert!(write.data.values().all(Option::is_none), "{:?}", write.data);
    assert_eq!(write.data.len(), 5);
}

type Change = fn(&mut OptimizationRollout, &mut Observation);

/// Tells the types of a closure.
const fn when(change: Change) -> Change {
    change
}

#[rstest]
#[case::the_same(when(|_, seen| seen.base = Some(Ok(OLD.to_owned()))))]
#[case::it_does_not_parse(when(|_, seen| seen.base = Some(Ok("log =".to_owned()))))]
#[case::it_cannot_hold_a_setting(when(|_, seen| seen.base = Some(Ok("pool = 1".to_owned()))))]
#[case::it_is_gone(when(|_, seen| seen.base = Some(Err(Problem::new(Reason::ConfigMapMissing, "x")))))]
#[case::it_was_not_looked_for(when(|_, seen| seen.base = None))]
#[case::an_abort_is_asked_for(when(|rollout, _| rollout.spec.abort = Some(api::rollout::Abort { reason: "x".to_owned() })))]
#[case::the_plan_changed(when(|rollout, _| rollout.spec.attempt = 2))]
#[case::the_run_of_another_rollout(when(|_, seen| seen.shards[0].record.run = "other-1".to_owned()))]
#[case::nothing_runs_and_another_rollout_wrote_last(when(|rollout, seen| {
    let run = rollout.status.as_mut().unwrap().run.as_mut().unwrap();
    run.settled_at = Some(run.started_at.clone());
    seen.shards[0].record.members.clear();
    seen.shards[0].rollout = Some("other".to_owned());
}))]
#[case::the_files_would_not_fit(when(|_, seen| {
    let long = format!("{OLD}# {}", "x".repeat(150_000));
    let files = (0..6).map(|member| (format!("m-{member}"), OLD.to_owned()));
    seen.shards[0].files.extend(files);
    seen.base = Some(Ok(long));
}))]
fn no_file_changes_when(#[case] change: Change) {
    let (mut rollout, mut seen) = running();
    seen.base = Some(Ok(NEW.to_owned()));
    assert_eq!(renewed(&rollout, &seen).len(), 1);
    change(&mut rollout, &mut seen);
    assert_eq!(renewed(&rollout, &seen), []);
}

#[test]
fn a_new_base_is_no_news_to_members_and_no_override() {
    let (rollout, mut seen) = running();
    let fingerprints = |seen: &Observation| {
        let standings = Pass::new(&rollout, seen).roster.standings;
        standings.into_iter().map(|standing| (standing.fingerprint, standing.overridden)).collect::<Vec<_>>()
    };
    let before = fingerprints(&seen);
    assert_eq!(before.iter().map(|(_, overridden)| *overridden).collect::<Vec<_>>(), [false, false, true]);
    let shard = &mut seen.shards[0];
    shard.base = Some(NEW.to_owned());
    shard.files.insert("a".to_owned(), on(NEW));
    shard.files.insert("b".to_owned(), NEW.to_owned());
    assert_eq!(fingerprints(&seen), before);
}

#[rstest]
#[case::before_the_run("log =".to_owned(), "ConfigMap node-base, key base.toml: the Toml text does not parse at line 1")]
#[case::too_long("x".repeat(200_001), "ConfigMap node-base, key base.toml: the text is longer than 200000 bytes; shorten it")]
fn a_base_stalls_a_run_that_could_start_and_no_other(#[case] base: String, #[case] words: &str) {
    let (started, mut seen) = running();
    seen.base = Some(Ok(base));
    let running = decide(&started, &seen).status;
    assert_ne!(running.summary.unwrap().reason, "ConfigUnreadable");
    let told = running.conditions.iter().find(|condition| condition.type_ == "Progressing").unwrap();
    assert!(
        told.message.contains("; a changed base is not followed: spec.fleet.config.rendered.base: "),
        "{}",
        told.message
    );
    seen.shards.clear();
    let status = decide(&rollout(), &seen).status;
    let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    assert!(stalled.reason == "ConfigUnreadable" && stalled.message.contains(words), "{}", stalled.message);
    assert!(!stalled.message.contains("is not followed"), "{}", stalled.message);
}

#[test]
fn a_base_is_followed_as_long_as_it_fits_in_with_the_files_that_are_made_of_it() {
    let (rollout, mut seen) = running();
    seen.shards[0].files.extend((0..6).map(|number| (format!("member-{number}"), OLD.to_owned())));
    let names: BTreeSet<String> = members(&seen.shards[0]).into_iter().map(str::to_owned).collect();
    let config = &rollout.spec.fleet.config;
    let settings = Pass::new(&rollout, &seen).settings;
    let mut is_followed = |length: &usize| {
        seen.base = Some(Ok("#".repeat(*length)));
        matches!(Pass::new(&rollout, &seen).base(), Some(Ok(_)))
    };
    let lengths: Vec<usize> = (80_000..100_000).collect();
    let longest = lengths[lengths.partition_point(&mut is_followed) - 1];
    let file = Rendering::checked(config, &settings, Some(&"#".repeat(longest))).size();
    let size = longest + names.iter().map(|name| name.len() + file + ENTRY_SIZE).sum::<usize>();
    let next = size + 1 + names.len();
    assert!(size <= LARGEST && next > LARGEST, "{longest}: {size}, then {next}");
}

#[test]
fn a_base_may_have_two_hundred_thousand_bytes() {
    let mut seen = running().1;
    seen.shards.clear();
    seen.base = Some(Ok("#".repeat(200_000)));
    assert_eq!(Pass::new(&rollout(), &seen).base().map(|base| base.map(str::len)), Some(Ok(200_000)));
}

#[test]
fn a_deleted_rollout_leaves_the_base_with_what_is_settled_in_every_file() {
    let (mut rollout, mut seen) = running();
    seen.base = Some(Err(Problem::new(Reason::ConfigMapMissing, "x")));
    seen.shards[0].settled = [("log".to_owned(), api::Scalar::Text("warn".to_owned()))].into();
    seen.shards[0].record.members.values_mut().for_each(|entry| entry.cohort = Cohort::Returning);
    seen.members.clear();
    rollout.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(seen.now));
    // First the mark, then the end.
    rollout.status = Some(decide(&rollout, &seen).status);
    let run = seen.shards[0].record.run.clone();
    seen.shards[0].mark = crate::mark::Mark::parse(Some(&run), None);
    let plan = decide(&rollout, &seen);
    let write = plan.advance.iter().find_map(|advance| match advance {
        Advance::WriteShard(write) => Some(write),
        _ => None,
    });
    let data = &write.unwrap().data;
    for member in ["a", "b", "c", "d"] {
        assert_eq!(data[&format!("{member}.toml")].as_deref(), Some(OLD.replace("info", "warn").as_str()));
    }
    assert!(!data.contains_key(BASE_KEY) && !write.unwrap().annotations.contains_key(SETTLED_ANNOTATION));
}
