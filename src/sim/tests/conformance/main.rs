//! The fake answers as the real API server was recorded to: `make conformance` records, and checks the recording.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, reason = "the example uses the rest")]

mod differences;
mod recording;
mod session;
mod shape;
mod target;
mod topics;
mod transcript;

use sim::ApiServer;

use crate::differences::Verdict;
use crate::target::Target;

#[tokio::test(start_paused = true)]
async fn the_fake_answers_as_the_real_server_did() {
    let mut problems = String::new();
    for topic in topics::NAMES {
        let played = topics::play(topic, Target::Fake(ApiServer::new())).await;
        for (name, verdict) in differences::judge(&recording::read(topic), &played) {
            if let Verdict::Wrong(what) = verdict {
                problems += &format!("{topic}: {name}\n{what}");
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}
