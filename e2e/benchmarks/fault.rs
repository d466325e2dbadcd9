//! What goes wrong beside the breach, and what it was before.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{ConfigMap, Service},
    rbac::v1::ClusterRole,
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
    core::ApiResource,
};
use serde_json::json;

use crate::{
    bench::Bench,
    fleet::{CONFIG_MAP, Fleet, SERVICE},
    prometheus::{self, Prometheus},
    proxy::{Proxied, Trouble},
};

/// The policy that denies writes.
const POLICY: &str = "bench-deny";
/// The operator's rights in its fleets' namespaces.
const ROLE: &str = "optimization-operator-fleet";
/// Time until the API server acts on a policy or a role.
const IN_FORCE: Duration = Duration::from_secs(4);
/// From the breach to the deletion of the Service: without traffic before the first bad look, there is nothing to see.
const MIDWAY: Duration = Duration::from_millis(700);
/// From the breach to the first bad sample: Prometheus scrapes every second.
const FIRST_SAMPLE: Duration = Duration::from_millis(1200);
/// How long the API answers 429.
const TOO_MANY: Duration = Duration::from_secs(20);

/// One of the things that go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An admission policy denies the operator's writes to this resource.
    Denied(&'static str),
    /// The operator has no right on this resource any more.
    Revoked(&'static str),
    /// So many baseline members are not ready; all of them if `None`.
    Unready(Option<usize>),
    /// The Service is deleted at the breach.
    ServiceDeleted,
    /// The rendered ConfigMap is deleted at the breach.
    ConfigMapDeleted,
    /// The Prometheus that the rollout is measured by ends at its first bad sample.
    PrometheusKilled,
    /// It is stopped at its first bad sample: it takes connections, and answers nothing.
    PrometheusStopped,
    /// The Connection to it is deleted at the first bad sample.
    ConnectionDeleted,
    /// The API answers 429 to everything for a while, from the breach on.
    TooManyRequests,
}

/// What faults need beside the fleet.
#[derive(Clone, Copy, Default)]
pub struct Apparatus<'a> {
    /// An operator behind a proxy.
    pub proxied: Option<&'a Proxied>,
    /// The Prometheus by which the rollout is measured.
    pub prometheus: Option<&'a Prometheus>,
}

/// What has to be put back.
#[derive(Debug, Default)]
pub struct Before {
    role: Option<ClusterRole>,
    service: Option<Service>,
}

