//! Stories that come to no end, or leave something behind, and rightly so: L13.

use k8s_openapi::api::core::v1::Node;
use rstest::rstest;
use serde_json::{Value, json};

use super::story::*;
use crate::kind::Key;

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

#[rstest]
#[case::is_immutable("settings", "ConfigMapImmutable", |map: &mut Value| map["immutable"] = json!(true), false)]
#[case::is_broken("settings", "ConfigUnreadable", |map: &mut Value| map["data"][".members.json"] = json!("{"), false)]
#[case::can_be_written("settings", "ConfigMapImmutable", |_: &mut Value| {}, true)]
#[case::is_not_its_own("elsewhere", "ConfigMapImmutable", |map: &mut Value| map["immutable"] = json!(true), true)]
fn a_rollout_never_starts_because_a_map_without_files(
    #[case] name: &str,
    #[case] reason: &str,
    #[case] edit: fn(&mut Value),
    #[case] breaks: bool,
) {
    let mut story = Story::new();
    let mut without_files = settings(-1, &[]);
    edit(&mut without_files);
    story.cluster(&key("ConfigMap", name), Some(without_files));
    story.never_starts(reason);
    story.calm();
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::and_says_so("ConfigUnreadable")]
#[case::and_the_owner_of_one_forbids_to_edit_it("NotOptedIn")]
fn a_rollout_that_names_a_key_that_is_in_no_map_never_starts(#[case] reason: &str) {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["spec"]["fleet"]["config"] = json!({"patched": {"name": "{member}-config", "key": "absent.toml"}});
    });
    let own = json!({"metadata": {"name": "node-0-config", "namespace": "fleet"}, "data": {"node.toml": BASELINE}});
    story.cluster(&key("ConfigMap", "node-0-config"), Some(own));
    story.never_starts(reason);
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

#[rstest]
#[case::labels_and_records("Retain", |_: &mut Story| {}, false)]
#[case::but_no_service_that_its_retreat_has_narrowed("Retain", narrow, true)]
#[case::but_one_of_which_it_knows_nothing("Retain", |story: &mut Story| {
    narrow(story);
    story.edit(None, &key("Service", "node"), json!({}), |service| service["metadata"]["annotations"] = json!({}));
}, false)]
#[case::what_it_had_settled_and_nobody_saw_that_it_was_to_go_back("Restore", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["metadata"]["generation"] = json!(2);
        rollout["status"]["run"]["settledAt"] = json!("2026-01-01T00:01:00Z");
    });
}, false)]
#[case::but_nothing_that_it_had_not_settled_although_nobody_saw_it("RestoreUnfinished", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| rollout["metadata"]["generation"] = json!(2));
}, true)]
#[case::but_nothing_that_was_to_go_back("RestoreUnfinished", |_: &mut Story| {}, true)]
fn a_rollout_that_is_gone_leaves(#[case] policy: &str, #[case] happens: Happens, #[case] breaks: bool) {
    let mut story = Story::new();
    spec(&mut story, "/deletionPolicy", policy);
    happens(&mut story);
    story.cluster(&rollout(), None);
    story.calm();
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}

fn narrow(story: &mut Story) {
    story.edit(None, &key("Service", "node"), json!({}), |service| {
        service["metadata"]["annotations"] = json!({RETREAT: RUN});
        service["spec"]["selector"][COHORT] = json!("baseline");
    });
}

#[rstest]
#[case::is_not_there(None, false)]
#[case::has_other_labels(Some("slow"), false)]
#[case::is_selected(Some("fast"), true)]
fn a_rollout_never_starts_whose_members_run_on_a_node_that(#[case] pool: Option<&str>, #[case] breaks: bool) {
    let mut story = Story::new();
    if let Some(pool) = pool {
        let node = json!({"metadata": {"name": "node-a", "labels": {"pool": pool}}});
        story.cluster(&Key::of::<Node>("", "node-a"), Some(node));
    }
    for number in 0..6 {
        let pod = key("Pod", &format!("node-{number}"));
        story.edit(None, &pod, json!({}), |pod| pod["spec"]["nodeName"] = json!("node-a"));
    }
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["spec"]["fleet"]["nodeSelector"] = json!({"matchLabels": {"pool": "fast"}});
    });
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[]));
    story.never_starts("NoEligibleMembers");
    story.calm();
    assert_eq!(story.broken().contains(&"L13 convergence and quiet"), breaks, "{:#?}", story.laws.violations());
}
