use api::{reason::Reason, rollout::Abort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use super::{Claim, claim};
use crate::decide::{decide, fixture::Fixture};

#[rstest]
#[case::a_stage_that_goes_on(|_: &mut Fixture| {}, None)]
#[case::a_run_that_begins(|fixture: &mut Fixture| fixture.rollout.status = None, Some(Claim::Free))]
#[case::a_retreat_with_something_to_restore(abort, None)]
#[case::a_retreat_that_sees_nothing_to_restore(
    |fixture: &mut Fixture| {
        abort(fixture);
        fixture.seen.shards.clear();
    },
    Some(Claim::Off)
)]
#[case::a_retreat_that_was_over_before(
    |fixture: &mut Fixture| {
        abort(fixture);
        fixture.seen.shards.clear();
        fixture.pass();
    },
    None
)]
#[case::a_config_map_that_is_not_there(
    |fixture: &mut Fixture| {
        fixture.pass();
        fixture.seen.shards.clear();
    },
    Some(Claim::Overridden)
)]
#[case::a_deletion_with_nothing_to_take_back(
    |fixture: &mut Fixture| {
        fixture.rollout.status = None;
        fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    },
    Some(Claim::Released)
)]
fn a_plan_claims(#[case] happens: fn(&mut Fixture), #[case] claims: Option<Claim>) {
    let mut fixture = Fixture::new("obbb", 25);
    happens(&mut fixture);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(claim(&fixture.rollout, &plan), claims, "{:?}", plan.status);
    assert_eq!(
        claims == Some(Claim::Overridden),
        plan.status.retreat.is_some_and(|it| it.reason == Reason::Overridden)
    );
}

fn abort(fixture: &mut Fixture) {
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
}
