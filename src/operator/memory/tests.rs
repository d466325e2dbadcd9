use api::reason::Reason;
use domain::observation::{Member, Pod};
use tokio::time::advance;

use super::*;

fn key() -> Key {
    Key { namespace: "qudag".to_owned(), name: "pooling".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_together_is_believed_as_long_as_one_refusal_and_twice_as_long_when_it_is_refused_again() {
    let memory = Memory::default();
    let problem = || Problem::new(Reason::WriteRefused, "no right to it");
    let is_believed = |seconds: u64| async move { advance(Duration::from_secs(seconds)).await };
    (0..8).for_each(|_| memory.refused(&key(), problem()));
    is_believed(1).await;
    assert!(memory.problem(&key()).is_some());
    is_believed(1).await;
    assert!(memory.problem(&key()).is_none());
    (0..8).for_each(|_| memory.refused(&key(), problem()));
    is_believed(3).await;
    assert!(memory.problem(&key()).is_some());
    is_believed(1).await;
    assert!(memory.problem(&key()).is_none());
}

/// What a pass sees of evictions that a budget refuses: who, and whether it is time to try again.
fn unevicted(memory: &Memory, pods: &[&str]) -> Vec<(String, bool)> {
    let member = |uid: &&str| Member {
        name: (*uid).to_owned(),
        zone: String::new(),
        unfit: None,
        pod: Pod { uid: (*uid).to_owned(), ..Pod::default() },
    };
    let mut seen = Observation { members: pods.iter().map(member).collect(), ..Observation::default() };
    memory.watch(&key(), &mut seen);
    seen.unevicted.into_iter().map(|(uid, refused)| (uid, refused.due)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_asked_again_after_5_10_20_and_20_seconds_as_long_as_the_pod_is_there() {
    let memory = Memory::default();
    for seconds in [5, 10, 20, 20] {
        memory.unevicted(&key(), "a", "not now");
        advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
        assert_eq!(unevicted(&memory, &["a", "b"]), [("a".to_owned(), false)], "{seconds}");
        advance(Duration::from_millis(1)).await;
        assert_eq!(unevicted(&memory, &["a", "b"]), [("a".to_owned(), true)], "{seconds}");
    }
    assert_eq!(unevicted(&memory, &["b"]), []);
    assert_eq!(unevicted(&memory, &["a", "b"]), [], "another one of that name would have another UID");
}

#[tokio::test(start_paused = true)]
async fn a_member_has_gone_when_its_pod_has_and_not_when_it_begins_to_end() {
    let memory = Memory::default();
    let pass = |members: &[&str], ending: &[&str]| {
        let member =
            |name: &&str| Member { name: (*name).to_owned(), zone: String::new(), unfit: None, pod: Pod::default() };
        let mut seen = Observation {
            members: members.iter().map(member).collect(),
            ending: ending.iter().map(|name| ((*name).to_owned(), jiff::Timestamp::UNIX_EPOCH)).collect(),
            ..Observation::default()
        };
        memory.watch(&key(), &mut seen);
        seen.gone_for
    };
    assert!(pass(&["a", "b"], &[]).is_empty());
    assert!(pass(&["b"], &["a"]).is_empty());
    advance(Duration::from_secs(90)).await;
    assert!(pass(&["b"], &["a"]).is_empty());
    assert_eq!(pass(&["b"], &[]), [("a".to_owned(), Duration::ZERO)].into());
    assert!(pass(&["a", "b"], &[]).is_empty(), "it is back");
}
