use std::collections::BTreeMap;

use api::fleet::{Format, Rendered};
use kube::core::ObjectMeta;
use rstest::rstest;

use super::*;

fn config() -> Config {
    let rendered = Rendered { name: "settings".to_owned(), key: "{member}.toml".to_owned() };
    Config { rendered, format: Format::Toml, revision_path: None }
}

fn map(data: &[(&str, &str)], annotations: &[(&str, &str)]) -> ConfigMap {
    let own = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    ConfigMap {
        metadata: ObjectMeta {
            name: Some("settings".to_owned()),
            annotations: Some(own(annotations)),
            ..ObjectMeta::default()
        },
        data: Some(own(data)),
        ..ConfigMap::default()
    }
}

#[rstest]
#[case::first("settings", Some(0))]
#[case::second("settings-1", Some(1))]
#[case::tenth("settings-9", Some(9))]
#[case::zero_is_never_written("settings-0", None)]
#[case::leading_zero("settings-01", None)]
#[case::longer_name("settings-of-others", None)]
#[case::other("other", None)]
fn a_shard_is_known_by_its_name(#[case] name: &str, #[case] expected: Option<usize>) {
    assert_eq!(index(&config(), name), expected);
}

#[test]
fn files_record_settled_values_and_mark_are_read() {
    let record = r#"{"run": "run-1", "stage": 2, "members": {"a": {"c": "o", "s": 1, "u": "uid"}}}"#;
    let shard = read(
        &config(),
        &map(
            &[("a.toml", "x = 1"), ("readme", "hello"), (MEMBERS_KEY, record)],
            &[(SETTLED_ANNOTATION, r#"{"x": 1}"#), (RETREAT_ANNOTATION, "run-1")],
        ),
    )
    .unwrap();
    assert_eq!(shard.files, BTreeMap::from([("a".to_owned(), "x = 1".to_owned())]));
    assert_eq!((shard.record.run.as_str(), shard.record.stage, shard.record.members.len()), ("run-1", 2, 1));
    assert_eq!(shard.settled.len(), 1);
    assert_eq!(shard.mark.unwrap().run, "run-1", "a mark without its reason is still a mark");
}

#[rstest]
#[case::record(map(&[(MEMBERS_KEY, "{")], &[]), Reason::ConfigUnreadable)]
#[case::settled(map(&[], &[(SETTLED_ANNOTATION, "[1]")]), Reason::ConfigUnreadable)]
#[case::immutable(ConfigMap { immutable: Some(true), ..map(&[], &[]) }, Reason::ConfigMapImmutable)]
fn a_map_that_cannot_be_used_is_a_problem_that_names_it(#[case] map: ConfigMap, #[case] reason: Reason) {
    let problem = read(&config(), &map).unwrap_err();
    assert_eq!(problem.reason, reason);
    assert!(problem.message.contains("ConfigMap settings"), "{}", problem.message);
}
