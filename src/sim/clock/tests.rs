use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::sleep;

use super::Clock;

#[tokio::test(start_paused = true)]
async fn it_follows_the_paused_clock() {
    let clock = Clock::new();
    assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(clock.now().to_string(), "2026-01-01T01:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_skewed_clock_steps_alone() {
    let clock = Clock::new();
    let other = clock.skewed(SignedDuration::from_secs(-60));
    assert_eq!(other.now().to_string(), "2025-12-31T23:59:00Z");
    other.clone().step(SignedDuration::from_mins(2));
    assert_eq!(other.now().to_string(), "2026-01-01T00:01:00Z", "clones are the same clock");
    assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
}
