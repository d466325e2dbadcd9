//! The cluster that the kubeconfig names.

use api::OptimizationRollout;
use http::{HeaderValue, Request, Response, header::AUTHORIZATION};
use kube::{
    Api, Client, Config, ResourceExt,
    api::ListParams,
    client::{Body, ConfigExt},
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::options::Connection;

/// Names that are shown when the wrong one was asked for.
const MOST_NAMES: u32 = 10;
const UNKNOWN_KIND: &str = "the cluster does not know OptimizationRollouts; install the chart first";

/// A client, and the namespace that is meant.
pub struct Cluster {
    client: Client,
    config: Config,
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
        let client = Client::try_from(config.clone()).map_err(|error| format!("cannot make a client: {error}"))?;
        Ok(Self { client, config, namespace })
    }

    /// Whatever this client talks to.
    #[cfg(test)]
    pub fn of(client: Client, namespace: &str) -> Self {
        let config = Config::new(http::Uri::from_static("http://localhost"));
        Self { client, config, namespace: namespace.to_owned() }
    }

    /// The client, for what is not about rollouts alone.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The bearer token that the API server gets from us, as a header; none with a client certificate.
    pub async fn token(&self) -> Result<Option<HeaderValue>, String> {
        let unusable = |error: &dyn std::fmt::Display| format!("the kubeconfig's credentials cannot be used: {error}");
        // The token is not the one who is impersonated.
        if self.config.auth_info.impersonate.is_some() {
            return Ok(None);
        }
        let Some(layer) = self.config.auth_layer().map_err(|error| unusable(&error))? else { return Ok(None) };
        // What the layer adds to a request is known once it has passed one on.
        let echo = service_fn(|request: Request<Body>| async move {
            let mut response = Response::new(());
            *response.headers_mut() = request.headers().clone();
            Ok::<_, BoxError>(response)
        });
        let answer = layer.layer(echo).oneshot(Request::new(Body::empty())).await;
        let header = answer.map_err(|error| unusable(&error))?.headers().get(AUTHORIZATION).cloned();
        Ok(header.filter(|header| header.as_bytes().starts_with(b"Bearer ")))
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
        let found =
            self.find(name).await.map_err(|error| format!("cannot read rollout {name}: {}", self.why(&error)))?;
        let Some(rollout) = found else { return Err(self.missing(name).await) };
        Ok(rollout)
    }

    /// One rollout of the namespace, if there is one.
    pub async fn find(&self, name: &str) -> kube::Result<Option<OptimizationRollout>> {
        self.rollouts().get_opt(name).await
    }

    /// That there is no such rollout, and what there is instead.
    async fn missing(&self, name: &str) -> String {
        let namespace = &self.namespace;
        match self.rollouts().list_metadata(&ListParams::default().limit(MOST_NAMES)).await {
            Err(error) if is_missing(&error) => UNKNOWN_KIND.to_owned(),
            Ok(others) if !others.items.is_empty() => {
                let others: Vec<String> = others.items.iter().map(ResourceExt::name_any).collect();
                format!("there is no rollout {name} in namespace {namespace}; there are {}", others.join(", "))
            }
            _ => format!("there is no rollout {name} in namespace {namespace}; choose another with --namespace"),
        }
    }

    /// Why a request failed, as a sentence that says what to do.
    pub fn why(&self, error: &kube::Error) -> String {
        match error {
            kube::Error::Api(status) if status.code == 401 => {
                "the API server does not accept your credentials; log in again".to_owned()
            }
            kube::Error::Api(status) if status.code == 403 => {
                format!("{}; {}", status.message, role(&status.message))
            }
            error if is_missing(error) => UNKNOWN_KIND.to_owned(),
            kube::Error::Api(status) => status.message.clone(),
            kube::Error::HyperError(_) | kube::Error::Service(_) => {
                let mut cause: &dyn std::error::Error = error;
                while let Some(source) = cause.source() {
                    cause = source;
                }
                let server = &self.config.cluster_url;
                format!("the API server {server} does not answer ({cause}); set --kubeconfig or --context")
            }
            other => other.to_string(),
        }
    }
}

/// The role that would allow what was forbidden.
fn role(forbidden: &str) -> &'static str {
    let reads = ["get", "list", "watch"].iter().any(|verb| forbidden.contains(&format!("cannot {verb} ")));
    match (reads, forbidden.contains("at the cluster scope")) {
        (true, true) => "ask for the role view in all namespaces, or name one with --namespace",
        (true, false) => "ask for the role view in this namespace",
        (false, _) => "ask for the role edit in this namespace",
    }
}

/// Whether the answer to a request about a whole kind says that the kind is not served.
fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
