use std::time::Duration;

use tokio::time::advance;

use super::Queue;

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_together_are_served_in_one_order_one_an_instant() {
    let mut orders = Vec::new();
    for asks in [["a", "b"], ["b", "a"]] {
        let mut queue = Queue::default();
        let tickets = asks.map(|asks| (queue.enter(asks), asks));
        let served = |queue: &mut Queue| tickets.iter().find(|(ticket, _)| queue.leave(*ticket)).map(|(_, asks)| *asks);
        let first = served(&mut queue);
        assert_eq!(served(&mut queue), None, "in the same instant");
        advance(Duration::from_millis(1)).await;
        orders.push((first, served(&mut queue)));
    }
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_arrive_together_and_ask_the_same_are_served_together_whoever_comes_first() {
    for last_first in [false, true] {
        let mut queue = Queue::default();
        let mut tickets = [queue.enter("a"), queue.enter("a")];
        if last_first {
            tickets.reverse();
        }
        let other = queue.enter("b");
        let served = |queue: &mut Queue| tickets.map(|ticket| queue.leave(ticket));
        let mut turns = vec![(served(&mut queue), queue.leave(other))];
        advance(Duration::from_millis(1)).await;
        turns.push((served(&mut queue), queue.leave(other)));
        turns.sort_unstable();
        assert_eq!(turns, [([false; 2], true), ([true; 2], false)]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_came_first_is_served_first() {
    for asks in [["a", "b"], ["b", "a"]] {
        let mut queue = Queue::default();
        let first = queue.enter(asks[0]);
        advance(Duration::from_millis(1)).await;
        let second = queue.enter(asks[1]);
        assert!(!queue.leave(second));
        assert!(queue.leave(first));
    }
}
