use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;

use super::*;

#[test]
fn every_waiter_goes_on_once_the_last_watch_is_answered() {
    let synchronization = Synchronization::default();
    let (mut first, mut second) = (synchronization.watch::<Pod>(), synchronization.watch::<Pod>());
    let mut waiters = [Box::pin(synchronization.complete()), Box::pin(synchronization.complete())];
    let mut done = || waiters.iter_mut().filter_map(|waiter| waiter.now_or_never()).count();
    first(&Ok(Event::Init));
    second(&Ok(Event::InitDone));
    second(&Ok(Event::InitDone));
    assert_eq!(done(), 0);
    first(&Ok(Event::InitDone));
    assert_eq!(done(), 2);
}

#[test]
fn a_watch_that_fails_is_tried_and_not_answered() {
    let synchronization = Synchronization::default();
    let (mut first, mut second) = (synchronization.watch::<Pod>(), synchronization.watch::<Pod>());
    let is = |mut waiter: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| waiter.as_mut().now_or_never().is_some();
    let state = || (is(Box::pin(synchronization.tried())), is(Box::pin(synchronization.complete())));
    first(&Ok(Event::InitDone));
    assert_eq!(state(), (false, false));
    second(&Err(Error::NoResourceVersion));
    second(&Err(Error::NoResourceVersion));
    assert_eq!(state(), (true, false));
    second(&Ok(Event::InitDone));
    assert_eq!(state(), (true, true));
    second(&Err(Error::NoResourceVersion));
    assert_eq!(state(), (true, true));
}

#[tokio::test(start_paused = true)]
async fn watches_begin_anew_when_they_are_late_and_not_before_they_could_answer() {
    let synchronization = Synchronization::default();
    let mut opened = 0;
    let open = std::cell::RefCell::new(|| {
        opened += 1;
        stream::iter([opened]).chain(stream::pending())
    });
    let mut watch = std::pin::pin!(synchronization.renewable(|| open.borrow_mut()()));
    assert_eq!(watch.next().await, Some(1));
    assert_eq!(watch.next().now_or_never(), None);
    assert!(synchronization.renew());
    assert_eq!(watch.next().await, Some(2));
    assert!(!synchronization.renew(), "it has just been opened");
    assert_eq!(watch.next().now_or_never(), None);
    tokio::time::advance(RENEWAL).await;
    assert!(synchronization.renew());
    assert_eq!(watch.next().await, Some(3));
}
