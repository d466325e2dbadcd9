//! `/plan/{namespace}/{name}`: what this replica would do now, without doing it.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::preview::{Preview, preview};
use kube_runtime::reflector::ObjectRef;
use tokio::sync::Semaphore;

use super::guard;
use crate::reconcile::{Context, Key};

/// Questions that are answered at once; further ones are sent away.
const CONCURRENCY: usize = 8;

/// Answers what would be done, once the operator runs. Clones are the same.
#[derive(Clone)]
pub struct Planner {
    context: Arc<OnceLock<Arc<Context>>>,
    permits: Arc<Semaphore>,
}

impl Default for Planner {
    fn default() -> Self {
        Self { context: Arc::default(), permits: Arc::new(Semaphore::new(CONCURRENCY)) }
    }
}

/// Why there is no answer, as one sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    code: StatusCode,
    message: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// What kind of refusal it is.
    #[must_use]
    pub const fn code(&self) -> StatusCode {
        self.code
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let challenge = (self.code == StatusCode::UNAUTHORIZED).then_some([(header::WWW_AUTHENTICATE, "Bearer")]);
        (self.code, challenge, format!("{}\n", self.message)).into_response()
    }
}

impl Planner {
    /// From now on this is what decides.
    pub(crate) fn decide_by(&self, context: Arc<Context>) {
        // A second start in one process would only be a test's.
        let _ = self.context.set(context);
    }

    /// What would be done with a rollout, for somebody who may read it.
    ///
    /// # Errors
    /// 401, 403, 404; 422 for one that does not parse; 429 while too many ask; 503 while the API server does not answer.
    pub async fn answer(&self, headers: &HeaderMap, key: &Key) -> Result<Preview, Refusal> {
        let busy = |_| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many ask for plans at once; try again");
        let _permit = self.permits.try_acquire().map_err(busy)?;
        let starting = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the operator is still starting; try again");
        let context = self.context.get().filter(|context| context.telemetry.is_ready()).ok_or_else(starting)?;
        guard::check(&context.client, headers, key).await?;
        let object = ObjectRef::new(&key.name).within(&key.namespace);
        let guarded = context.world.rollouts.get(&object).ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("there is no rollout {} in namespace {}; check both names", key.name, key.namespace),
            )
        })?;
        let rollout = guarded.0.as_ref().map_err(|invalid| {
            let message = format!("rollout {key} does not parse: {}; correct its spec", invalid.error);
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        })?;
        let mut preview = preview(rollout, &context.observe(key, rollout));
        preview.replica = Some(context.replica.clone());
        preview.leads = context.leadership.may_advance();
        Ok(preview)
    }
}

/// The route.
pub fn router(planner: Planner) -> Router {
    Router::new().route("/plan/{namespace}/{name}", get(plan)).with_state(planner)
}

async fn plan(
    State(planner): State<Planner>,
    Path((namespace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Preview>, Refusal> {
    planner.answer(&headers, &Key { namespace, name }).await.map(Json)
}
