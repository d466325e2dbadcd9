use rstest::rstest;
use serde_json::json;

use super::*;

fn optimizations(paths: &[&str]) -> Vec<Optimization> {
    let settings: Vec<_> = paths.iter().map(|path| json!({"path": path, "optimized": 2})).collect();
    serde_json::from_value(json!([{"name": "pool", "settings": settings}])).unwrap()
}

fn values(paths: &[&str]) -> Values {
    paths.iter().map(|path| ((*path).to_owned(), Scalar::Int(2))).collect()
}

fn owner(rollout: &str, before: Option<i64>) -> Owner {
    Owner { rollout: rollout.to_owned(), optimization: "pool".to_owned(), before: before.map(Scalar::Int) }
}

fn known(entries: &[(&str, Owner)]) -> Owners {
    entries.iter().map(|(path, owner)| ((*path).to_owned(), owner.clone())).collect()
}

#[test]
fn settling_takes_over_what_is_declared_and_leaves_the_rest_to_whom_it_belongs() {
    let before = known(&[("a", owner("first", None)), ("b", owner("first", None)), ("gone", owner("first", None))]);
    let after = owners("second", &optimizations(&["b", "c"]), &values(&["a", "b", "c", "nobodys"]), &before, None);
    let expected = [("a", owner("first", None)), ("b", owner("second", None)), ("c", owner("second", None))];
    assert_eq!(after, known(&expected));
}

#[test]
fn of_two_patches_the_first_knows_what_was_there_before() {
    let inverse = |before: i64| Inverse {
        hash: String::new(),
        splices: Vec::new(),
        before: [("a".to_owned(), Some(Scalar::Int(before))), ("b".to_owned(), None)].into(),
        wrote: crate::settings::Changes::new(),
    };
    let (plan, settled) = (optimizations(&["a", "b"]), values(&["a", "b"]));
    let first = owners("pooling", &plan, &settled, &Owners::new(), Some(&inverse(1)));
    assert_eq!(first, known(&[("a", owner("pooling", Some(1))), ("b", owner("pooling", None))]));
    assert_eq!(owners("pooling", &plan, &settled, &first, Some(&inverse(2))), first);
    assert_eq!(serde_json::from_value::<Owners>(json!(first)).unwrap(), first, "an annotation holds it");
}

#[rstest]
#[case::taken_out(&["b"], &["a"])]
#[case::still_declared(&["a", "b"], &[])]
#[case::all(&[], &["a", "b"])]
fn a_rollout_releases_what_it_settled_and_declares_no_more(#[case] declared: &[&str], #[case] expected: &[&str]) {
    let known = known(&[
        ("a", owner("pooling", None)),
        ("b", owner("pooling", None)),
        ("theirs", owner("cache", None)),
        ("not settled any more", owner("pooling", None)),
    ]);
    let settled = values(&["a", "b", "theirs", "nobodys"]);
    let released = released("pooling", &optimizations(declared), &settled, &known);
    assert_eq!(released.keys().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[rstest]
#[case::ours(&["pooling", "pooling"], &["a"])]
#[case::one_says_theirs(&["pooling", "cache"], &[])]
#[case::the_other_order(&["cache", "pooling"], &[])]
fn where_config_maps_disagree_a_path_is_not_ours_to_release(#[case] owners: &[&str], #[case] expected: &[&str]) {
    let all: Vec<Owners> = owners.iter().map(|name| known(&[("a", owner(name, None))])).collect();
    let released = released("pooling", &[], &values(&["a"]), &merged("pooling", all.iter()));
    assert_eq!(released.keys().map(String::as_str).collect::<Vec<_>>(), expected);
}
