use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::mutation::mutate;

const EDITS: &str = "bug: it forgets\nedits: [{file: src/a.rs, find: a, replace: b}]\n";

#[test]
fn an_exhibit_names_edits_and_a_test_and_what_it_says() {
    let text = format!("{EDITS}test: {{package: domain, name: it_remembers}}\nsays: L5\n");
    let exhibit = read("memory", &text).unwrap();
    let Kind::Mutant(mutant) = exhibit.kind else { panic!("{exhibit:?}") };
    assert_eq!((mutant.edits[0].find.as_str(), mutant.says.as_str(), mutant.test.name()), ("a", "L5", "it_remembers"));
}

#[test]
fn a_bug_of_something_that_is_not_there_is_pending() {
    let exhibit = read("memory", "bug: it forgets\npending: there is no memory\n").unwrap();
    assert!(matches!(exhibit.kind, Kind::Pending(why) if why == "there is no memory"));
}

#[rstest]
#[case::no_test(EDITS.to_owned())]
#[case::no_edit("bug: it forgets\ntest: {program: charts/tests/run}\nsays: no\n".to_owned())]
#[case::both(format!("{EDITS}pending: later\n"))]
#[case::an_unknown_field(format!("{EDITS}test: {{program: a}}\nsays: no\nlaw: L5\n"))]
fn what_is_no_exhibit_is_refused(#[case] text: String) {
    assert!(read("memory", &text).is_err());
}

#[test]
fn every_exhibit_of_the_museum_is_one() {
    let all = all(Path::new("exhibits")).unwrap();
    assert!(all.iter().all(|exhibit| exhibit.bug.ends_with('.')), "a bug is told in a sentence");
}

#[test]
fn every_exhibit_finds_the_code_that_it_breaks() {
    let mut lost = Vec::new();
    for exhibit in all(Path::new("exhibits")).unwrap() {
        let Kind::Mutant(mutant) = exhibit.kind else { continue };
        let mut files = BTreeMap::new();
        for Edit { file, find, replace } in &mutant.edits {
            let text =
                files.entry(file).or_insert_with(|| std::fs::read_to_string(Path::new("../..").join(file)).unwrap());
            match mutate(text, find, replace) {
                Ok(mutated) => *text = mutated,
                Err(what) => lost.push(format!("{}: {file} {what}", exhibit.name)),
            }
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
