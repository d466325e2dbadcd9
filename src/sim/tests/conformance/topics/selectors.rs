//! Selecting by labels and fields.

use serde_json::json;

use super::objects::{labelled, placed, pod, rollout, with};
use crate::session::{Answer, Session};

/// A selector as a query carries it.
fn escaped(selector: &str) -> String {
    form_urlencoded::byte_serialize(selector.as_bytes()).collect()
}

async fn list(s: &mut Session, kind: &str, by: &str, selector: &str) -> Answer {
    s.get(&format!("{kind}?{by}={}", escaped(selector))).await
}

pub async fn play(s: &mut Session) {
    let selectors = [
        ("equal", "tier=x"),
        ("twice equal", "tier==x"),
        ("not equal", "tier!=x"),
        ("in a set", "tier in (x, z)"),
        ("not in a set", "tier notin (x,z)"),
        ("present", "tier"),
        ("absent", "!tier"),
        ("all of several", "tier,tier!=y,tier notin (z)"),
        ("a value with a prefix in its key", "example.com/a.b=c"),
        ("an empty value", "tier="),
        ("spaces around", " tier = x "),
        ("nothing at all", ""),
    ];
    for (name, selector) in selectors {
        s.behaviour(&format!("labels are selected by: {name}")).await;
        for (name, tier) in [("a", "x"), ("b", "y"), ("c", "z")] {
            s.create("configmaps", labelled(name, tier)).await;
        }
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}});
        s.create("configmaps", other.clone()).await;
        let prefixed = json!({"metadata": {"name": "e", "labels": {"example.com/a.b": "c", "tier": ""}}});
        s.create("configmaps", with(other, prefixed)).await;
        list(s, "configmaps", "labelSelector", selector).await;
    }

    s.behaviour("a selector that is none is refused").await;
    for selector in ["tier>x", "tier within (x)", "=x", "tier in x", "a b"] {
        list(s, "configmaps", "labelSelector", selector).await;
    }
    list(s, "optimizationrollouts", "labelSelector", "tier within (x)").await;

    s.behaviour("fields are selected by name and namespace").await;
    for name in ["a", "b"] {
        s.create("configmaps", labelled(name, "x")).await;
        s.create("optimizationrollouts", rollout(name)).await;
    }
    let namespace = s.namespace();
    for kind in ["configmaps", "optimizationrollouts"] {
        list(s, kind, "fieldSelector", "metadata.name=a").await;
        list(s, kind, "fieldSelector", "metadata.name==a").await;
        list(s, kind, "fieldSelector", "metadata.name!=a").await;
        list(s, kind, "fieldSelector", &format!("metadata.name=a,metadata.namespace={namespace}")).await;
        list(s, kind, "fieldSelector", "metadata.namespace=other").await;
    }

    s.behaviour("labels and fields select together").await;
    s.create("configmaps", labelled("a", "x")).await;
    s.create("configmaps", labelled("b", "x")).await;
    s.get("configmaps?labelSelector=tier%3Dx&fieldSelector=metadata.name%3Db").await;

    s.behaviour("pods are selected by Node and phase").await;
    s.create("pods", placed("a")).await;
    s.create("pods", pod("b")).await;
    for selector in ["spec.nodeName=n1", "spec.nodeName!=n1", "status.phase=Pending", "status.phase!=Pending"] {
        list(s, "pods", "fieldSelector", selector).await;
    }

    s.behaviour("other fields are not selected by").await;
    list(s, "configmaps", "fieldSelector", "data.a=1").await;
    list(s, "optimizationrollouts", "fieldSelector", "spec.paused=true").await;

    s.behaviour("a selector of fields that is none is refused").await;
    list(s, "configmaps", "fieldSelector", "metadata.name").await;
}
