use std::collections::BTreeMap;

use api::names::FINALIZER;
use serde_json::json;

use super::*;
use crate::{decide::decide, observation};

fn rollout() -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "pooling", "namespace": "qudag", "uid": "1", "generation": 3},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
            },
            "optimizations": [{"name": "pool", "settings": [{"path": "secret.pool", "optimized": true, "baseline": false}]}],
            "stages": [{"name": "half", "percent": 50, "bake": "1m"}],
        },
    }))
    .unwrap()
}

fn seen() -> Observation {
    let member = |index: usize| observation::Member {
        name: format!("node-{index}"),
        zone: String::new(),
        unfit: None,
        pod: observation::Pod {
            name: format!("node-{index}"),
            uid: format!("uid-{index}"),
            ready: index != 3,
            mounts_config: true,
            controller: "StatefulSet".to_owned(),
            ..observation::Pod::default()
        },
    };
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    Observation { now: at, members: (0..8).map(member).collect(), ..Observation::default() }
}

/// Applies the decided statuses and says what is decided after so many of them.
fn after(passes: usize) -> (OptimizationRollout, Observation) {
    let (mut rollout, seen) = (rollout(), seen());
    for _ in 0..passes {
        rollout.status = Some(decide(&rollout, &seen).status);
        rollout.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    }
    (rollout, seen)
}

#[test]
fn a_start_is_a_status_first() {
    let (rollout, seen) = after(0);
    let preview = preview(&rollout, &seen);
    assert_eq!(preview.reason, Reason::RunStarted, "{preview:#?}");
    assert!(preview.status.is_some() && preview.withdraw.is_empty() && !preview.measured);
    assert_eq!((preview.generation, preview.namespace.as_str(), preview.name.as_str()), (Some(3), "qudag", "pooling"));
    assert!(preview.transitions.iter().any(|line| line.starts_with("RunStarted") || line.starts_with("StageStarted")));
}

#[test]
fn a_preview_is_the_decision_itself() {
    for passes in 0..4 {
        let (rollout, seen) = after(passes);
        let (plan, preview) = (decide(&rollout, &seen), preview(&rollout, &seen));
        assert_eq!(preview.advance.len(), plan.advance.len());
        assert_eq!(preview.withdraw.len(), plan.withdraw.len());
        assert_eq!(preview.status.unwrap_or_else(|| rollout.status.clone().unwrap_or_default()), plan.status);
        assert_eq!(preview.requeue.get(), plan.requeue);
    }
}

#[test]
fn members_say_where_they_stand() {
    let (rollout, seen) = after(0);
    let members = members(&rollout, &seen);
    assert_eq!(members.len(), 8);
    let unready: Vec<&str> = members.iter().filter(|member| !member.ready).map(|member| member.name.as_str()).collect();
    assert_eq!(unready, ["node-3"]);
    assert!(members.iter().all(|member| member.eligible && member.cohort.is_none() && !member.overridden));
    assert!(members.iter().all(|member| !member.acknowledged), "nobody was told anything");
}

#[test]
fn an_abort_takes_away_first_and_no_file_is_repeated() {
    let (mut rollout, mut seen) = after(1);
    let run = rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    let entry = json!({"c": "o", "s": 0, "u": "uid-0"});
    seen.shards.push(observation::Shard {
        name: "settings".to_owned(),
        record: serde_json::from_value(json!({"run": run, "stage": 0, "members": {"node-0": entry}})).unwrap(),
        files: [("node-0".to_owned(), "[secret]\npool = true\n".to_owned())].into(),
        ..observation::Shard::default()
    });
    rollout.spec.abort = Some(api::rollout::Abort { reason: "ticket 42".to_owned() });
    let preview = preview(&rollout, &seen);
    let actions: Vec<&str> = preview.withdraw.iter().map(|step| step.action.as_str()).collect();
    assert!(actions.contains(&"MarkRollout") && actions.contains(&"Restore"), "{actions:?}");
    let text = serde_json::json!(preview).to_string();
    assert!(!text.contains("[secret]") && text.contains("ticket 42"), "{text}");
    assert_eq!(serde_json::from_str::<Preview>(&text).unwrap(), preview);
    assert_eq!(preview.members[0].cohort, Some(CohortName::Optimized));
}

#[test]
fn a_file_that_somebody_else_switched_on_is_none_of_ours() {
    let (rollout, mut seen) = after(3);
    let record = json!({"run": rollout.status.as_ref().unwrap().run.as_ref().unwrap().id, "stage": 0, "members": {
        "node-0": {"c": "o", "s": 0, "u": "uid-0"}, "node-1": {"c": "b", "s": 0, "u": "uid-1"},
        "node-2": {"c": "b", "s": 0, "u": "uid-2"},
    }});
    let file = |on| format!("secret.pool = {on}\n");
    seen.shards.push(observation::Shard {
        name: "settings".to_owned(),
        record: serde_json::from_value(record).unwrap(),
        files: [("node-0", true), ("node-1", true), ("node-2", false)]
            .map(|(name, on)| (name.to_owned(), file(on)))
            .into(),
        ..observation::Shard::default()
    });
    let members = members(&rollout, &seen);
    let overridden: Vec<(&str, bool)> = members[..3].iter().map(|it| (it.name.as_str(), it.overridden)).collect();
    assert_eq!(overridden, [("node-0", false), ("node-1", true), ("node-2", false)]);
}

fn shard_write(files: &[&str], is_new: bool) -> Advance {
    let keys = files.iter().map(|file| ((*file).to_owned(), Some("secret.pool = true".to_owned())));
    Advance::WriteShard(crate::plan::ShardWrite {
        name: "settings".to_owned(),
        resource_version: (!is_new).then(|| "7".to_owned()),
        data: keys.chain([(MEMBERS_KEY.to_owned(), Some(String::new()))]).collect(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    })
}

#[rstest::rstest]
#[case::files(&["a.toml", "b.toml"], false, "files a.toml, b.toml")]
#[case::many(&["a", "b", "c", "d"], false, "files a, b, c and 1 more")]
#[case::the_first(&["a.toml"], true, "created with files a.toml")]
#[case::no_file(&[], false, "the record of its members")]
#[case::no_file_yet(&[], true, "the record of its members")]
fn a_write_of_files_names_them(#[case] files: &[&str], #[case] is_new: bool, #[case] expected: &str) {
    let step = advancement(&shard_write(files, is_new));
    assert_eq!((step.action.as_str(), step.object.as_str()), ("WriteShard", "ConfigMap settings"));
    assert_eq!(step.change, expected);
}
