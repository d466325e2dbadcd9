//! `/livez`, `/readyz`, `/metrics`, and `/plan/{namespace}/{name}`.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;

use crate::telemetry::Telemetry;

mod guard;
pub mod plan;

/// Serves until `shutdown`.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    telemetry: Arc<Telemetry>,
    planner: plan::Planner,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(telemetry, planner)).with_graceful_shutdown(shutdown).await
}

fn router(telemetry: Arc<Telemetry>, planner: plan::Planner) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(telemetry)
        .merge(plan::router(planner))
}

async fn ready(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    if telemetry.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the watches have not been answered yet")
    }
}

async fn metrics(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], telemetry.text())
}
