use std::process::Command;

use super::tally;

/// Seeds that every run of the tests plays; `make sim` plays others.
const PLAYED: u64 = 50;
/// Seeds that two processes play.
const REPLAYED: u64 = 10;

#[test]
fn stories_break_no_law() {
    let tally = tally(1..1 + PLAYED, false);
    assert!(tally.broken.is_empty(), "{tally}");
}

/// What a process of its own tells of some seeds.
fn told() -> String {
    let itself = std::env::current_exe().unwrap();
    let name = "stories::tests::tells_some_stories";
    let told = Command::new(itself).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.lines().find(|line| line.starts_with("traces=")).unwrap_or_else(|| panic!("{told:?}")).to_owned()
}

#[test]
fn a_seed_tells_the_same_story_in_every_process() {
    assert_eq!(told(), told(), "compare what `make sim SEED=...` says twice");
}

#[test]
#[ignore = "run by a_seed_tells_the_same_story_in_every_process"]
fn tells_some_stories() {
    println!("{}", tally(1..1 + REPLAYED, true));
}
