//! What every section is given.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::{Value, json};

/// The machine under test, and how it is tested.
#[derive(Clone)]
pub struct Bench {
    /// A client with all rights.
    pub client: Client,
    /// As few rounds as possible.
    pub quick: bool,
    /// Image of the example member.
    pub image: String,
    /// The same program on this machine, for the load.
    pub member: String,
    /// The operator's program on this machine.
    pub operator: String,
    /// Prometheus on this machine.
    pub prometheus: String,
}

impl Bench {
    /// How many rounds: `quick` of them, or `full`.
    #[must_use]
    pub const fn rounds(&self, quick: usize, full: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// Applies an object of any kind.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn apply(&self, resource: &ApiResource, namespace: Option<&str>, object: &Value) -> Result<(), String> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        };
        let params = PatchParams::apply("bench").force();
        let applied = api.patch(name, &params, &Patch::Apply(object)).await;
        applied.map(drop).map_err(|error| format!("cannot apply {} {name}: {error}", resource.kind))
    }

    /// A namespace with nothing of an earlier run in it: its rollouts, fleets and ConfigMaps are deleted.
    ///
    /// # Errors
    /// When the API server does not take it, or the rollouts do not end.
    pub async fn empty(&self, namespace: &str) -> Result<(), String> {
        use k8s_openapi::api::{
            apps::v1::StatefulSet,
            core::v1::{ConfigMap, Pod, Service},
        };
        let erased = ApiResource::erase::<Namespace>(&());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        self.apply(&erased, None, &object).await?;
        let rollouts = Api::<api::OptimizationRollout>::namespaced(self.client.clone(), namespace);
        self.clear(&rollouts).await?;
        self.clear(&Api::<StatefulSet>::namespaced(self.client.clone(), namespace)).await?;
        self.clear(&Api::<Pod>::namespaced(self.client.clone(), namespace)).await?;
        let services = Api::<Service>::namespaced(self.client.clone(), namespace);
        self.clear(&services).await?;
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        let _ = maps.delete_collection(&DeleteParams::default(), &Default::default()).await;
        Ok(())
    }

    async fn clear<K>(&self, api: &Api<K>) -> Result<(), String>
    where
        K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let kind = K::kind(&());
        let params = DeleteParams::default().grace_period(0);
        for _ in 0..600 {
            let left = api.list_metadata(&Default::default()).await.map_err(|error| format!("{kind}: {error}"))?;
            if left.items.is_empty() {
                return Ok(());
            }
            let _ = api.delete_collection(&params, &Default::default()).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Err(format!("objects of kind {kind} from an earlier run do not go away"))
    }
}
