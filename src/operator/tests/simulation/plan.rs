//! The plan endpoint: who is let in, and that a plan is what the next pass does.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use domain::preview::{CohortName, Preview};
use operator::{reconcile::Key, server::plan::Refusal};
use rstest::rstest;
use sim::{Fault, Verb};
use tokio::time::{Instant, sleep};

use crate::world::{NAMESPACE, Replica, World, rollout};

fn bearing(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(token).unwrap());
    headers
}

fn key(namespace: &str, name: &str) -> Key {
    Key { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// A world with a rollout that bakes, and somebody who may read it.
async fn baking() -> (World, Replica) {
    let world = World::new();
    world.server.issue_token("anns", "ann");
    world.server.issue_token("bobs", "bob");
    world.server.grant_reading("ann", NAMESPACE);
    world.server.grant_reading("ann", "elsewhere");
    let replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Baking").await;
    (world, replica)
}

async fn ask(replica: &Replica, token: &str) -> Result<Preview, Refusal> {
    replica.planner.answer(&bearing(token), &key(NAMESPACE, "pooling")).await
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_the_leader_would_do_and_nothing_is_written_for_it() {
    let (world, replica) = baking().await;
    let plan = ask(&replica, "Bearer anns").await.unwrap();
    assert_eq!((plan.replica.as_deref(), plan.leads, plan.measured), (Some("replica-1"), true, true));
    assert_eq!(plan.reason.to_string(), "Baking");
    assert!(plan.withdraw.is_empty() && plan.advance.is_empty());
    let optimized: Vec<bool> = plan
        .members
        .iter()
        .filter(|member| member.cohort == Some(CohortName::Optimized))
        .map(|member| member.acknowledged)
        .collect();
    assert_eq!(optimized, [true]);
    assert!(world.server.writes().iter().all(|write| !write.key.plural.ends_with("reviews")));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_retreat_is_seen_in_the_plan_before_it_happens() {
    let (world, replica) = baking().await;
    // Nothing that the operator decides is carried out from here on.
    world.server.on_request(|request| match request.verb {
        Verb::Patch if request.user == "replica-1" && request.key.plural != "leases" => {
            Fault::Refuse(500, "not now".to_owned())
        }
        _ => Fault::None,
    });
    world.edit("pooling", |spec| spec["abort"] = serde_json::json!({"reason": "ticket 42"}));
    sleep(Duration::from_secs(1)).await;
    let plan = ask(&replica, "Bearer anns").await.unwrap();
    let actions: Vec<&str> = plan.withdraw.iter().map(|step| step.action.as_str()).collect();
    assert!(actions.contains(&"MarkRollout") && actions.contains(&"Restore"), "{actions:?}");
    assert_eq!(plan.status.unwrap().retreat.unwrap().message, "ticket 42");
}

#[rstest]
#[case::no_token("", NAMESPACE, "pooling", StatusCode::UNAUTHORIZED, "send the token")]
#[case::other_scheme("Basic YTpi", NAMESPACE, "pooling", StatusCode::UNAUTHORIZED, "send the token")]
#[case::unknown_token("Bearer forged", NAMESPACE, "pooling", StatusCode::UNAUTHORIZED, "does not know this token")]
#[case::no_right("Bearer bobs", NAMESPACE, "pooling", StatusCode::FORBIDDEN, "bob may not get")]
#[case::no_right_is_said_before_what_exists("Bearer bobs", NAMESPACE, "nothing", StatusCode::FORBIDDEN, "bob may not")]
#[case::no_rollout("Bearer anns", NAMESPACE, "nothing", StatusCode::NOT_FOUND, "there is no rollout nothing")]
#[case::other_namespace("Bearer anns", "elsewhere", "pooling", StatusCode::NOT_FOUND, "in namespace elsewhere")]
#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_is_told_why(
    #[case] token: &str,
    #[case] namespace: &str,
    #[case] name: &str,
    #[case] code: StatusCode,
    #[case] words: &str,
) {
    let (_world, replica) = baking().await;
    let refusal = replica.planner.answer(&bearing(token), &key(namespace, name)).await.unwrap_err();
    assert_eq!(refusal.code(), code);
    assert!(refusal.message().contains(words), "{refusal:?}");
    assert!(!refusal.message().contains("forged"), "a token is never repeated: {refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_while_the_api_server_is_silent_and_few_wait_for_it() {
    let (world, replica) = baking().await;
    world.server.on_request(|request| if request.key.plural == "tokenreviews" { Fault::Hang } else { Fault::None });
    let began = Instant::now();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let planner = replica.planner.clone();
            tokio::spawn(async move { planner.answer(&bearing("Bearer anns"), &key(NAMESPACE, "pooling")).await })
        })
        .collect();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(ask(&replica, "Bearer anns").await.unwrap_err().code(), StatusCode::TOO_MANY_REQUESTS);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().unwrap_err().code(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    world.server.stop_faults();
    assert!(ask(&replica, "Bearer anns").await.is_ok(), "those who gave up take no place");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_has_not_caught_up_says_so() {
    let world = World::new();
    world.server.cut("replica-1");
    let replica = world.start("replica-1");
    sleep(Duration::from_secs(1)).await;
    let refusal = ask(&replica, "Bearer anns").await.unwrap_err();
    assert_eq!(refusal.code(), StatusCode::SERVICE_UNAVAILABLE);
}
