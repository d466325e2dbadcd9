//! The tokens of Connections. They stand in no error and in no log.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api::{connection::SecretKey, reason::Reason};
use domain::observation::Problem;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use reqwest::header::HeaderValue;
use tokio::time::{Instant, timeout};

/// How long a token is used before it is read again. A server that refuses it makes it be read at once.
const FRESH: Duration = Duration::from_secs(60);
/// The API server answers within this time or not.
const DEADLINE: Duration = Duration::from_secs(2);

/// Reads tokens from the Secrets of one namespace.
pub struct Tokens {
    secrets: Api<Secret>,
    namespace: String,
    known: Mutex<HashMap<(String, String), (Instant, HeaderValue)>>,
}

impl Tokens {
    /// Reads from this namespace alone.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        let secrets = Api::namespaced(client, namespace);
        Self { secrets, namespace: namespace.to_owned(), known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), (Instant, HeaderValue)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of the header Authorization.
    ///
    /// # Errors
    /// Why there is none: what is wrong with the Secret, and what to do.
    pub async fn get(&self, connection: &str, secret: &SecretKey) -> Result<HeaderValue, Problem> {
        let key = (secret.name.clone(), secret.key.clone());
        if let Some((_, token)) = self.lock().get(&key).filter(|(read, _)| read.elapsed() < FRESH) {
            return Ok(token.clone());
        }
        let name = &secret.name;
        let fails = |what: String| {
            let message = format!("Connection {connection}: Secret {name} in namespace {} {what}", self.namespace);
            Problem::new(Reason::SecretMissing, message)
        };
        let found = match timeout(DEADLINE, self.secrets.get_opt(name)).await {
            Ok(Ok(found)) => found.ok_or_else(|| fails("does not exist".to_owned()))?,
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                return Err(fails("may not be read; list it in the chart's value connections.secrets".to_owned()));
            }
            Ok(Err(_)) | Err(_) => return Err(fails("cannot be read now".to_owned())),
        };
        let token = found.data.unwrap_or_default().remove(&secret.key);
        let token = token.ok_or_else(|| fails(format!("has no key {}", secret.key)))?;
        let token = String::from_utf8(token.0).ok().map(|token| format!("Bearer {}", token.trim()));
        let token = token.and_then(|token| HeaderValue::try_from(token).ok());
        let mut token = token.ok_or_else(|| fails(format!("holds no token under {}", secret.key)))?;
        token.set_sensitive(true);
        self.lock().insert(key, (Instant::now(), token.clone()));
        Ok(token)
    }

    /// Reads a token anew when it is needed next.
    pub fn forget(&self, secret: Option<&SecretKey>) {
        if let Some(secret) = secret {
            self.lock().remove(&(secret.name.clone(), secret.key.clone()));
        }
    }
}
