use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::decide::fixture::{Fixture, based};

/// Six members that nothing is wrong with, before a run.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new("bbbbbb", 50);
    fixture.rollout.status = None;
    fixture.rollout.metadata.finalizers = None;
    fixture.seen.shards.clear();
    fixture
}

fn found(fixture: &Fixture) -> Option<Problem> {
    problem(&Pass::new(&fixture.rollout, &fixture.seen))
}

/// A part of the spec, as people write it.
fn set(fixture: &mut Fixture, field: &str, value: Value) {
    let mut spec = json!(fixture.rollout.spec);
    spec[field] = value;
    fixture.rollout.spec = serde_json::from_value(spec).unwrap();
}

/// Pods are restarted, and one of them has another controller than the rest.
fn controlled(fixture: &mut Fixture, kind: &str) {
    fixture.rollout.spec.fleet.config.reload = api::fleet::Reload::RestartPod;
    kind.clone_into(&mut fixture.seen.members[1].pod.controller);
}

fn compares(fixture: &mut Fixture, holdout: i32) {
    let gauge = json!({"name": "load", "maxIncrease": "10%", "metric": {"gauge": {"gauge": "load"}}});
    set(fixture, "indicators", json!([gauge]));
    set(fixture, "holdoutPercent", json!(holdout));
}

fn impatient(fixture: &mut Fixture, deadline: &str, delay: &str, action: &str) {
    for member in &mut fixture.seen.members {
        member.pod.metrics_port = Some(9090);
    }
    set(
        fixture,
        "metrics",
        json!({
            "interval": "5s", "source": {"pods": {"port": "metrics"}}, "silence": {"deadline": deadline, "action": action},
        }),
    );
    let metric = json!({"gauge": {"gauge": "load"}});
    set(fixture, "indicators", json!([{"name": "load", "max": "1", "initialDelay": delay, "metric": metric}]));
}

#[rstest]
#[case::nothing(|_: &mut Fixture| {}, None)]
#[case::something_that_was_seen(|f: &mut Fixture| {
    f.seen.problems.push(Problem::new(Reason::WriteRefused, "not today"));
}, Some((Reason::WriteRefused, "not today")))]
#[case::a_path_twice(|f: &mut Fixture| {
    let setting = json!({"path": "pool.enabled", "optimized": true});
    set(f, "optimizations", json!([{"name": "a", "settings": [setting]}, {"name": "b", "settings": [setting]}]));
}, Some((Reason::DuplicatePath, "in a and in b")))]
#[case::a_query_that_is_none(|f: &mut Fixture| {
    set(f, "indicators", json!([{"name": "load", "max": "1", "metric": {"gauge": {"gauge": "load{"}}}]));
}, Some((Reason::InvalidSpec, "spec.indicators[load].metric")))]
#[case::a_revision_in_the_place_of_a_setting(|f: &mut Fixture| {
    f.rollout.spec.fleet.config.revision_path = Some("pool.enabled".to_owned());
}, Some((Reason::DuplicatePath, "spec.fleet.config.revisionPath")))]
#[case::a_path_that_the_format_cannot_hold(|f: &mut Fixture| {
    set(f, "optimizations", json!([{"name": "a", "settings": [{"path": "a..b", "optimized": true}]}]));
}, Some((Reason::InvalidSpec, "spec.optimizations")))]
#[case::a_silence_that_ends_before_anything_is_known(|f: &mut Fixture| impatient(f, "9s", "0s", "Retreat"),
    Some((Reason::InvalidSpec, "silence.deadline 9s is over before indicator load can be judged")))]
#[case::a_silence_that_ends_within_a_delay(|f: &mut Fixture| impatient(f, "39s", "30s", "Retreat"),
    Some((Reason::InvalidSpec, "after its initialDelay 30s and two intervals of 5s")))]
