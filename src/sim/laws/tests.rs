//! Each law against a history that breaks it.

use rstest::rstest;
use serde_json::{Value, json};

use super::CANARY;
use crate::history::Entry;
use crate::request::Subresource;

mod forgiven;
mod quiet;
mod story;

use story::*;

#[test]
fn a_good_story_breaks_no_law_and_puts_many_at_stake() {
    let mut story = Story::new();
    story.promote();
    story.write(
        "replica-1",
        &map(),
        Some(settings(1, &[("node-0", "o"), ("node-1", "o"), ("node-5", "h")])),
        version(),
    );
    assert_eq!(story.laws.violations().len(), 0, "{:?}", story.laws.violations());
    let at_stake: Vec<&str> =
        story.laws.accounts().into_iter().filter(|account| account.premises > 0).map(|account| account.law).collect();
    for law in ["L1 blast radius", "L2 monotone cohorts", "L6 silence never promotes", "L16 clocks", "L17 evidence"] {
        assert!(at_stake.contains(&law), "{law} in {at_stake:?}");
    }
}

/// So many looks find these shares of failing requests, while somebody leads.
fn fail(story: &mut Story, looks: usize, optimized: f64, baseline: f64) {
    for _ in 0..looks {
        story.renew();
        leaderless(story, 1, optimized, baseline);
    }
}

/// The same while nobody does.
fn leaderless(story: &mut Story, looks: usize, optimized: f64, baseline: f64) {
    for _ in 0..looks {
        story.wait(10);
        story.measure("node-0", true, Some(optimized));
        story.measure("node-1", false, Some(baseline));
        story.measure("node-5", false, Some(baseline));
    }
}

