use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Line, Origin, Revision, history};
use crate::history::{Entry, Write};
use crate::kind::Key;
use crate::laws::Laws;
use crate::request::{Subresource, Verb};

const START: &str = "2026-01-01T00:00:00.000000Z";
const ACCOUNT: &str = "system:serviceaccount:operator:operator";

fn at(milliseconds: i64) -> String {
    (START.parse::<Timestamp>().unwrap() + SignedDuration::from_millis(milliseconds)).to_string()
}

fn map(value: &str, number: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "fleet", "resourceVersion": number.to_string()},
        "data": {"x": value},
    })
}

/// A patch of a ConfigMap by a replica, as the audit log tells of it.
fn line(replica: &str, milliseconds: i64, code: u16, answer: Value) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "stage": "ResponseComplete",
        "verb": "patch", "user": {"username": ACCOUNT, "uid": replica},
        "objectRef": {"resource": "configmaps", "namespace": "fleet", "name": "settings", "apiVersion": "v1"},
        "responseStatus": {"code": code}, "requestObject": {"data": {"x": "y"}}, "responseObject": answer,
        "requestReceivedTimestamp": START, "stageTimestamp": at(milliseconds),
    })
}

fn revision(number: u64, value: Option<&str>) -> Revision {
    let key = Key {
        group: String::new(),
        plural: "configmaps".to_owned(),
        namespace: "fleet".to_owned(),
        name: "settings".to_owned(),
    };
    // etcd does not hold the number in the object.
    let object = value.map(|value| {
        let mut object = map(value, number);
        object["metadata"].as_object_mut().unwrap().shift_remove("resourceVersion");
        object
    });
    Revision { key, number, object }
}

/// The history as short lines: milliseconds, who, code, and the value before and after.
fn told(lines: &[Value], revisions: Vec<Revision>) -> (Vec<String>, usize) {
    let lines = lines.iter().filter_map(|line| Line::parse(&line.to_string())).collect();
    let origin = Origin { wall: START.parse().unwrap(), instant: Instant::now() };
    let name = |user: &str, uid: &str| if user == ACCOUNT { uid.to_owned() } else { user.to_owned() };
    let (entries, unaccounted) = history(lines, revisions, origin, name);
    let told = entries.iter().map(|entry| {
        let at = entry.at().duration_since(origin.instant).as_millis();
        let (who, before, after) = match entry {
            Entry::Write(Write { user, code, before, after, .. }) => (format!("{user} {code}"), before, after),
            Entry::Change { before, after, .. } => ("somebody".to_owned(), before, after),
            other => panic!("{other:?}"),
        };
        let value = |object: &Option<std::sync::Arc<Value>>| {
            object.as_ref().map_or("none".to_owned(), |object| object["data"]["x"].as_str().unwrap().to_owned())
        };
        format!("{at} {who}: {} -> {}", value(before), value(after))
    });
    (told.collect(), unaccounted)
}

#[test]
fn writes_stand_in_the_order_of_their_versions_whichever_was_answered_first() {
    let lines = [line("replica-2", 20, 200, map("b", 6)), line("replica-1", 30, 200, map("a", 5))];
    let (told, unaccounted) = told(&lines, vec![revision(5, Some("a")), revision(6, Some("b"))]);
    assert_eq!(told, ["20 replica-1 200: none -> a", "20 replica-2 200: a -> b"]);
    assert_eq!(unaccounted, 0);
}

#[test]
fn a_version_that_no_line_accounts_for_is_a_change_by_nobody() {
    let lines = [line("replica-1", 10, 200, map("a", 5)), line("replica-1", 40, 200, map("c", 9))];
    let revisions = vec![revision(5, Some("a")), revision(7, Some("b")), revision(9, Some("c"))];
    let (told, unaccounted) = told(&lines, revisions);
    assert_eq!(told, ["10 replica-1 200: none -> a", "40 somebody: a -> b", "40 replica-1 200: b -> c"]);
    assert_eq!(unaccounted, 1);
}

#[rstest]
#[case::the_server_ran_out_of_time(504)]
#[case::the_client_went_away(499)]
#[case::it_died(0)]
fn a_request_whose_answer_nobody_got_is_the_author_of_what_it_made(#[case] code: u16) {
    let status = json!({"kind": "Status", "code": code});
    let lines = [line("replica-1", 90, code, status), line("replica-2", 30, 200, map("b", 6))];
    let (told, unaccounted) = told(&lines, vec![revision(5, Some("a")), revision(6, Some("b"))]);
    assert_eq!(told, ["30 replica-1 200: none -> a", "30 replica-2 200: a -> b"]);
    assert_eq!(unaccounted, 0);
}

