use api::rollout::Abort;

use crate::{
    decide::{decide, fixture::Fixture},
    plan::Withdraw,
};

#[test]
fn settings_go_back_although_nobody_of_the_baseline_is_ready() {
    let mut fixture = Fixture::new("oobbh", 50);
    for member in fixture.seen.members.iter_mut().skip(2) {
        member.pod.ready = false;
    }
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let plan = decide(&fixture.rollout, &fixture.seen);
    let restored = plan.withdraw.iter().any(|withdraw| matches!(withdraw, Withdraw::Restore(_)));
    assert!(restored, "a retreat waits for nobody's health: {:?}", plan.withdraw);
}
