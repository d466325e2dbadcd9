use std::time::Duration;

use tokio::time::advance;

use super::Queue;

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_together_are_served_by_what_they_ask_one_an_instant() {
    let mut queue = Queue::default();
    let second = queue.enter("b".to_owned());
    let first = queue.enter("a".to_owned());
    assert!(!queue.leave(&second));
    assert!(queue.leave(&first));
    assert!(!queue.leave(&second), "in the same instant");
    advance(Duration::from_millis(1)).await;
    assert!(queue.leave(&second));
}

#[tokio::test(start_paused = true)]
async fn who_came_first_is_served_first() {
    let mut queue = Queue::default();
    let first = queue.enter("b".to_owned());
    advance(Duration::from_millis(1)).await;
    let second = queue.enter("a".to_owned());
    assert!(!queue.leave(&second));
    assert!(queue.leave(&first));
}
