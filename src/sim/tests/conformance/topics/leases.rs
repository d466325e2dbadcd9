//! The Lease that replicas elect by.

use serde_json::{Value, json};

use super::objects::{lease, with};
use crate::session::Session;

fn taken(version: &str, holder: &str, transitions: i64) -> Value {
    json!({
        "metadata": {"resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseTransitions": transitions, "renewTime": "2026-01-01T00:00:20.000000Z"},
    })
}

pub async fn play(s: &mut Session) {
    s.behaviour("of two who create a Lease one is refused").await;
    s.create("leases", lease("a")).await;
    s.create("leases", with(lease("a"), json!({"spec": {"holderIdentity": "two"}}))).await;
    s.get("leases/a").await;

    s.behaviour("of two who take a Lease one is refused").await;
    let version = s.create("leases", lease("a")).await.version();
    s.merge("leases/a", taken(&version, "two", 1)).await;
    s.merge("leases/a", taken(&version, "three", 1)).await;
    s.get("leases/a").await;

    s.behaviour("a Lease is given back").await;
    let version = s.create("leases", lease("a")).await.version();
    s.merge("leases/a", taken(&version, "", 1)).await;

    s.behaviour("a Lease with impossible numbers is refused").await;
    s.create("leases", with(lease("a"), json!({"spec": {"leaseDurationSeconds": 0}}))).await;
    s.create("leases", with(lease("a"), json!({"spec": {"leaseTransitions": -1}}))).await;

    s.behaviour("times of a Lease are of microseconds").await;
    let spec = json!({"renewTime": "2026-01-01T00:00:00Z", "acquireTime": "2026-01-01T01:00:00.5+01:00"});
    s.create("leases", with(lease("a"), json!({"spec": spec}))).await;

    s.behaviour("a time that is none is refused").await;
    s.create("leases", with(lease("a"), json!({"spec": {"renewTime": "now"}}))).await;

    s.behaviour("a Lease that somebody deleted is not found and is created again").await;
    let version = s.create("leases", lease("a")).await.version();
    s.delete("leases/a").await;
    s.merge("leases/a", taken(&version, "one", 0)).await;
    s.create("leases", lease("a")).await;
}
