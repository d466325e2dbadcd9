use api::rollout::Abort;

use rstest::rstest;
use serde_json::json;

use crate::{
    decide::{decide, fixture::Fixture},
    observation::Service,
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

#[rstest]
#[case::one_still_leads_to_it(&["node-2"], &["node-0", "node-3"], false)]
#[case::none_leads_to_it(&["node-2"], &["node-3"], true)]
fn traffic_is_moved_when_no_service_leads_to_a_member_that_goes_back(
    #[case] first: &[&str],
    #[case] second: &[&str],
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.traffic =
        serde_json::from_value(json!({"services": [{"name": "first"}, {"name": "second"}]})).unwrap();
    for (name, endpoints) in [("first", first), ("second", second)] {
        fixture.seen.services.push(Service {
            name: name.to_owned(),
            endpoints: endpoints.iter().map(|pod| (*pod).to_owned()).collect(),
            ..Service::default()
        });
    }
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let retreat = decide(&fixture.rollout, &fixture.seen).status.retreat.unwrap();
    assert_eq!(retreat.rerouted_at.is_some(), expected, "{retreat:?}");
}
