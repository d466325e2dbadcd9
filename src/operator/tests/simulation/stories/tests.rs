use std::{process::Command, time::Duration};

use super::{
    draw,
    script::Script,
    shrink::shrink,
    sweep::{Swept, sweep},
    tally,
    trouble::Trouble,
};

/// Seeds that every run of the tests plays; `make sim` plays others.
const PLAYED: u64 = 500;
/// Seeds that two processes play.
const REPLAYED: u64 = 200;
/// Stories of which each write is the last of its replica once.
const SWEPT: u64 = 30;
/// Crashes that these have at least.
const CRASHES: u64 = 3000;

/// The first seed that is played: always the same, so that a red run is a change of ours, or `BASE`.
fn base() -> u64 {
    std::env::var("BASE").ok().and_then(|base| base.parse().ok()).unwrap_or(1)
}

#[test]
fn stories_break_no_law() {
    let base = base();
    println!("seeds from BASE={base}");
    let tally = tally(base..base + PLAYED, false);
    assert!(tally.broken.is_empty(), "BASE={base}\n{tally}");
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes hours without optimization: cargo test --profile sim -p operator whichever"
)]
fn a_story_ends_the_same_at_whichever_write_a_replica_dies() {
    let Swept { crashes, differences } = sweep(SWEPT);
    println!("{crashes} crashes");
    assert!(differences.is_empty(), "{} of {crashes} crashes differ:\n{}", differences.len(), differences.join("\n"));
    assert!(crashes >= CRASHES, "{crashes} crashes");
}

/// What a process of its own tells of some seeds: a hash of all that happened, for each.
fn told() -> Vec<String> {
    let itself = std::env::current_exe().unwrap();
    let name = "stories::tests::tells_some_stories";
    let told = Command::new(itself).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.lines().filter(|line| line.contains(" trace=")).map(str::to_owned).collect()
}

#[test]
fn a_seed_tells_the_same_story_in_every_process() {
    let (first, second) = (told(), told());
    assert_eq!(first.len() as u64, REPLAYED, "{first:?}");
    let differ: Vec<_> = first.iter().zip(&second).filter(|(first, second)| first != second).collect();
    assert!(differ.is_empty(), "compare what `make sim SEED=...` says twice: {differ:#?}");
}

#[test]
#[ignore = "run by a_seed_tells_the_same_story_in_every_process"]
fn tells_some_stories() {
    println!("{}", tally(1..1 + REPLAYED, true));
}

#[test]
fn a_story_is_shrunk_to_what_matters() {
    let mut script = Script::new(7);
    let matters = Trouble::Kill { replica: 2, back: Duration::from_secs(1) };
    script.skews = vec![0, 5, 0];
    script.troubles = draw::troubles(&mut fastrand::Rng::with_seed(1), &script.skews);
    script.troubles.retain(|(_, trouble)| !matches!(trouble, Trouble::Kill { .. }));
    script.troubles.insert(script.troubles.len() / 2, (Duration::from_secs(9), matters));
    assert!(script.troubles.len() > 2);
    let shrunk = shrink(script, |script| {
        script.troubles.iter().any(|(_, trouble)| matches!(trouble, Trouble::Kill { replica: 2, .. }))
    });
    assert_eq!(shrunk.troubles.len(), 1, "{shrunk}");
    assert_eq!(shrunk.skews, [0, 0], "{shrunk}");
    assert_eq!(shrunk.rollouts.len(), 1, "{shrunk}");
}
