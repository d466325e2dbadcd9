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
