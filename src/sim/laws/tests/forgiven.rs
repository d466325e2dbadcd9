//! Histories that look as if a law were broken, and what makes the difference.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use super::story::*;
use crate::history::GOES_ON;

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

/// So many looks find a member that bakes.
fn looks(story: &mut Story, count: usize, optimized: bool) {
    for _ in 0..count {
        story.wait(10);
        story.measure("node-0", optimized, Some(0.001));
    }
}

/// Somebody breaks the record of who is optimized.
fn break_record(story: &mut Story) {
    story.edit(None, &map(), json!({}), |map| map["data"][".members.json"] = json!("{"));
}

#[rstest]
#[case::of_a_replica_that_is_cut_off(|story: &mut Story| {
    story.fault(None, "cut off");
    break_record(story);
    looks(story, 3, true);
}, false)]
#[case::of_a_replica_that_sees_it(|story: &mut Story| {
    break_record(story);
    looks(story, 3, true);
}, true)]
#[case::of_a_replica_that_is_cut_off_later(|story: &mut Story| {
    break_record(story);
    looks(story, 1, true);
    story.wait(1);
    story.fault(None, "cut off");
    looks(story, 2, true);
}, true)]
#[case::of_a_replica_that_was_cut_off_some_time_ago(|story: &mut Story| {
    story.fault(None, "cut off");
    break_record(story);
    looks(story, 10, true);
}, true)]
#[case::whose_member_says_that_it_is_off(|story: &mut Story| {
    story.fault(None, "cut off");
    break_record(story);
    looks(story, 3, false);
}, true)]
fn somebody_breaks_the_record_in_a_bake(#[case] happens: Happens, #[case] breaks: bool) {
    let mut story = Story::new();
    looks(&mut story, 4, true);
    happens(&mut story);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
    assert_eq!(story.broken().contains(&"L16 clocks"), breaks, "{:#?}", story.laws.violations());
}

#[test]
fn a_member_that_its_map_was_made_with_is_back_only_when_it_says_so() {
    let mut story = Story::new();
    story.retreat();
    let back = [("node-0", "b"), ("node-1", "b"), ("node-5", "h")];
    story.edit(Some("replica-1"), &map(), version(), |map| *map = settings(0, &back));
    story.hear("node-0", true);
    story.status(|status| status["retreat"]["acknowledgedAt"] = json!("2026-01-01T00:01:00Z"));
    assert!(story.broken().contains(&"L3 abort deadline"), "{:#?}", story.laws.violations());
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
