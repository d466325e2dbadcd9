//! The cluster that the kubeconfig names.

use api::OptimizationRollout;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::options::Connection;

/// A client, and the namespace that is meant.
pub struct Cluster {
    client: Client,
    pub namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig; asks nobody yet.
    pub async fn connect(connection: &Connection) -> Result<Self, String> {
        rustls::crypto::ring::default_provider()
            .install_default()
            .map_err(|_| "a TLS provider is installed already")?;
        let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
        let config = match &connection.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Config::from_custom_kubeconfig(file, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        };
        let config =
            config.map_err(|error| format!("no cluster to talk to: {error}; set --kubeconfig or --context"))?;
        let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| format!("cannot make a client: {error}"))?;
        Ok(Self { client, namespace })
    }

    /// The client, for what is not about rollouts alone.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Rollouts of the namespace.
    pub fn rollouts(&self) -> Api<OptimizationRollout> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Rollouts of all namespaces.
    pub fn all_rollouts(&self) -> Api<OptimizationRollout> {
        Api::all(self.client.clone())
    }

    /// One rollout of the namespace.
    pub async fn rollout(&self, name: &str) -> Result<OptimizationRollout, String> {
        let found = self.rollouts().get_opt(name).await.map_err(|error| format!("cannot read {name}: {error}"))?;
        found.ok_or_else(|| {
            format!("there is no rollout {name} in namespace {}; choose another with --namespace", self.namespace)
        })
    }
}
