use api::{
    Scalar,
    fleet::{Format, Rendered},
    reason::Reason,
};
use jiff::Timestamp;
use rstest::rstest;

use super::*;
use crate::{
    mark::Cause,
    record::{Entry, Record},
};

fn config(key: &str) -> Config {
    Config {
        rendered: Rendered { name: "settings".to_owned(), key: key.to_owned() },
        format: Format::Toml,
        revision_path: None,
    }
}

#[rstest]
#[case::suffix("{member}.toml", "a-0", "a-0.toml")]
#[case::both("node-{member}.toml", "a-0", "node-a-0.toml")]
#[case::alone("{member}-x", "a", "a-x")]
fn a_file_is_found_by_its_member_and_back(#[case] template: &str, #[case] member: &str, #[case] key: &str) {
    let config = config(template);
    assert_eq!(file_key(&config, member), key);
    assert_eq!(member_of(&config, key), Some(member));
}

#[rstest]
#[case::record(MEMBERS_KEY)]
#[case::no_member(".toml")]
#[case::foreign("readme.md")]
fn other_keys_are_nobodys(#[case] key: &str) {
    assert_eq!(member_of(&config("{member}.toml"), key), None);
}

fn values(entries: &[(&str, Scalar)]) -> Values {
    entries.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()
}

#[test]
fn no_values_are_no_file() {
    assert_eq!(file(&config("{member}.toml"), &Values::new()).unwrap(), None);
    let on = values(&[("a.b", Scalar::Bool(true))]);
    assert_eq!(file(&config("{member}.toml"), &on).unwrap().as_deref(), Some("a.b = true\n"));
}

#[test]
fn a_revision_changes_with_the_values_and_stands_in_the_file() {
    let config = Config { revision_path: Some("meta.revision".to_owned()), ..config("{member}.toml") };
    let (on, off) = (values(&[("a", Scalar::Bool(true))]), values(&[("a", Scalar::Bool(false))]));
    let revision_on = revision(&config, &on).unwrap();
    assert_ne!(Some(&revision_on), revision(&config, &off).as_ref());
    let text = file(&config, &on).unwrap().unwrap();
    assert!(text.contains(&format!("meta.revision = \"{revision_on}\"")), "{text}");
    assert_eq!(revision(&config, &Values::new()), None);
}

fn entry(cohort: Cohort) -> Entry {
    Entry { cohort, stage: 0, pod: "uid".to_owned(), restarts: 0 }
}

fn restoration() -> Restoration {
    let record = Record {
        run: "run-1".to_owned(),
        stage: 0,
        members: [("a".to_owned(), entry(Cohort::Optimized)), ("b".to_owned(), entry(Cohort::Baseline))].into(),
    };
    let files = ["a", "b"].map(|member| (member.to_owned(), format!("{member} = 1\n"))).into();
    Restoration {
        seen: Shard { name: "settings".to_owned(), record, files, ..Shard::default() },
        config: config("{member}.toml"),
        baseline: values(&[("a.b", Scalar::Bool(false))]),
        mark: Mark {
            run: "run-1".to_owned(),
            cause: Cause::new(Reason::LimitBreached, "errors", Timestamp::UNIX_EPOCH),
        },
    }
}

#[test]
fn restoring_writes_the_baseline_to_the_optimized_alone_and_marks_the_map() {
    let restoration = restoration();
    let write = restoration.write(&restoration.seen).unwrap();
    let files: Vec<(&str, Option<&str>)> = write
        .data
        .iter()
        .filter(|(key, _)| *key != MEMBERS_KEY)
        .map(|(key, file)| (key.as_str(), file.as_deref()))
        .collect();
    assert_eq!(files, [("a.toml", Some("a.b = false\n"))]);
    assert_eq!(write.annotations[RETREAT_ANNOTATION].as_deref(), Some("run-1"));
    let record = Record::parse(write.data[MEMBERS_KEY].as_deref()).unwrap();
    assert_eq!(record.members["a"].cohort, Cohort::Returning);
    assert_eq!(record.members["b"].cohort, Cohort::Baseline);
}

#[test]
fn a_map_that_is_restored_or_of_another_run_is_let_be() {
    let restoration = restoration();
    let mut done = restoration.seen.clone();
    done.mark = Some(restoration.mark.clone());
    done.record.members.insert("a".to_owned(), entry(Cohort::Returning));
    assert_eq!(restoration.write(&done), None);
    let mut other = restoration.seen.clone();
    other.record.run = "run-2".to_owned();
    assert_eq!(restoration.write(&other), None);
}
