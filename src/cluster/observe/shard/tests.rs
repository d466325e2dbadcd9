use std::collections::BTreeMap;

use api::fleet::{Format, Patched, Reload, Rendered};
use kube::core::ObjectMeta;
use rstest::rstest;

use super::*;

fn config() -> Config {
    let rendered = Rendered { name: "settings".to_owned(), key: "{member}.toml".to_owned(), base: None };
    Config { delivery: Delivery::Rendered(rendered), format: Format::Toml, reload: Reload::Watch, revision_path: None }
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

#[test]
fn what_we_keep_beside_the_files_is_nobodys_file() {
    let mut config = config();
    if let Delivery::Rendered(rendered) = &mut config.delivery {
        rendered.key = ".{member}".to_owned();
    }
    let shard = read(&config, &map(&[(".a", "x = 1"), (MEMBERS_KEY, "{}"), (BASE_KEY, "x = 2")], &[])).unwrap();
    assert_eq!(shard.files.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(shard.base.as_deref(), Some("x = 2"));
    let own = own_map(&[(MEMBER_ANNOTATION, "a")]);
    let data = Some(
        [("node.toml", "x = 1"), (BASE_KEY, "theirs")].map(|(key, file)| (key.to_owned(), file.to_owned())).into(),
    );
    assert_eq!(read(&patched(), &ConfigMap { data, ..own }).unwrap().base, None);
}

#[rstest]
#[case::record(map(&[(MEMBERS_KEY, "{")], &[]), Reason::ConfigUnreadable)]
#[case::settled(map(&[], &[(SETTLED_ANNOTATION, "[1]")]), Reason::ConfigUnreadable)]
#[case::immutable(ConfigMap { immutable: Some(true), ..map(&[], &[]) }, Reason::ConfigMapImmutable)]
#[case::both(ConfigMap { immutable: Some(true), ..map(&[(MEMBERS_KEY, "{")], &[]) }, Reason::ConfigUnreadable)]
fn a_map_that_cannot_be_used_is_a_problem_that_names_it(#[case] map: ConfigMap, #[case] reason: Reason) {
    let problem = read(&config(), &map).unwrap_err();
    assert_eq!(problem.reason, reason);
    assert!(problem.message.contains("ConfigMap settings"), "{}", problem.message);
}

fn patched() -> Config {
    let delivery = Delivery::Patched(Patched { name: "{member}-config".to_owned(), key: "node.toml".to_owned() });
    Config { delivery, ..config() }
}

fn own_map(annotations: &[(&str, &str)]) -> ConfigMap {
    let mut map = map(&[("node.toml", "x = 1"), ("other.toml", "y = 1")], annotations);
    map.metadata.name = Some("a-config".to_owned());
    map.metadata.namespace = Some("fleet".to_owned());
    map
}

#[test]
fn a_members_own_map_has_its_file_and_its_record_in_an_annotation() {
    let record = r#"{"run": "run-1", "stage": 2, "members": {"a": {"c": "o", "s": 1, "u": "uid"}}}"#;
    let inverse = r#"{"h": "1", "s": [], "b": {"x": null}}"#;
    let annotations = [(MEMBER_ANNOTATION, "a"), (RECORD_ANNOTATION, record), (INVERSE_ANNOTATION, inverse)];
    let shard = read(&patched(), &own_map(&annotations)).unwrap();
    assert_eq!(shard.files, BTreeMap::from([("a".to_owned(), "x = 1".to_owned())]));
    assert_eq!((shard.record.run.as_str(), shard.record.members.len()), ("run-1", 1));
    assert_eq!(shard.inverse.unwrap().hash, "1");
}

#[rstest]
#[case::without_annotation(own_map(&[]), Reason::NotOptedIn, "annotate configmap a-config optimization.qudag.io/member=a")]
#[case::of_another_member(own_map(&[(MEMBER_ANNOTATION, "b")]), Reason::NotOptedIn, "is of member b")]
#[case::immutable(
    ConfigMap { immutable: Some(true), ..own_map(&[(MEMBER_ANNOTATION, "a")]) },
    Reason::ConfigMapImmutable,
    "without immutable"
)]
#[case::without_file(
    ConfigMap { data: None, ..own_map(&[(MEMBER_ANNOTATION, "a")]) },
    Reason::ConfigUnreadable,
    "has no key node.toml"
)]
fn a_members_own_map_is_only_used_with_its_owners_consent(
    #[case] map: ConfigMap,
    #[case] reason: Reason,
    #[case] words: &str,
) {
    let problem = read(&patched(), &map).unwrap_err();
    assert_eq!(problem.reason, reason);
    assert!(problem.message.contains(words), "{}", problem.message);
}

#[rstest]
#[case::immutable(ConfigMap { immutable: Some(true), ..own_map(&[(MEMBER_ANNOTATION, "a"), (RECORD_ANNOTATION, RECORD)]) }, 1)]
#[case::forbidden(own_map(&[(RECORD_ANNOTATION, RECORD)]), 0)]
fn of_a_map_that_is_locked_the_record_is_known(#[case] mut map: ConfigMap, #[case] files: usize) {
    prune(&mut map);
    let locked = locked(&patched(), &map).unwrap().unwrap();
    assert_eq!(locked.shard.record.members.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!((locked.shard.files.len(), read(&patched(), &map)), (files, Err(locked.problem)));
}

#[rstest]
#[case::may_be_written(own_map(&[(MEMBER_ANNOTATION, "a"), (RECORD_ANNOTATION, RECORD)]))]
#[case::records_nothing(own_map(&[]))]
fn a_map_is_not_locked_that(#[case] map: ConfigMap) {
    assert_eq!(locked(&patched(), &map), Ok(None));
}

/// The record of a run that has switched a member on.
const RECORD: &str = r#"{"run": "r", "stage": 0, "members": {"a": {"c": "o", "s": 0, "u": ""}}}"#;

#[rstest]
#[case::rendered(&[(ROLLOUT_LABEL, "x")], &[], true)]
#[case::opted_in(&[], &[(MEMBER_ANNOTATION, "a")], true)]
#[case::base(&[], &[(BASE_ANNOTATION, "true")], true)]
#[case::foreign(&[("app", "x")], &[("note", "x")], false)]
fn only_maps_that_are_ours_to_read_keep_their_content(
    #[case] labels: &[(&str, &str)],
    #[case] annotations: &[(&str, &str)],
    #[case] kept: bool,
) {
    let mut map = map(&[("node.toml", "x = 1")], annotations);
    map.metadata.labels = Some(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
    prune(&mut map);
    assert_eq!(map.data.is_some(), kept);
    assert!(map.metadata.labels.is_some());
}

#[test]
fn the_latest_foreign_writer_is_known() {
    let entry = |manager: &str, second: i64| {
        serde_json::from_value(serde_json::json!({
            "manager": manager, "operation": "Update", "time": format!("2026-01-01T00:00:0{second}Z"), "fieldsV1": {},
        }))
        .unwrap()
    };
    let mut map = own_map(&[(MEMBER_ANNOTATION, "a")]);
    map.metadata.managed_fields = Some(vec![entry("helm", 1), entry("kubectl-edit", 2), entry(FIELD_MANAGER, 3)]);
    prune(&mut map);
    assert_eq!(read(&patched(), &map).unwrap().last_writer.as_deref(), Some("kubectl-edit"));
}