#[case::a_silence_that_holds(|f: &mut Fixture| impatient(f, "9s", "30s", "Hold"), None)]
#[case::a_silence_that_is_long_enough(|f: &mut Fixture| impatient(f, "40s", "30s", "Retreat"), None)]
#[case::no_members(|f: &mut Fixture| f.seen.members.clear(), Some((Reason::NoMembers, "spec.fleet.selector")))]
#[case::no_mount(|f: &mut Fixture| {
    f.seen.members[2].pod.mounts_config = false;
}, Some((Reason::NotMounted, "pods node-2 do not mount ConfigMap settings")))]
#[case::pods_that_nobody_makes_again(|f: &mut Fixture| controlled(f, ""), Some((Reason::InvalidSpec, "and node-1 would not")))]
#[case::pods_with_new_names(|f: &mut Fixture| controlled(f, "ReplicaSet"), Some((Reason::InvalidSpec, "and node-1 would not")))]
#[case::pods_of_a_job(|f: &mut Fixture| controlled(f, "Job"), Some((Reason::InvalidSpec, "and node-1 would not")))]
#[case::pods_of_nodes(|f: &mut Fixture| controlled(f, "DaemonSet"), Some((Reason::InvalidSpec, "and node-1 would not")))]
#[case::pods_with_new_names_on_their_nodes(|f: &mut Fixture| {
    controlled(f, "ReplicaSet");
    f.rollout.spec.fleet.identity = api::fleet::Identity::Node;
}, None)]
#[case::pods_of_a_kind_that_we_do_not_know(|f: &mut Fixture| controlled(f, "Cluster"), None)]
#[case::pods_that_are_not_restarted(|f: &mut Fixture| {
    controlled(f, "");
    f.rollout.spec.fleet.config.reload = api::fleet::Reload::Watch;
}, None)]
#[case::no_port(|f: &mut Fixture| {
    set(f, "metrics", json!({"interval": "5s", "source": {"pods": {"port": "metrics"}}}));
}, Some((Reason::NoMetricsPort, "and 3 more declare no container port named metrics")))]
#[case::a_key_of_ours(|f: &mut Fixture| {
    let config = json!({"rendered": {"name": "settings", "key": ".{member}.json"}});
    f.rollout.spec.fleet.config = serde_json::from_value(config).unwrap();
    f.seen.members[0].name = "members".to_owned();
}, Some((Reason::InvalidSpec, "which the operator keeps for itself")))]
#[case::a_name_that_is_too_long(|f: &mut Fixture| {
    f.seen.members[0].name = "n".repeat(249);
}, Some((Reason::InvalidSpec, "over 253 characters")))]
#[case::a_name_that_just_fits(|f: &mut Fixture| f.seen.members[0].name = "n".repeat(248), None)]
#[case::a_service_that_cannot_be_rerouted(|f: &mut Fixture| {
    let refused = Some("Service front is headless".to_owned());
    f.seen.services.push(crate::observation::Service { refused, ..Default::default() });
}, Some((Reason::ServiceRefused, "headless")))]
#[case::nobody_on_the_nodes(|f: &mut Fixture| {
    for member in &mut f.seen.members {
        member.unfit = Some(Problem::new(Reason::NodeNotSelected, "not here"));
    }
}, Some((Reason::NoEligibleMembers, "spec.fleet.nodeSelector")))]
#[case::nobody_for_another_reason(|f: &mut Fixture| {
    for member in &mut f.seen.members {
        member.unfit = Some(Problem::new(Reason::NotOptedIn, "annotate it"));
    }
}, Some((Reason::NotOptedIn, "no member can take part, 6 of them; annotate it")))]
#[case::everybody_is_optimized_already(|f: &mut Fixture| {
    for member in &mut f.seen.members {
        member.unfit = Some(Problem::new(Reason::AlreadyOptimized, "left alone"));
    }
}, None)]
#[case::nobody_to_compare_with(|f: &mut Fixture| compares(f, 10), Some((Reason::FleetTooSmall, "leave 1")))]
#[case::two_to_compare_with(|f: &mut Fixture| compares(f, 30), None)]
fn a_run_does_not_start_over(#[case] happens: fn(&mut Fixture), #[case] expected: Option<(Reason, &str)>) {
    let mut fixture = fixture();
    happens(&mut fixture);
    let problem = found(&fixture);
    assert_eq!(problem.as_ref().map(|problem| problem.reason), expected.map(|(reason, _)| reason), "{problem:?}");
    if let (Some(problem), Some((_, words))) = (problem, expected) {
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}

#[rstest]
#[case::an_unfinished_run("r", Some("rollout r has a run on members of this fleet; this one starts after it"))]
#[case::values_on_their_way_back(
    "d",
    Some("rollout d is being deleted and takes its values from members of this fleet; this one starts after it")
)]
#[case::one_that_waits_longer("w", Some("rollout w waits longer for members of this fleet; this one starts after it"))]
#[case::who_waits_and_then_who_runs(
    "wr",
    Some("rollout r has a run on members of this fleet; this one starts after it")
)]
#[case::nobody_in_the_way("-", None)]
fn a_fleet_is_busy_with(#[case] neighbours: &str, #[case] expected: Option<&str>) {
    let mut fixture = fixture();
    fixture.seen.neighbours.extend(neighbours.chars().map(|does| crate::observation::Neighbour {
        name: does.to_string(),
        unfinished: does == 'r',
        restores: does == 'd',
        waits_before_us: does == 'w',
        waits: does == 'w',
        ..crate::observation::Neighbour::default()
    }));
    let intent = busy(&Pass::new(&fixture.rollout, &fixture.seen)).map(|intent| intent.state);
    assert_eq!(intent.as_ref().map(|state| state.message.as_str()), expected);
    assert!(intent.is_none_or(|state| state.reason == Reason::FleetBusy));
    fixture.rollout.spec.abort = Some(api::rollout::Abort { reason: "not now".to_owned() });
    assert!(busy(&Pass::new(&fixture.rollout, &fixture.seen)).is_none(), "what is aborted waits for nobody");
}