impl Fault {
    /// What it is, for the table.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Denied(resource) => format!("a policy denies writes to {resource}"),
            Self::Revoked(resource) => format!("no rights on {resource} any more"),
            Self::Unready(Some(count)) => format!("{count} baseline member not ready"),
            Self::Unready(None) => "no baseline member ready".to_owned(),
            Self::ServiceDeleted => "the Service is deleted".to_owned(),
            Self::ConfigMapDeleted => "the rendered ConfigMap is deleted".to_owned(),
            Self::PrometheusKilled => "Prometheus is killed".to_owned(),
            Self::PrometheusStopped => "Prometheus is stopped".to_owned(),
            Self::ConnectionDeleted => "the Connection is deleted".to_owned(),
            Self::TooManyRequests => format!("the API answers 429 for {} s", TOO_MANY.as_secs()),
        }
    }

    /// What the status has to name while the fault lasts: the kind of object whose write is refused.
    #[must_use]
    pub fn named(self) -> Option<&'static str> {
        match self {
            Self::Denied(resource) | Self::Revoked(resource) => Some(match resource {
                "services" => "Service",
                "configmaps" => "ConfigMap",
                _ => "pod",
            }),
            _ => None,
        }
    }

    /// Brings about what is wrong before the breach.
    ///
    /// # Errors
    /// When that is not possible.
    pub async fn before(self, bench: &Bench, fleet: &Fleet, optimized: &BTreeSet<String>) -> Result<Before, String> {
        let mut before = Before::default();
        match self {
            Self::Denied(resource) => deny(bench, resource).await?,
            Self::Revoked(resource) => before.role = Some(revoke(bench, resource).await?),
            Self::Unready(count) => {
                let baseline: BTreeSet<String> = fleet.members().difference(optimized).cloned().collect();
                let sick: BTreeSet<String> = baseline.into_iter().take(count.unwrap_or(usize::MAX)).collect();
                fleet.tell(&sick, &json!({"unready": true, "always": true})).await?;
                fleet.unready(&sick).await?;
            }
            Self::ServiceDeleted => {
                before.service = fleet.services.all().get(SERVICE).map(|service| (**service).clone())
            }
            _ => {}
        }
        Ok(before)
    }

    /// Brings about what goes wrong with the breach.
    ///
    /// # Errors
    /// When that is not possible.
    pub async fn at_breach(self, bench: &Bench, fleet: &Fleet, with: Apparatus<'_>) -> Result<(), String> {
        let failed = |error: kube::Error| format!("{}: {error}", self.name());
        match self {
            Self::ServiceDeleted => {
                tokio::time::sleep(MIDWAY).await;
                let api: Api<Service> = Api::namespaced(bench.client.clone(), &fleet.namespace);
                api.delete(SERVICE, &DeleteParams::default()).await.map(drop).map_err(failed)
            }
            Self::ConfigMapDeleted => {
                let api: Api<ConfigMap> = Api::namespaced(bench.client.clone(), &fleet.namespace);
                api.delete(CONFIG_MAP, &DeleteParams::default()).await.map(drop).map_err(failed)
            }
            Self::TooManyRequests => {
                let proxied = with.proxied.ok_or("429 needs the proxy")?;
                proxied.make_for(Trouble::TooManyRequests, TOO_MANY).await;
                Ok(())
            }
            Self::PrometheusKilled | Self::PrometheusStopped | Self::ConnectionDeleted => {
                let prometheus = with.prometheus.ok_or("this fault needs a Prometheus")?;
                tokio::time::sleep(FIRST_SAMPLE).await;
                match self {
                    Self::PrometheusKilled => prometheus.kill(),
                    Self::PrometheusStopped => prometheus.signal("STOP"),
                    _ => prometheus::disconnect(bench).await,
                }
            }
            Self::Denied(_) | Self::Revoked(_) | Self::Unready(_) => Ok(()),
        }
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// When that is not possible.
    pub async fn lift(self, bench: &Bench, fleet: &Fleet, with: Apparatus<'_>, before: Before) -> Result<(), String> {
        let failed = |error: kube::Error| format!("cannot lift {}: {error}", self.name());
        match (self, with.prometheus) {
            (Self::PrometheusKilled, Some(prometheus)) => prometheus.run()?,
            (Self::PrometheusStopped, Some(prometheus)) => prometheus.signal("CONT")?,
            (Self::ConnectionDeleted, Some(_)) => prometheus::connect(bench).await?,
            _ => {}
        }
        if let Self::Denied(_) = self {
            let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(bench.client.clone());
            bindings.delete(POLICY, &DeleteParams::default()).await.map_err(failed)?;
            let policies: Api<ValidatingAdmissionPolicy> = Api::all(bench.client.clone());
            policies.delete(POLICY, &DeleteParams::default()).await.map_err(failed)?;
        }
        if let Some(mut role) = before.role {
            role.metadata.resource_version = None;
            let roles: Api<ClusterRole> = Api::all(bench.client.clone());
            roles.replace(ROLE, &PostParams::default(), &role).await.map_err(failed)?;
        }
        if let Some(mut service) = before.service {
            service.metadata.resource_version = None;
            service.metadata.uid = None;
            let api: Api<Service> = Api::namespaced(bench.client.clone(), &fleet.namespace);
            api.create(&PostParams::default(), &service).await.map_err(failed)?;
        }
        fleet.tell(&fleet.members(), &json!({})).await
    }
}

async fn deny(bench: &Bench, resource: &str) -> Result<(), String> {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": [resource]},
            ]},
            "matchConditions": [{
                "name": "operator",
                "expression": "request.userInfo.username == 'system:serviceaccount:optimization-operator:optimization-operator'",
            }],
            "validations": [{"expression": "false", "message": "denied by the benchmark", "reason": "Forbidden"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY},
        "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    });
    bench.apply(&ApiResource::erase::<ValidatingAdmissionPolicy>(&()), None, &policy).await?;
    bench.apply(&ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&()), None, &binding).await?;
    tokio::time::sleep(IN_FORCE).await;
    Ok(())
}

async fn revoke(bench: &Bench, resource: &str) -> Result<ClusterRole, String> {
    let failed = |error: kube::Error| format!("cannot take rights away: {error}");
    let roles: Api<ClusterRole> = Api::all(bench.client.clone());
    let before = roles.get(ROLE).await.map_err(failed)?;
    let mut without = before.clone();
    for rule in without.rules.iter_mut().flatten() {
        if let Some(resources) = &mut rule.resources {
            resources.retain(|other| other != resource);
        }
    }
    without
        .rules
        .iter_mut()
        .for_each(|rules| rules.retain(|rule| rule.resources.as_ref().is_some_and(|all| !all.is_empty())));
    roles.replace(ROLE, &PostParams::default(), &without).await.map_err(failed)?;
    tokio::time::sleep(IN_FORCE).await;
    Ok(before)
}
