use std::collections::BTreeMap;

use api::Scalar;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::{Value, json};

use super::joiners;
use crate::{
    decide::{fixture::Fixture, pass::Pass},
    observation::{Neighbour, Shard},
    plan::Advance,
    run::{plan_id, run_id},
    settled::Owner,
};

/// What is settled on two members, by optimization: `pool` is that of the rollout `pooling`, `cache` of its neighbour
/// `caching`.
type Settled = [&'static str; 2];

/// Members with ConfigMaps on which these are settled, after the run of `pooling`.
fn fleet(settled: Settled) -> Fixture {
    let mut fixture = Fixture::new("--", 50);
    let rollout = &mut fixture.rollout;
    rollout.spec.fleet.config =
        serde_json::from_value(json!({"patched": {"name": "{member}-config", "key": "node.toml"}})).unwrap();
    let id = run_id(&plan_id(rollout), 1);
    let run = rollout.status.as_mut().unwrap().run.as_mut().unwrap();
    (run.id, run.settled_at) = (id, Some(Time(fixture.seen.now)));
    fixture.seen.shards = (0..2).zip(settled).map(|(member, settled)| shard(member, settled)).collect();
    fixture.seen.neighbours.push(Neighbour { name: "caching".to_owned(), ..Neighbour::default() });
    fixture
}

fn shard(member: usize, settled: &str) -> Shard {
    let paths: Vec<String> = settled.split_whitespace().map(path).collect();
    let says = |name: &str| settled.contains(name);
    let owner = |path: &str| Owner {
        rollout: if path.starts_with("pool") { "pooling" } else { "caching" }.to_owned(),
        optimization: "any".to_owned(),
        before: Some(Scalar::Bool(false)),
    };
    let file = format!("pool.enabled = {}\ncache.enabled = {}\n", says("pool"), says("cache"));
    Shard {
        name: format!("node-{member}-config"),
        files: [(format!("node-{member}"), file)].into(),
        settled: paths.iter().map(|path| (path.clone(), Scalar::Bool(true))).collect(),
        owners: paths.iter().map(|path| (path.clone(), owner(path))).collect(),
        ..Shard::default()
    }
}

fn path(name: &str) -> String {
    format!("{name}.enabled")
}

/// What is written to each member: the paths that are settled then, and its file.
fn written(fixture: &Fixture) -> BTreeMap<String, (Vec<String>, String)> {
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let writes = joiners(&pass).into_iter().filter_map(|advance| match advance {
        Advance::WriteShard(write) => {
            let settled = write.annotations[api::names::SETTLED_ANNOTATION].clone();
            let settled: BTreeMap<String, Value> =
                settled.map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default();
            Some((write.name, (settled.into_keys().collect(), write.data["node.toml"].clone().unwrap())))
        }
        _ => None,
    });
    writes.collect()
}

#[rstest]
#[case::nothing_where_nothing_is_settled(["", ""], None)]
#[case::what_its_rollout_settled(["pool", ""], Some("pool"))]
#[case::everything_when_it_joins(["pool cache", ""], Some("cache pool"))]
#[case::nothing_from_a_rollout_that_settled_nothing(["cache", ""], None)]
#[case::nothing_where_everything_is_settled(["pool cache", "pool cache"], None)]
#[case::what_it_lacks_of_its_rollout(["pool", "cache"], Some("cache pool"))]
#[case::not_what_it_lacks_of_another_one(["pool cache", "pool"], None)]
fn a_member_gets(#[case] settled: Settled, #[case] expected: Option<&str>) {
    let written = written(&fleet(settled));
    let expected = expected.map(|names| names.split(' ').map(path).collect());
    assert_eq!(written.get("node-1-config").map(|(paths, _)| paths), expected.as_ref());
    for (paths, file) in written.values() {
        let says = |path: &str| file.contains(&format!("{path} = true"));
        assert!(paths.iter().all(|path| says(path)), "{paths:?} are settled, and the file says:\n{file}");
    }
}

#[test]
fn what_another_rollout_settles_is_given_to_those_who_lack_it_once_that_one_is_gone() {
    let mut fixture = fleet(["pool cache", "pool"]);
    assert_eq!(written(&fixture), BTreeMap::new(), "it is there, and does so itself");
    fixture.seen.neighbours.clear();
    let written = written(&fixture);
    assert_eq!(written["node-1-config"].0, [path("cache"), path("pool")]);
}

#[test]
fn a_value_that_another_rollout_takes_out_on_one_member_after_the_other_is_not_put_back() {
    // It is out on the first member, and the second one missed it.
    let fixture = fleet(["pool", "pool cache"]);
    assert_eq!(written(&fixture), BTreeMap::new());
}

#[test]
fn a_file_in_which_the_owner_changed_what_another_rollout_settled_stays_so() {
    let mut fixture = fleet(["pool", "cache"]);
    let edited = "pool.enabled = false\ncache.enabled = false\n";
    fixture.seen.shards[1].files.insert("node-1".to_owned(), edited.to_owned());
    let (paths, file) = &written(&fixture)["node-1-config"];
    assert_eq!(paths, &[path("cache"), path("pool")]);
    assert_eq!(file, "pool.enabled = true\ncache.enabled = false\n");
}
