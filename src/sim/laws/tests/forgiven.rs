//! Histories that look as if a law were broken, and what makes the difference.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::story::*;
use crate::history::GOES_ON;

#[test]
fn a_pod_that_somebody_else_takes_out_after_the_end_stays_out() {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(None, &rollout(), json!({}), taken_back);
    let set = |serving: &'static str| {
        move |pod: &mut Value| {
            pod["metadata"]["labels"][COHORT] = json!("baseline");
            pod["metadata"]["labels"][SERVING] = json!(serving);
        }
    };
    story.edit(None, &key("Pod", "node-0"), json!({}), set("true"));
    story.edit(None, &key("Pod", "node-0"), json!({}), set("false"));
    story.calm();
    assert!(!story.broken().contains(&"L13 convergence and quiet"), "{:#?}", story.laws.violations());
}

#[test]
fn a_map_that_was_tried_right_before_the_first_mark_was_tried() {
    let mut story = Story::new();
    let mark = json!({"metadata": {"annotations": {"optimization.qudag.io/retreat": RUN}}});
    story.refused("replica-1", &map(), mark.clone());
    story.edit(Some("replica-1"), &rollout(), mark.clone(), |rollout| {
        rollout["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
    });
    story.wait(10);
    story.hear("node-0", true);
    assert!(!story.broken().contains(&"L15 independence"), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::in_time(6, 0, false)]
#[case::too_late(7, 0, true)]
#[case::held_up_on_its_way(30, 25, false)]
#[case::too_late_and_held_up(30, 20, true)]
fn a_commit_is_sent(#[case] seconds: u64, #[case] ago: u64, #[case] breaks: bool) {
    let mut story = Story::new();
    story.bake(true);
    story.renew();
    story.wait(seconds);
    story.hear("node-0", true);
    story.sent = Some(story.at - Duration::from_secs(ago));
    story.transition("StageStarted", |status| status["stage"] = second_stage());
    assert_eq!(story.broken().contains(&"L14 one advances"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::on_its_way(true, false)]
#[case::as_well(false, true)]
fn a_replica_goes_on_while_another_one_leads(#[case] held: bool, #[case] breaks: bool) {
    let mut story = Story::new();
    story.bake(true);
    story.renew();
    let lease = key("Lease", "optimization-operator");
    story.edit(Some("replica-2"), &lease, version(), |lease| lease["spec"]["holderIdentity"] = json!("replica-2"));
    story.wait(7);
    story.hear("node-0", true);
    story.sent = held.then(|| story.at - Duration::from_secs(5));
    story.transition("StageStarted", |status| status["stage"] = second_stage());
    assert_eq!(story.broken().contains(&"L14 one advances"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::just_now(1, false, false)]
#[case::some_time_ago(20, false, true)]
#[case::just_now_beside_one_that_was_not(1, true, true)]
fn a_retreat_does_not_know_everybody_of_a_replica_that_was_away(
    #[case] seconds: u64,
    #[case] another: bool,
    #[case] breaks: bool,
) {
    let mut story = Story::new();
    story.fault(None, GOES_ON);
    story.wait(seconds);
    let mark = json!({"metadata": {"annotations": {RETREAT: RUN}}});
    for user in ["replica-1", "replica-2"].into_iter().take(if another { 2 } else { 1 }) {
        story.edit(Some(user), &rollout(), mark.clone(), |rollout| {
            rollout["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
        });
    }
    story.wait(10);
    story.hear("node-0", true);
    assert_eq!(story.broken().contains(&"L15 independence"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::nobody(false, true)]
#[case::somebody_else(true, false)]
fn a_stage_waits_for_a_member_whose_file_was_changed_by(#[case] by_others: bool, #[case] breaks: bool) {
    let mut story = Story::new();
    story.promote();
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(1, &more)), version());
    if by_others {
        story.edit(None, &map(), json!({}), |map| map["data"]["node-1.toml"] = json!("pool = true\nother = 1\n"));
    }
    story.bake(true);
    story.transition("Watching", |status| {
        status["run"]["succeededAt"] = json!("2026-01-01T00:03:00Z");
        status["conditions"][1] = condition("Succeeded", true);
    });
    assert_eq!(story.broken().contains(&"L6 silence never promotes"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::a_retreat(true, false)]
#[case::a_stage(false, true)]
fn only_a_retreat_may_be_decided_by_the_spec_of_a_moment_ago(#[case] retreats: bool, #[case] breaks: bool) {
    let mut story = Story::new();
    story.edit(None, &rollout(), json!({}), |rollout| rollout["metadata"]["generation"] = json!(2));
    if retreats {
        story.retreat();
    } else {
        story.promote();
    }
    assert_eq!(story.broken().contains(&"L17 evidence"), breaks, "{:#?}", story.laws.violations());
}

/// Another rollout of the same fleet, like the first one but for this.
fn another(story: &mut Story, edit: impl FnOnce(&mut Value)) {
    let mut other = story.objects[&rollout()].clone();
    other["metadata"]["name"] = json!("other");
    other["metadata"]["uid"] = json!("o");
    other["status"]["run"]["id"] = json!("other-1");
    other["status"]["summary"] = json!({"stage": "", "members": "", "traffic": "", "reason": "Paused"});
    edit(&mut other);
    story.cluster(&key("OptimizationRollout", "other"), Some(other));
}

#[rstest]
#[case::which_it_may_be(|_: &mut Value| {}, false)]
#[case::which_goes_back(|run: &mut Value| run["abortedAt"] = json!("2026-01-01T00:01:00Z"), false)]
#[case::which_is_over(|run: &mut Value| run["settledAt"] = json!("2026-01-01T00:01:00Z"), true)]
fn a_label_after_the_end_is_that_of_another_run(#[case] edit: fn(&mut Value), #[case] breaks: bool) {
    let mut story = Story::new();
    another(&mut story, |other| {
        other["status"]["summary"]["reason"] = json!("ConfigMapImmutable");
        edit(&mut other["status"]["run"]);
    });
    story.edit(None, &map(), json!({}), |map| {
        *map = settings(1, &[("node-0", "b")]);
        map["immutable"] = json!(true);
    });
    story.edit(None, &rollout(), json!({}), taken_back);
    story.edit(Some("replica-1"), &key("Pod", "node-3"), version(), |pod| {
        pod["metadata"]["labels"][COHORT] = json!("optimized");
    });
    story.calm();
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::its_own(RUN, false)]
#[case::that_of_another_rollout("other-1", true)]
fn a_retreat_obeys_the_limit_of_load_that_is(#[case] run: &str, #[case] breaks: bool) {
    let mut story = Story::new();
    another(&mut story, |other| other["spec"]["traffic"]["maxLoadIncrease"] = json!("10%"));
    for name in ["node-0", "node-1", "node-2"] {
        story.edit(None, &key("Pod", name), json!({}), |pod| pod["metadata"]["labels"][COHORT] = json!("optimized"));
    }
    story.edit(Some("replica-1"), &key("Service", "node"), json!({}), |service| {
        service["metadata"]["annotations"] = json!({RETREAT: run});
        service["spec"]["selector"][COHORT] = json!("baseline");
    });
    assert_eq!(story.broken().contains(&"L4 safe route"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::of_a_run(|_: &mut Story| {}, true)]
#[case::of_one_that_has_settled(
    |story: &mut Story| story.status(|status| status["run"]["settledAt"] = json!("2026-01-01T00:01:00Z")),
    false
)]
#[case::of_one_before_the_one_that_has_switched_it_on(
    |story: &mut Story| {
        another(story, |_| {});
        let own = json!({"metadata": {"name": "node-0-config", "namespace": "fleet"}});
        let record = json!({"run": "other-1", "stage": 0, "members": {"node-0": {"c": "o", "s": 0, "u": ""}}});
        story.cluster(&key("ConfigMap", "node-0-config"), Some(own));
        story.edit(None, &key("ConfigMap", "node-0-config"), json!({}), |map| {
            map["metadata"]["annotations"] = json!({"optimization.qudag.io/record": record.to_string()});
        });
    },
    false
)]
fn a_pod_with_a_mark_serves_again_although_it_is_optimized(#[case] happens: Happens, #[case] breaks: bool) {
    let mut story = Story::new();
    story.hear("node-0", true);
    happens(&mut story);
    story.mark_pod("node-0");
    story.let_in("node-0");
    assert_eq!(story.broken().contains(&"L4 safe route"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::just_now(0, false)]
#[case::some_time_ago(5, true)]
fn a_stage_ends_whose_only_member_somebody_took_back(#[case] seconds: u64, #[case] breaks: bool) {
    let mut story = Story::new();
    story.bake(true);
    story.edit(None, &map(), json!({}), |map| map["data"]["node-0.toml"] = json!(BASELINE));
    story.wait(seconds);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
    assert_eq!(story.broken().contains(&"L6 silence never promotes"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::by_their_names(None, true)]
#[case::by_their_revision(Some("revision"), false)]
fn members_acknowledge_what_they_do_not_know(
    #[case] label: Option<&str>,
    #[case] breaks: bool,
    #[values("/optimizations/0/name", "/optimizations/0/settings/0/path")] field: &str,
) {
    let mut story = Story::new();
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["spec"]["fleet"]["acknowledgement"]["revisionLabel"] = json!(label);
    });
    spec(&mut story, field, "unknown");
    let file = json!("unknown = true\npool = true\n");
    story.edit(Some("replica-1"), &map(), version(), |map| map["data"]["node-0.toml"] = file);
    story.bake(field.ends_with("name"));
    story.transition("StageStarted", |status| status["stage"] = second_stage());
    assert_eq!(story.broken().contains(&"L6 silence never promotes"), breaks, "{:#?}", story.laws.violations());
}

/// What somebody does to a rollout, or what a member says.
type Happens = fn(&mut Story);

#[rstest]
#[case::say_so(|story: &mut Story| story.hear("node-0", true), true)]
#[case::say_that_it_is_off(|story: &mut Story| story.hear("node-0", false), false)]
#[case::know_it_by_another_name(|story: &mut Story| spec(story, "/optimizations/0/name", "unknown"), false)]
#[case::say_it_by_another_name(|story: &mut Story| spec(story, "/fleet/acknowledgement/metric", "unknown"), false)]
fn a_run_waits_for_ever_for_members_that(#[case] happens: Happens, #[case] breaks: bool) {
    let mut story = Story::new();
    story.hear("node-0", true);
    happens(&mut story);
    story.waits("AwaitingAcknowledgement");
    story.calm();
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}

/// Somebody edits a field of the spec.
fn spec(story: &mut Story, path: &str, value: &str) {
    story.edit(None, &rollout(), json!({}), |rollout| match rollout["spec"].pointer_mut(path) {
        Some(field) => *field = json!(value),
        None => rollout["spec"][path.trim_start_matches('/')] = json!(value),
    });
}

#[rstest]
#[case::restores("Restore", true)]
#[case::leaves_as_they_are("Retain", false)]
fn files_are_not_as_before_after_another_rollout_that(#[case] policy: &str, #[case] breaks: bool) {
    let mut story = Story::new();
    let second = key("ConfigMap", "settings-1");
    let made = json!({"metadata": {"name": "settings-1", "namespace": "fleet"}, "data": {"node-0.toml": BASELINE}});
    story.cluster(&second, Some(made));
    another(&mut story, |other| other["spec"]["deletionPolicy"] = json!(policy));
    story
        .edit(Some("replica-1"), &second, json!({}), |map| map["data"]["node-0.toml"] = json!("pool = false\nx = 1\n"));
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.cluster(&key("OptimizationRollout", "other"), None);
    story.edit(None, &rollout(), json!({}), taken_back);
    story.calm();
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::says_that_it_is_optimized(|story: &mut Story| story.hear("node-0", true))]
#[case::does_not_know_the_optimization_any_more(|story: &mut Story| {
    story.hear("node-0", false);
    spec(story, "/optimizations/0/name", "unknown");
})]
#[case::says_nothing_any_more(|story: &mut Story| {
    story.hear("node-0", false);
    story.wait(70);
})]
fn a_retreat_waits_for_ever_for_a_member_that(#[case] happens: Happens) {
    let mut story = Story::new();
    story.retreat();
    happens(&mut story);
    story.waits("Unreachable");
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::whose_member_says_nothing(|story: &mut Story| story.wait(70))]
#[case::whose_baseline_fails_as_well(|story: &mut Story| story.measure("node-1", false, Some(0.5)))]
#[case::whose_indicators_somebody_edited(|story: &mut Story| spec(story, "/indicators/0/name", "other"))]
fn a_run_waits_for_ever_for_measurements(#[case] happens: Happens) {
    let mut story = Story::new();
    for number in 0..6 {
        story.measure(&format!("node-{number}"), number == 0, Some(0.001));
    }
    happens(&mut story);
    story.waits("AwaitingMeasurements");
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::is_immutable("ConfigMapImmutable", |map: &mut Value| map["immutable"] = json!(true))]
#[case::has_no_record("ConfigUnreadable", |map: &mut Value| map["data"][".members.json"] = json!("{"))]
#[case::has_a_broken_file("ConfigUnreadable", |map: &mut Value| map["data"]["node-3.toml"] = json!("pool = ["))]
fn a_run_waits_for_ever_for_the_owner_of_a_map_that(#[case] reason: &str, #[case] edit: fn(&mut Value)) {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), edit);
    story.waits(reason);
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::another_map_than_pods_mount("/fleet/config/rendered/name", "NotMounted")]
#[case::pods_that_are_not_there("/fleet/selector/matchLabels/app", "NoMembers")]
fn a_rollout_never_starts_that_names(#[case] field: &str, #[case] reason: &str) {
    let mut story = Story::new();
    spec(&mut story, field, "elsewhere");
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.never_starts(reason);
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::was_held_out("h", "h", false)]
#[case::was_switched("o", "r", true)]
#[case::was_switched_and_is_called_baseline("o", "b", true)]
fn everybody_is_back_but_one_that_says_it_is_optimized_and(
    #[case] was: &str,
    #[case] cohort: &str,
    #[case] breaks: bool,
) {
    let mut story = Story::new();
    story.edit(Some("replica-1"), &map(), version(), |map| *map = settings(0, &[("node-0", "o"), ("node-1", was)]));
    story.retreat();
    story.edit(Some("replica-1"), &map(), version(), |map| *map = settings(0, &[("node-0", "r"), ("node-1", cohort)]));
    story.hear("node-1", true);
    story.status(|status| status["retreat"]["acknowledgedAt"] = json!("2026-01-01T00:01:00Z"));
    assert_eq!(story.broken().contains(&"L3 abort deadline"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::what_it_said_before(false, true)]
#[case::what_somebody_had_made_of_it(true, false)]
fn a_members_own_file_goes_back_on_to(#[case] changed: bool, #[case] breaks: bool) {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["spec"]["fleet"]["config"] = json!({"patched": {"name": "{member}-config", "key": "node.toml"}});
    });
    let own = key("ConfigMap", "node-0-config");
    let record = |cohort: &str| {
        let members = json!({"node-0": {"c": cohort, "s": 0, "u": "uid-node-0"}});
        json!({"run": RUN, "stage": 0, "members": members}).to_string()
    };
    let made = json!({"metadata": {"name": "node-0-config", "namespace": "fleet"}, "data": {"node.toml": BASELINE}});
    story.cluster(&own, Some(made));
    if changed {
        story.edit(None, &own, json!({}), |map| map["data"]["node.toml"] = json!(OPTIMIZED));
    }
    for (cohort, file) in [("o", "pool = true\nmore = 1\n"), ("r", OPTIMIZED)] {
        story.edit(Some("replica-1"), &own, version(), |map| {
            map["metadata"]["annotations"] = json!({"optimization.qudag.io/record": record(cohort)});
            map["data"]["node.toml"] = json!(file);
        });
    }
    story.abort();
    assert_eq!(story.broken().contains(&"L3 abort deadline"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::what_it_measures(|status: &mut Value| {
    status["indicators"] = json!([{"name": "errors", "verdict": "Pass", "message": "0.2%"}]);
}, false)]
#[case::that_it_begins_anew(|status: &mut Value| {
    status["history"] = json!([{"time": "2026-01-01T00:05:00Z", "reason": "Unreachable", "message": "again"}]);
}, true)]
fn a_retreat_that_waits_tells(#[case] edit: fn(&mut Value), #[case] breaks: bool) {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), |map| map["immutable"] = json!(true));
    story.status(|status| {
        status["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
        status["retreat"] = json!({"reason": "AbortRequested", "message": "", "decidedAt": "2026-01-01T00:01:00Z"});
    });
    story.waits("ConfigMapImmutable");
    story.calm();
    story.wait(10);
    story.status(edit);
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}

#[test]
fn a_rollout_that_names_a_key_that_is_in_no_map_never_starts() {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["spec"]["fleet"]["config"] = json!({"patched": {"name": "{member}-config", "key": "absent.toml"}});
    });
    let own = json!({"metadata": {"name": "node-0-config", "namespace": "fleet"}, "data": {"node.toml": BASELINE}});
    story.cluster(&key("ConfigMap", "node-0-config"), Some(own));
    story.never_starts("ConfigUnreadable");
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}

#[test]
fn what_was_refused_some_time_ago_is_not_tried_any_more() {
    let mut story = Story::new();
    story.waits("Paused");
    story.refused("replica-1", &map(), json!({}));
    story.wait(70);
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}

#[test]
fn a_rollout_that_leaves_everything_as_it_is_leaves_labels_and_records() {
    let mut story = Story::new();
    spec(&mut story, "/deletionPolicy", "Retain");
    story.cluster(&rollout(), None);
    story.calm();
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.laws.violations());
}
