use super::*;

#[test]
fn a_record_is_read_back_as_written() {
    let entry = Entry { cohort: Cohort::Returning, stage: 2, pod: "uid".to_owned(), restarts: 3, reverted: true };
    let record = Record {
        run: "plan-1".to_owned(),
        stage: 2,
        optimizations: vec!["pool".to_owned()],
        members: [("node-0".to_owned(), entry)].into(),
    };
    assert_eq!(Record::parse(Some(&record.text())), Ok(record));
}

#[test]
fn without_a_record_no_stage_was_stamped() {
    assert_eq!(Record::parse(None).unwrap().stage, -1);
    assert_eq!(Record::parse(Some("{}")).unwrap().stage, -1, "an older version may not have said so");
    assert!(Record::parse(Some("no record")).unwrap_err().contains("does not parse"));
}

#[test]
fn what_is_the_usual_is_not_written() {
    let pod = Pod { uid: "uid".to_owned(), restarts: 1, ..Pod::default() };
    let entry = Entry::new(Cohort::Optimized, 0, &pod);
    let record = Record { stage: 0, members: [("node-0".to_owned(), entry)].into(), ..Record::default() };
    assert_eq!(record.text(), r#"{"stage":0,"members":{"node-0":{"c":"o","s":0,"u":"uid","r":1}}}"#);
}
