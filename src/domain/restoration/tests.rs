use api::{
    Scalar,
    fleet::{Format, Patched, Reload, Rendered},
    names::{MEMBERS_KEY, RECORD_ANNOTATION},
    reason::Reason,
};
use jiff::Timestamp;
use rstest::rstest;

use super::*;
use crate::{
    mark::Cause,
    record::{Entry, Record},
    settings::Values,
};

fn config(key: &str) -> Config {
    Config {
        delivery: Delivery::Rendered(Rendered { name: "settings".to_owned(), key: key.to_owned(), base: None }),
        format: Format::Toml,
        reload: Reload::Watch,
        revision_path: None,
    }
}

fn values(entries: &[(&str, Scalar)]) -> Values {
    entries.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()
}

fn entry(cohort: Cohort) -> Entry {
    Entry { cohort, stage: 0, pod: "uid".to_owned(), restarts: 0, reverted: false }
}

fn restoration() -> Restoration {
    let record = Record {
        run: "run-1".to_owned(),
        stage: 0,
        members: [("a".to_owned(), entry(Cohort::Optimized)), ("b".to_owned(), entry(Cohort::Baseline))].into(),
        ..Record::default()
    };
    let files = ["a", "b"].map(|member| (member.to_owned(), format!("{member} = 1\n"))).into();
    Restoration {
        seen: Shard { name: "settings".to_owned(), record, files, ..Shard::default() },
        config: config("{member}.toml"),
        settings: Settings { baseline: values(&[("a.b", Scalar::Bool(false))]), ..Settings::default() },
        pods: [("a".to_owned(), "uid-2".to_owned())].into(),
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
    assert_eq!(record.members["a"].pod, "uid-2", "what runs now has not read the file yet");
    assert_eq!(record.members["b"].cohort, Cohort::Baseline);
}

#[rstest]
#[case::a_value_is_written_in("x = 1 # ours\n[a]\nb = true\n", "x = 1 # ours\n[a]\nb = false\n")]
#[case::it_says_so_already("[a]\nb = false # ours\n", "[a]\nb = false # ours\n")]
#[case::it_cannot_hold_what_the_plan_says_now("a = 1\n", "a = 1\n")]
fn restoring_goes_by_the_maps_own_copy_of_the_base(#[case] base: &str, #[case] expected: &str) {
    let mut restoration = restoration();
    restoration.seen.base = Some(base.to_owned());
    let write = restoration.write(&restoration.seen).unwrap();
    assert_eq!(write.data["a.toml"].as_deref(), Some(expected));
    assert!(!write.data.contains_key("b.toml") && !write.data.contains_key(".base"));
    assert_eq!(restoration.fingerprint("a"), fingerprint(Some("a.b = false\n")), "a base is no news");
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

const FILE: &str = "# ours\npool.max = 20 # per peer\n";

/// One member, whose pool was raised from 20 to 100, with this file now.
fn patched(edit: impl Fn(&str) -> String) -> Restoration {
    let settings = Settings { switched: values(&[("pool.max", Scalar::Int(100))]), ..Settings::default() };
    let delivery = Delivery::Patched(Patched { name: "{member}-config".to_owned(), key: "node.toml".to_owned() });
    let (file, inverse) = patching::patch(Format::Toml, FILE, &setting(&settings.switched)).unwrap();
    let seen = Shard {
        name: "a-config".to_owned(),
        record: Record {
            run: "run-1".to_owned(),
            stage: 0,
            members: [("a".to_owned(), entry(Cohort::Optimized))].into(),
            ..Record::default()
        },
        files: [("a".to_owned(), edit(&file))].into(),
        inverse: Some(inverse),
        ..Shard::default()
    };
    Restoration { seen, settings, config: Config { delivery, ..config("{member}.toml") }, ..restoration() }
}

fn restored(restoration: &Restoration) -> String {
    restoration.write(&restoration.seen).unwrap().data["node.toml"].clone().unwrap()
}

#[test]
fn a_patched_file_comes_back_to_the_byte_and_its_inverse_goes() {
    let restoration = patched(str::to_owned);
    assert_eq!(restored(&restoration), FILE);
    let write = restoration.write(&restoration.seen).unwrap();
    assert_eq!(write.annotations[INVERSE_ANNOTATION], None);
    let record = Record::parse(write.annotations[RECORD_ANNOTATION].as_deref()).unwrap();
    assert_eq!(record.members["a"].cohort, Cohort::Returning);
    assert!(!write.data.contains_key(MEMBERS_KEY));
}

#[test]
fn what_others_have_edited_meanwhile_stays() {
    let restoration = patched(|file| format!("{file}log.level = \"debug\"\n"));
    assert_eq!(restored(&restoration), format!("{FILE}log.level = \"debug\"\n"));
}

#[test]
fn a_value_that_somebody_else_has_taken_back_is_theirs() {
    let restoration = patched(|file| file.replace("100", "7"));
    assert_eq!(restored(&restoration), FILE.replace("20", "7"));
}

const BROKEN: &str = "log.level =\n";

#[test]
fn a_file_that_does_not_parse_is_not_overwritten_and_nobody_forgets_what_leads_back() {
    let restoration = patched(|file| format!("{file}{BROKEN}"));
    let write = restoration.write(&restoration.seen).unwrap();
    assert_eq!(write.annotations[RETREAT_ANNOTATION].as_deref(), Some("run-1"));
    assert_eq!(Record::parse(write.annotations[RECORD_ANNOTATION].as_deref()).unwrap(), restoration.seen.record);
    assert!(write.data.is_empty() && !write.annotations.contains_key(INVERSE_ANNOTATION), "{write:?}");
}

#[test]
fn a_broken_file_is_marked_once_and_comes_back_to_the_byte_when_it_is_mended() {
    let mut restoration = patched(|file| format!("{file}{BROKEN}"));
    restoration.seen.mark = Some(restoration.mark.clone());
    assert_eq!(restoration.write(&restoration.seen), None);
    restoration.seen.files.insert("a".to_owned(), FILE.replace("20", "100"));
    assert_eq!(restored(&restoration), FILE);
}

#[test]
fn baseline_members_maps_are_not_written_at_all() {
    let mut restoration = patched(str::to_owned);
    restoration.seen.record.members.insert("a".to_owned(), entry(Cohort::Baseline));
    assert_eq!(restoration.write(&restoration.seen), None);
}