#[test]
fn a_fleet_is_busy_with_members_of_a_run_that_has_not_finished() {
    let mut fixture = Fixture::new("obbh", 50);
    fixture.rollout.status = None;
    fixture.rollout.spec.attempt = 2;
    let told = |fixture: &Fixture| {
        let state = busy(&Pass::new(&fixture.rollout, &fixture.seen)).unwrap().state;
        assert_eq!(state.reason, Reason::FleetBusy);
        assert!(state.message.starts_with("ConfigMap settings has members of run "), "{}", state.message);
        (state.kind, state.message)
    };
    let (kind, message) = told(&fixture);
    assert!(kind == Kind::Stalled && message.contains("close it with: kubectl delete configmap settings"), "{message}");
    let run = Some(fixture.seen.shards[0].record.run.clone());
    fixture.seen.neighbours = vec![crate::observation::Neighbour {
        name: "other".to_owned(),
        run,
        ..crate::observation::Neighbour::default()
    }];
    let (kind, message) = told(&fixture);
    assert!(kind == Kind::Waiting && message.contains("has not finished; this rollout starts after it"), "{message}");
    fixture.rollout.spec.attempt = 1;
    assert!(busy(&Pass::new(&fixture.rollout, &fixture.seen)).is_none(), "it is our own");
}

/// Two members whose base fills a ConfigMap.
fn large() -> Fixture {
    let mut fixture = fixture();
    based(&mut fixture.rollout.spec.fleet.config);
    let base = format!("text = \"{}\"\n", "x".repeat(150_000));
    fixture.seen.base = Some(Ok(base));
    fixture
}

#[rstest]
#[case::do_not_mount_it(|_: &mut Fixture| {}, Some("the files of node-2, node-3 do not fit"))]
#[case::mount_it(|f: &mut Fixture| further(f, &["settings-1", "settings-2"]), None)]
#[case::mount_one_of_two(|f: &mut Fixture| further(f, &["settings-1"]), Some("the files of node-4, node-5 do not fit"))]
#[case::have_no_need_of_it(|f: &mut Fixture| f.seen.members.truncate(2), None)]
fn members_whose_files_stand_in_a_further_map(#[case] happens: fn(&mut Fixture), #[case] expected: Option<&str>) {
    let mut fixture = large();
    happens(&mut fixture);
    let problem = found(&fixture).filter(|problem| problem.reason == Reason::NotMounted);
    assert_eq!(problem.is_some(), expected.is_some(), "{problem:?}");
    assert!(problem.is_none_or(|problem| problem.message.contains(expected.unwrap())));
}

fn further(fixture: &mut Fixture, maps: &[&str]) {
    for member in &mut fixture.seen.members {
        member.pod.mounts_further = maps.iter().map(|map| (*map).to_owned()).collect();
    }
}

#[rstest]
#[case::for_the_next_plan(2, Some(Reason::ServiceRefused))]
#[case::for_nothing(1, None)]
fn what_speaks_against_a_start_does_so_after_a_settled_run(#[case] attempt: i32, #[case] expected: Option<Reason>) {
    let mut fixture = Fixture::new("bbbbbb", 50);
    let run = fixture.run();
    run.settled_at = Some(run.started_at.clone());
    fixture.seen.shards[0].record.members.clear();
    fixture.rollout.spec.attempt = attempt;
    let refused = Some("Service front is headless".to_owned());
    fixture.seen.services.push(crate::observation::Service { refused, ..Default::default() });
    assert_eq!(found(&fixture).map(|problem| problem.reason), expected);
}

