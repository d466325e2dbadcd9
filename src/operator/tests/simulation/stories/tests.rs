use std::{process::Command, time::SystemTime};

use super::{play, tally};

/// Fresh seeds of every run of the tests.
const FRESH: u64 = 50;

#[test]
fn fresh_stories_break_no_law() {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let base = since_1970.as_secs() % 1_000_000_000 * 1000;
    println!("seeds from {base}");
    let tally = tally(base..base + FRESH);
    println!("{tally}");
    assert!(tally.broken.is_empty(), "seeds from {base}\n{tally}");
}

/// What a process of its own tells of some seeds.
fn told() -> String {
    let itself = std::env::current_exe().unwrap();
    let name = "stories::tests::tells_some_stories";
    let told = Command::new(itself).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    String::from_utf8(told.stdout).unwrap().lines().filter(|line| !line.starts_with("test result")).collect()
}

#[test]
fn a_seed_tells_the_same_story_in_every_process() {
    let (first, second) = (told(), told());
    assert!(first.len() > 1000, "{first}");
    assert!(first == second, "the stories differ; compare them by `make sim SEED=...`, run twice");
}

#[test]
#[ignore = "run by a_seed_tells_the_same_story_in_every_process"]
fn tells_some_stories() {
    for seed in 1..=10 {
        println!("{}", play(seed).trace.join("\n"));
    }
}
