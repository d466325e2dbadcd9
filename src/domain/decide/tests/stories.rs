//! Whole runs, told to the last write. When a decision changes on purpose, `UPDATE_EXPECT=1 cargo test -p domain stories`
//! tells them anew: read the difference.

use api::{
    reason::Reason,
    rollout::{Abort, DeletionPolicy},
};
use expect_test::{ExpectFile, expect_file};
use rstest::rstest;
use serde_json::{Value, json};

use super::play::Play;
use crate::observation::Breach;

const OWN: &str = "# by hand\n[pool]\nenabled = false # why\n";

fn patched(spec: &mut Value) {
    spec["fleet"]["config"] = json!({"patched": {"name": "{member}-config", "key": "node.toml"}});
}

fn breach(play: &mut Play) {
    play.seen.measurements.as_mut().unwrap().breach = Some(Breach {
        reason: Reason::Catastrophe,
        indicator: "errors".to_owned(),
        message: "errors: 50%".to_owned(),
        worst: vec!["node-3".to_owned()],
    });
}

/// Everybody is optimized, and a member joins.
fn good() -> Play {
    let mut play = Play::new(8, |_| {});
    play.pass(6);
    play.happen("node-8 joins", |play| play.join(8));
    play.pass(30);
    play.happen("node-9 joins", |play| play.join(9));
    play.pass(3);
    play
}

/// The second stage hurts, one member says nothing for a while, and the next attempt is good.
fn bad() -> Play {
    let mut play = Play::new(8, |_| {});
    play.pass(10);
    play.happen("errors, and node-3 is deaf", |play| {
        breach(play);
        play.deaf.push("node-3".to_owned());
    });
    play.pass(70);
    play.happen("node-3 speaks", |play| play.deaf.clear());
    play.pass(5);
    play.edit("another attempt", |spec| spec.attempt = 2);
    play.pass(4);
    play
}

/// Members' own files are switched, settled, and the optimization is taken out of the list.
fn own_files() -> Play {
    let mut play = Play::new(5, patched);
    play.own_files(OWN);
    play.pass(40);
    play.edit("nothing is wanted any more", |spec| spec.optimizations.clear());
    play.pass(40);
    play
}

/// Members' own files are switched and given back.
fn own_files_back() -> Play {
    let mut play = Play::new(5, patched);
    play.own_files(OWN);
    play.pass(9);
    play.edit("a person aborts", |spec| spec.abort = Some(Abort { reason: "ticket 42".to_owned() }));
    play.pass(5);
    play
}

/// Members that read their files at start alone.
fn restarts() -> Play {
    let mut play = Play::new(6, |spec| spec["fleet"]["config"]["reload"] = json!("RestartPod"));
    play.pass(10);
    play.happen("errors", breach);
    play.pass(6);
    play
}

/// The stage is made smaller and larger while it runs, paused and gone on with.
fn edits() -> Play {
    let mut play = Play::new(8, |spec| spec["stages"] = json!([{"name": "half", "percent": 70, "bake": "20s"}]));
    play.pass(4);
    play.edit("a smaller stage", |spec| spec.stages[0].percent = 20);
    play.pass(4);
    play.edit("paused, and a larger stage", |spec| {
        spec.paused = true;
        spec.stages[0].percent = 50;
    });
    play.pass(3);
    play.edit("it goes on", |spec| spec.paused = false);
    play.pass(3);
    play.edit("the stage is skipped", |spec| spec.promote_through = Some("half".to_owned()));
    play.pass(3);
    play
}

/// The rollout is deleted in the middle.
fn deleted() -> Play {
    let mut play = Play::new(6, |_| {});
    play.pass(10);
    play.delete();
    play.pass(4);
    play
}

/// The rollout is deleted at the end, and takes back what is settled.
fn deleted_with_all() -> Play {
    let mut play = Play::new(5, |_| {});
    play.pass(30);
    play.edit("it is to restore", |spec| spec.deletion_policy = DeletionPolicy::Restore);
    play.pass(2);
    play.delete();
    play.pass(3);
    play
}

/// The ConfigMap disappears, members are replaced, and somebody overrides.
fn meddled() -> Play {
    let mut play = Play::new(6, |_| {});
    play.pass(9);
    play.happen("somebody takes node-0 to node-3 back", |play| {
        for member in 0..4 {
            play.seen.shards[0].files.insert(format!("node-{member}"), "pool.enabled = false\n".to_owned());
        }
    });
    play.pass(3);
    play.happen("an optimized pod is replaced", |play| {
        let member = play.seen.members.iter_mut().find(|one| one.pod.cohort.as_deref() == Some("optimized")).unwrap();
        member.pod.uid = "new".to_owned();
        (member.pod.cohort, member.pod.touched) = (Some("baseline".to_owned()), None);
    });
    play.pass(3);
    play.happen("the ConfigMap is deleted", |play| play.seen.shards.clear());
    play.pass(4);
    play
}

/// Nobody can be measured.
fn silent() -> Play {
    let mut play = Play::new(6, |spec| spec["metrics"]["silence"] = json!({"deadline": "8s"}));
    play.pass(3);
    play.happen("no look is good", |play| play.healthy = false);
    play.pass(12);
    play
}

#[rstest]
#[case::good(good(), expect_file!["stories/good.txt"])]
#[case::bad(bad(), expect_file!["stories/bad.txt"])]
#[case::own_files(own_files(), expect_file!["stories/own_files.txt"])]
#[case::own_files_back(own_files_back(), expect_file!["stories/own_files_back.txt"])]
#[case::restarts(restarts(), expect_file!["stories/restarts.txt"])]
#[case::edits(edits(), expect_file!["stories/edits.txt"])]
#[case::deleted(deleted(), expect_file!["stories/deleted.txt"])]
#[case::deleted_with_all(deleted_with_all(), expect_file!["stories/deleted_with_all.txt"])]
#[case::meddled(meddled(), expect_file!["stories/meddled.txt"])]
#[case::silent(silent(), expect_file!["stories/silent.txt"])]
fn a_run_goes_as_it_is_told(#[case] play: Play, #[case] expected: ExpectFile) {
    expected.assert_eq(play.story());
}