#[test]
fn what_was_refused_and_what_changed_nothing_stands_where_it_was_answered() {
    let conflict = json!({"kind": "Status", "code": 409});
    let lines = [
        line("replica-1", 10, 200, map("a", 5)),
        line("replica-2", 20, 409, conflict),
        line("replica-2", 30, 200, map("a", 5)),
    ];
    let (told, _) = told(&lines, vec![revision(5, Some("a"))]);
    assert_eq!(told, ["10 replica-1 200: none -> a", "20 replica-2 409: none -> none", "30 replica-2 200: a -> a"]);
}

#[test]
fn a_deletion_is_the_deed_of_whoever_asked_for_it() {
    let mut deletion = line("", 20, 200, json!({"kind": "Status", "status": "Success"}));
    deletion["verb"] = json!("delete");
    deletion["user"] = json!({"username": "admin"});
    let lines = [line("replica-1", 10, 200, map("a", 5)), deletion];
    let (told, unaccounted) = told(&lines, vec![revision(5, Some("a")), revision(6, None)]);
    assert_eq!(told, ["10 replica-1 200: none -> a", "20 admin 200: a -> none"]);
    assert_eq!(unaccounted, 0);
}

#[test]
fn a_line_says_what_was_asked_and_of_which_part() {
    let mut status = line("replica-1", 10, 200, map("a", 5));
    status["objectRef"]["subresource"] = json!("status");
    let parsed = Line::parse(&status.to_string()).unwrap();
    assert_eq!((parsed.verb, parsed.subresource), (Verb::Patch, Some(Subresource::Status)));
    assert_eq!(parsed.key.to_string(), "configmaps fleet/settings");
    assert_eq!(parsed.body, json!({"data": {"x": "y"}}));
}

#[rstest]
#[case::a_read(json!({"stage": "ResponseComplete", "verb": "get"}))]
#[case::a_request_that_came_in(json!({"stage": "RequestReceived", "verb": "patch"}))]
#[case::another_subresource(json!({"stage": "ResponseComplete", "verb": "create", "objectRef": {"subresource": "binding"}}))]
fn what_tells_of_no_write_is_left_out(#[case] event: Value) {
    assert!(Line::parse(&event.to_string()).is_none());
}

#[test]
fn half_a_line_is_none() {
    let whole = line("replica-1", 10, 200, map("a", 5)).to_string();
    assert!(Line::parse(&whole[..whole.len() / 2]).is_none());
}

/// The beginning of a run on a real API server: the rollout, the Lease, the status with its event, the finalizer and
/// the ConfigMap of the first stage.
const RECORDED: &str = include_str!("recorded.jsonl");

/// Laws that a log breaks, once it is read.
fn broken(log: &[String]) -> Vec<&'static str> {
    let lines: Vec<Line> = log.iter().filter_map(|line| Line::parse(line)).collect();
    assert_eq!(lines.len(), log.len(), "every line is read");
    let revision =
        |line: &Line| Revision { key: line.key.clone(), number: line.number().unwrap(), object: line.object.clone() };
    let revisions = lines.iter().map(revision).collect();
    let origin = Origin { wall: "2026-11-25T00:00:00Z".parse().unwrap(), instant: Instant::now() };
    let (entries, unaccounted) = history(lines, revisions, origin, |_, uid| uid.to_owned());
    assert_eq!(unaccounted, 0);
    let laws = Laws::new("replica-");
    entries.iter().for_each(|entry| laws.check(entry));
    assert!(laws.writes() > 0, "the operator wrote something");
    laws.violations().iter().map(|violation| violation.law).collect()
}

#[rstest]
#[case::as_it_was(&[], |_: &mut Vec<String>| {})]
#[case::nobody_holds_the_finalizer(&["L12 deletion"], |log: &mut Vec<String>| {
    log.retain(|line| !line.contains("\"finalizers\""));
})]
#[case::no_status_has_committed_the_run(&["L17 evidence", "L1 blast radius"], |log: &mut Vec<String>| {
    log.retain(|line| !line.contains("\"startedAt\"") );
})]
#[case::everybody_is_optimized_in_the_first_stage(&["L1 blast radius"], |log: &mut Vec<String>| {
    let last = log.last_mut().unwrap();
    *last = last.replace(r#"\"c\":\"b\""#, r#"\"c\":\"o\""#);
})]
fn a_recorded_audit_log_that_breaks_a_law_is_caught(#[case] expected: &[&str], #[case] edit: fn(&mut Vec<String>)) {
    let mut log: Vec<String> = RECORDED.lines().map(str::to_owned).collect();
    edit(&mut log);
    assert_eq!(broken(&log), expected);
}