#[rstest]
#[case::a_switch_that_tells_it(json!({"metric": "on"}), json!({}), None)]
#[case::a_switch_that_cannot(json!({"metric": "on"}), json!({"pool.enabled": true, "pool.max": 50}), Some(Reason::InvalidSpec))]
#[case::a_revision(json!({"metric": "on", "revisionLabel": "r"}), json!({"pool.enabled": true, "pool.max": 50}), None)]
#[case::a_timer(json!({"timer": "10s"}), json!({"pool.enabled": true, "pool.max": 50}), None)]
fn members_have_to_be_able_to_say_what_they_run(
    #[case] acknowledgement: Value,
    #[case] settled: Value,
    #[case] expected: Option<Reason>,
) {
    let mut fixture = fixture();
    fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(acknowledgement).unwrap();
    let settings = json!([{"path": "pool.enabled", "optimized": true}, {"path": "pool.max", "optimized": 100}]);
    set(&mut fixture, "optimizations", json!([{"name": "pool", "settings": settings}]));
    if settled != json!({}) {
        let settled = serde_json::from_value(settled).unwrap();
        let name = "settings".to_owned();
        fixture.seen.shards.push(crate::observation::Shard { name, settled, ..Default::default() });
    }
    assert_eq!(found(&fixture).map(|problem| problem.reason), expected);
}

#[test]
fn a_run_that_goes_on_under_another_plan_waits_for_nobody() {
    let mut fixture = Fixture::new("obbh", 50);
    fixture.rollout.spec.attempt = 2;
    assert!(busy(&Pass::new(&fixture.rollout, &fixture.seen)).is_none(), "it is taken back");
}

#[rstest]
#[case::one_that_can_be_used(Ok("40s"), false, None)]
#[case::one_that_cannot(Err(()), false, Some((Reason::ConnectionMissing, "nothing there")))]
#[case::one_that_keeps_samples_for_longer_than_silence_may_last(
    Ok("61s"),
    false,
    Some((Reason::InvalidSpec, "silence.deadline 1m is shorter than staleAfter 1m1s of Connection prometheus"))
)]
#[case::one_that_went_during_the_run(Err(()), true, None)]
fn a_run_starts_with_a_connection(
    #[case] connection: Result<&str, ()>,
    #[case] runs: bool,
    #[case] expected: Option<(Reason, &str)>,
) {
    let mut fixture = if runs { Fixture::new("obbbbb", 50) } else { fixture() };
    let metrics = json!({
        "interval": "5s", "source": {"connection": "prometheus"}, "silence": {"deadline": "60s"},
    });
    set(&mut fixture, "metrics", metrics);
    let spec = |stale_after| {
        let spec = json!({
            "type": "Prometheus", "url": "http://prometheus:9090", "allowedNamespaces": ["*"], "staleAfter": stale_after,
        });
        serde_json::from_value(spec).unwrap()
    };
    let missing = |()| Problem::new(Reason::ConnectionMissing, "nothing there");
    fixture.seen.connection = Some(connection.map(spec).map_err(missing));
    let problem = found(&fixture);
    assert_eq!(problem.as_ref().map(|problem| problem.reason), expected.map(|(reason, _)| reason), "{problem:?}");
    if let (Some(problem), Some((_, words))) = (problem, expected) {
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}

#[test]
fn what_is_settled_already_waits_for_nobody() {
    let mut fixture = fixture();
    let settled = [("pool.enabled".to_owned(), api::Scalar::Bool(true))].into();
    fixture.seen.shards.push(crate::observation::Shard { settled, ..Default::default() });
    let other = crate::observation::Neighbour { name: "r".to_owned(), unfinished: true, ..Default::default() };
    fixture.seen.neighbours.push(other);
    assert!(busy(&Pass::new(&fixture.rollout, &fixture.seen)).is_none());
}

#[rstest]
#[case::before_a_run(false, true, true)]
#[case::before_a_run_where_a_configmap_has_a_copy(true, true, true)]
#[case::in_a_run_that_has_no_copy(false, false, true)]
#[case::in_a_run_that_goes_by_a_copy(true, false, false)]
fn a_base_that_is_gone_stops(#[case] copied: bool, #[case] before: bool, #[case] stops: bool) {
    let mut fixture = Fixture::new("oobbbb", 50);
    based(&mut fixture.rollout.spec.fleet.config);
    fixture.replan();
    fixture.seen.base = Some(Err(Problem::new(Reason::ConfigMapMissing, "the base is gone")));
    fixture.seen.shards[0].base = copied.then(|| "a = 1\n".to_owned());
    if before {
        fixture.rollout.status = None;
    }
    let found = found(&fixture).filter(|problem| problem.message == "the base is gone");
    assert_eq!(found.is_some(), stops, "{found:?}");
}