#[rstest]
#[case::it_lasts_a_moment(|story: &mut Story| fail(story, 9, 0.5, 0.0))]
#[case::the_others_suffer_as_well(|story: &mut Story| fail(story, 12, 0.5, 0.2))]
#[case::something_else_happens(|story: &mut Story| {
    fail(story, 5, 0.5, 0.0);
    story.laws.check(&Entry::Fault { at: story.at, user: "replica-1".to_owned(), key: None, what: "cut off".to_owned() });
    fail(story, 5, 0.5, 0.0);
})]
#[case::nobody_leads(|story: &mut Story| leaderless(story, 12, 0.5, 0.0))]
#[case::it_is_taken_back(|story: &mut Story| {
    fail(story, 5, 0.5, 0.0);
    story.retreat();
    fail(story, 5, 0.5, 0.0);
})]
fn harm_is_a_matter_of_the_operator_unless(#[case] happens: fn(&mut Story)) {
    let mut story = Story::new();
    happens(&mut story);
    assert!(!story.broken().contains(&"L19 harm is answered"), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::more_than_the_stage("L1 blast radius", |story: &mut Story| {
    story.promote();
    let all = [("node-0", "o"), ("node-1", "o"), ("node-2", "o"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(1, &all)), version());
})]
#[case::a_joiner_in_a_stamped_stage("L1 blast radius", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| rollout["status"]["stage"]["quota"] = json!(2));
    let joined = [("node-0", "o"), ("node-6", "o"), ("node-1", "b"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(0, &joined)), version());
})]
#[case::a_file_without_a_record("L1 blast radius", |story: &mut Story| {
    story.edit(Some("replica-1"), &map(), version(), |map| map["data"]["node-1.toml"] = json!(OPTIMIZED));
})]
#[case::a_quota_beyond_the_percentage("L1 blast radius", |story: &mut Story| {
    story.bake(true);
    story.transition("StageStarted", |status| {
        status["stage"] = second_stage();
        status["stage"]["quota"] = json!(3);
    });
})]
#[case::a_member_leaves_without_a_retreat("L2 monotone cohorts", |story: &mut Story| {
    story.write("replica-1", &map(), Some(settings(0, &[("node-0", "b"), ("node-1", "b"), ("node-5", "h")])), version());
})]
#[case::the_holdout_is_broken_early("L2 monotone cohorts", |story: &mut Story| {
    story.promote();
    story.write("replica-1", &map(), Some(settings(1, &[("node-0", "o"), ("node-1", "b"), ("node-5", "o")])), version());
})]
#[case::off_is_said_too_early("L3 abort deadline", |story: &mut Story| {
    story.abort();
})]
#[case::off_is_said_while_a_file_is_on("L3 abort deadline", |story: &mut Story| story.retreat_to(OPTIMIZED))]
#[case::off_is_said_while_nobody_can_read_a_record("L3 abort deadline", |story: &mut Story| {
    story.hear("node-0", true);
    story.edit(None, &map(), json!({}), |map| map["data"][".members.json"] = json!("{"));
    story.transition("LimitBreached", |status| {
        status["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
        status["conditions"][0] = condition("Aborted", true);
        status["retreat"] = json!({"reason": "LimitBreached", "message": "m", "decidedAt": "2026-01-01T00:01:00Z",
            "offAt": "2026-01-01T00:01:00Z"});
    });
})]
#[case::acknowledgement_is_said_too_early("L3 abort deadline", |story: &mut Story| {
    story.hear("node-0", true);
    story.retreat();
    story.status(|status| status["retreat"]["acknowledgedAt"] = json!("2026-01-01T00:01:00Z"));
})]
#[case::acknowledgement_is_said_of_another_name("L3 abort deadline", |story: &mut Story| {
    story.hear("node-0", true);
    story.retreat();
    spec(story, "/optimizations/0/name", "other");
    story.status(|status| status["retreat"]["acknowledgedAt"] = json!("2026-01-01T00:01:00Z"));
})]
#[case::nobody_serves("L4 safe route", |story: &mut Story| {
    for number in 1..6 {
        story.edit(None, &key("Pod", &format!("node-{number}")), json!({}), |pod| {
            pod["status"]["conditions"][0]["status"] = json!("False");
        });
    }
    story.wait(10);
    let body = json!({"metadata": {"labels": {"optimization.qudag.io/serving": "false"}, "annotations": {
        "optimization.qudag.io/retreat": RUN}}});
    story.edit(Some("replica-1"), &key("Pod", "node-0"), body, |pod| {
        pod["metadata"]["labels"]["optimization.qudag.io/serving"] = json!("false");
    });
})]
#[case::the_last_one_is_evicted("L4 safe route", |story: &mut Story| {
    let end = |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    for number in 1..6 {
        story.edit(None, &key("Pod", &format!("node-{number}")), json!({}), end);
    }
    story.wait(10);
    let mut last = story.objects[&key("Pod", "node-0")].clone();
    end(&mut last);
    let body = json!({"deleteOptions": {"preconditions": {"uid": "uid-node-0"}}});
    story.write_part("replica-1", &key("Pod", "node-0"), Some(Subresource::Eviction), Some(last), body);
})]
#[case::the_rest_is_overloaded("L4 safe route", |story: &mut Story| {
    for number in 0..4 {
        let body = json!({"metadata": {"labels": {"optimization.qudag.io/serving": "false"}, "annotations": {
            "optimization.qudag.io/retreat": RUN}}});
        story.edit(Some("replica-1"), &key("Pod", &format!("node-{number}")), body, |pod| {
            pod["metadata"]["labels"]["optimization.qudag.io/serving"] = json!("false");
        });
    }
})]
#[case::switched_on_before_its_label("L4 safe route", |story: &mut Story| {
    story.promote();
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.write_part("replica-1", &map(), None, Some(settings(1, &more)), version());
})]
#[case::let_in_while_it_is_optimized("L4 safe route", |story: &mut Story| {
    story.hear("node-0", true);
    story.mark_pod("node-0");
    story.retreat();
    story.let_in("node-0");
})]
#[case::promoted_in_silence("L6 silence never promotes", |story: &mut Story| {
    story.bake(true);
    story.wait(30);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::promoted_without_acknowledgement("L6 silence never promotes", |story: &mut Story| {
    story.bake(false);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::switched_on_twice("L7 idempotent retreat", |story: &mut Story| {
    // Somebody else's hand takes the record back, so that no other law is broken.
    let mut back = settings(-1, &[("node-0", "b"), ("node-1", "b"), ("node-5", "h")]);
    back["data"]["node-0.toml"] = json!(OPTIMIZED);
    story.cluster(&map(), Some(back));
    story.write("replica-1", &map(), Some(settings(0, &first())), version());
})]
#[case::switched_on_after_the_retreat("L8 aborted stays aborted", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["status"]["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
    });
    story.wait(10);
    story.edit(None, &rollout(), json!({}), |rollout| rollout["status"]["stage"]["quota"] = json!(2));
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.cluster(&map(), Some(settings(-1, &first())));
    story.write("replica-1", &map(), Some(settings(0, &more)), version());
})]
#[case::the_same_run_again("L8 aborted stays aborted", |story: &mut Story| {
    story.retreat();
    story.transition("RunStarted", |status| {
        status["run"]["id"] = json!("plan-2");
        status["run"].as_object_mut().unwrap().remove("abortedAt");
        status["conditions"][0] = condition("Aborted", false);
        status.as_object_mut().unwrap().remove("retreat");
    });
    story.transition("RunStarted", |status| status["run"]["id"] = json!(RUN));
})]
#[case::an_override_is_undone("L10 off wins", |story: &mut Story| {
    story.edit(None, &map(), json!({}), |map| map["data"]["node-0.toml"] = json!(BASELINE));
    story.edit(Some("replica-1"), &map(), version(), |map| map["data"]["node-0.toml"] = json!(OPTIMIZED));
})]
#[case::a_foreign_label("L11 scope", |story: &mut Story| {
    let body = json!({"metadata": {"resourceVersion": "1"}});
    story.edit(Some("replica-1"), &key("Pod", "node-1"), body, |pod| pod["metadata"]["labels"]["app"] = json!("x"));
})]
#[case::a_foreign_map("L11 scope", |story: &mut Story| {
    story.cluster(&key("ConfigMap", "other"), Some(json!({"metadata": {"name": "other"}, "data": {"a": "1"}})));
    story.edit(Some("replica-1"), &key("ConfigMap", "other"), version(), |map| map["data"]["a"] = json!("2"));
})]
#[case::a_label_that_is_copied("L11 scope", |story: &mut Story| {
    let mut made = settings(0, &[]);
    made["metadata"]["name"] = json!("settings-1");
    made["metadata"]["labels"]["argocd.argoproj.io/instance"] = json!("fleet");
    story.write("replica-1", &key("ConfigMap", "settings-1"), Some(made), json!({}));
})]
#[case::a_kind_that_is_not_ours("L11 scope", |story: &mut Story| {
    let node = json!({"metadata": {"name": "n"}});
    story.write("replica-1", &key("Namespace", "n"), Some(node), version());
})]
#[case::released_before_it_is_restored("L12 deletion", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    story.write("replica-1", &rollout(), None, version());
})]
#[case::switched_on_without_a_finalizer("L12 deletion", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    story.promote();
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(1, &more)), version());
})]
#[case::released_with_what_it_had_settled("L12 deletion", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        rollout["spec"]["deletionPolicy"] = json!("Restore");
        rollout["status"]["run"]["settledAt"] = json!("2026-01-01T00:01:00Z");
    });
    story.edit(None, &map(), json!({}), |map| {
        map["metadata"]["annotations"] = json!({
            "optimization.qudag.io/settled": r#"{"pool":true}"#,
            "optimization.qudag.io/settled-by": r#"{"pool":{"r":"pooling","o":"pool"}}"#,
        });
    });
    story.write("replica-1", &rollout(), None, version());
})]
#[case::a_settled_run_whose_record_stays("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["status"]["run"]["settledAt"] = json!("2026-01-01T00:01:00Z");
    });
    story.edit(None, &key("Pod", "node-0"), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("baseline"));
    story.calm();
})]
#[case::a_file_that_is_on_after_a_retreat("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &key("Pod", "node-0"), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("baseline"));
    story.edit(None, &rollout(), json!({}), taken_back);
    let mut closed = settings(0, &[]);
    closed["data"]["node-0.toml"] = json!(OPTIMIZED);
    story.write("replica-1", &map(), Some(closed), version());
    story.calm();
})]
#[case::a_members_own_file_that_is_not_what_it_was("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(None, &key("Pod", "node-0"), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("baseline"));
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["spec"]["fleet"]["config"] = json!({"patched": {"name": "{member}-config", "key": "node.toml"}});
        taken_back(rollout);
    });
    let own = key("ConfigMap", "node-0-config");
    let file = json!({
        "metadata": {"name": "node-0-config", "namespace": "fleet", "annotations": {
            "optimization.qudag.io/member": "node-0",
        }},
        "data": {"node.toml": "pool = false\n"},
    });
    story.cluster(&own, Some(file));
    story.edit(Some("replica-1"), &own, version(), |map| map["data"]["node.toml"] = json!("pool = 0\n"));
    story.calm();
})]
#[case::a_write_in_the_calm("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(None, &key("Pod", "node-0"), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("baseline"));
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["status"]["run"]["settledAt"] = json!("2026-01-01T00:01:00Z");
    });
    story.calm();
    story.edit(Some("replica-1"), &map(), version(), |map| {
        map["metadata"]["annotations"] = json!({"optimization.qudag.io/settled": "{}"});
    });
})]
#[case::a_run_without_an_end("L13 convergence and quiet", |story: &mut Story| {
    story.calm();
})]
#[case::a_rollout_that_never_starts("L13 convergence and quiet", |story: &mut Story| {
    story.never_starts("RunStarted");
    story.calm();
})]
#[case::a_rollout_waits_for_volumes_that_are_there("L13 convergence and quiet", |story: &mut Story| {
    story.never_starts("NotMounted");
    story.calm();
})]
#[case::a_rollout_waits_for_members_that_are_there("L13 convergence and quiet", |story: &mut Story| {
    story.never_starts("NoMembers");
    story.calm();
})]
#[case::a_member_that_says_it_is_back_is_waited_for("L13 convergence and quiet", |story: &mut Story| {
    story.hear("node-0", true);
    story.retreat();
    story.hear("node-0", false);
    story.waits("Unreachable");
    story.calm();
})]
#[case::a_member_that_never_said_it_was_away_is_waited_for("L13 convergence and quiet", |story: &mut Story| {
    story.retreat();
    story.hear("node-0", false);
    story.waits("Unreachable");
    story.calm();
})]
#[case::members_that_answer_are_waited_for("L13 convergence and quiet", |story: &mut Story| {
    for number in 0..6 {
        story.measure(&format!("node-{number}"), number == 0, Some(0.001));
    }
    story.waits("AwaitingMeasurements");
    story.calm();
})]
#[case::a_map_that_can_be_read_is_waited_for("L13 convergence and quiet", |story: &mut Story| {
    story.waits("ConfigUnreadable");
    story.calm();
})]
#[case::a_write_is_refused_for_ever("L13 convergence and quiet", |story: &mut Story| {
    story.waits("Paused");
    story.refused("replica-1", &map(), json!({}));
    story.calm();
})]
#[case::a_run_that_waits_is_reported_all_the_time("L13 convergence and quiet", |story: &mut Story| {
    story.waits("Paused");
    story.calm();
    for _ in 0..5 {
        story.wait(1);
        story.waits("Paused");
    }
})]
#[case::everything_is_read_all_the_time("L13 convergence and quiet", |story: &mut Story| {
    story.waits("Paused");
    story.laws.check(&Entry::Calm { at: story.at, reads: 1000 });
})]
#[case::a_pod_is_labelled_after_its_rollout("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(Some("replica-1"), &key("Pod", "node-3"), version(), |pod| {
        pod["metadata"]["labels"][COHORT] = json!("optimized");
    });
    story.cluster(&rollout(), None);
    story.calm();
})]
#[case::a_record_of_a_rollout_that_is_gone("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &key("Pod", "node-0"), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("baseline"));
    story.cluster(&rollout(), None);
    story.calm();
})]
#[case::a_file_that_is_on_after_its_rollout("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &key("Pod", "node-0"), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("baseline"));
    story.edit(None, &rollout(), json!({}), taken_back);
    let mut closed = settings(0, &[]);
    closed["data"]["node-0.toml"] = json!(OPTIMIZED);
    story.write("replica-1", &map(), Some(closed), version());
    story.cluster(&rollout(), None);
    story.calm();
})]
#[case::a_standby_goes_ahead("L14 one advances", |story: &mut Story| {
    let mut ahead = settings(1, &first());
    ahead["data"]["node-0.toml"] = json!(OPTIMIZED);
    story.write("replica-2", &map(), Some(ahead), version());
})]
#[case::a_standby_writes_blindly("L14 one advances", |story: &mut Story| {
    let body = json!({"metadata": {"labels": {"optimization.qudag.io/cohort": "optimized"}}});
    story.edit(Some("replica-2"), &key("Pod", "node-1"), body, |pod| {
        pod["metadata"]["labels"]["optimization.qudag.io/cohort"] = json!("optimized");
    });
})]
#[case::a_leader_writes_blindly("L14 one advances", |story: &mut Story| {
    let status = json!({"status": {}});
    story.write_part("replica-1", &rollout(), Some(Subresource::Status), Some(story.objects[&rollout()].clone()), status);
})]
#[case::a_stage_without_the_lease("L14 one advances", |story: &mut Story| {
    story.renew();
    story.promote();
})]
#[case::a_stage_that_comes_too_late_for_the_lease("L14 one advances", |story: &mut Story| {
    story.bake(true);
    story.renew();
    story.wait(7);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::let_in_before_it_is_committed("L14 one advances", |story: &mut Story| {
    story.mark_pod("node-0");
    story.let_in("node-0");
})]
#[case::a_map_is_forgotten("L15 independence", |story: &mut Story| {
    let mark = json!({"metadata": {"annotations": {"optimization.qudag.io/retreat": RUN}}});
    story.edit(Some("replica-1"), &rollout(), mark.clone(), |rollout| {
        rollout["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
    });
    story.wait(10);
    story.hear("node-0", true);
})]
#[case::a_bake_is_cut_short("L16 clocks", |story: &mut Story| {
    story.wait(30);
    story.hear("node-0", true);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::a_bake_in_silence("L16 clocks", |story: &mut Story| {
    story.wait(70);
    story.measure("node-0", true, Some(0.001));
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::a_transition_without_a_word("L17 evidence", |story: &mut Story| {
    story.bake(true);
    story.status(|status| status["stage"] = second_stage());
})]
#[case::a_transition_without_an_event("L17 evidence", |story: &mut Story| {
    story.bake(true);
    story.tell("StageStarted", "why", |status| status["stage"] = second_stage());
    story.wait(10);
    story.hear("node-0", true);
})]
#[case::a_transition_whose_event_is_refused("L17 evidence", |story: &mut Story| {
    story.bake(true);
    story.tell("StageStarted", "why", |status| status["stage"] = second_stage());
    story.refused("replica-1", &key("Event", "e"), json!({"reason": "StageStarted", "note": "why"}));
    story.wait(10);
    story.hear("node-0", true);
})]
#[case::an_event_that_is_not_true("L17 evidence", |story: &mut Story| {
    let event = json!({"metadata": {"name": "e"}, "reason": "StageStarted", "note": "all of them",
        "regarding": {"name": "pooling"}});
    story.write("replica-1", &key("Event", "untrue"), Some(event.clone()), event);
})]
#[case::nobody_acts_on_harm("L19 harm is answered", |story: &mut Story| fail(story, 10, 0.5, 0.0))]
#[case::a_secret_in_a_file("L18 secrets", |story: &mut Story| {
    story.edit(Some("replica-1"), &map(), json!({"metadata": {"resourceVersion": "1"}, "data": {"x": CANARY}}), |_| {});
})]
fn a_broken_law_is_named(#[case] law: &str, #[case] breaks: fn(&mut Story)) {
    let mut story = Story::new();
    breaks(&mut story);
    assert_eq!(story.broken(), [law], "{:#?}", story.laws.violations());
}
