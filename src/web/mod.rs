//! Receiver, health and metrics: the edge where strangers knock.
//!
//! Nothing is parsed before its signature is checked, nothing is read without a bound, and nothing is acknowledged before
//! it is durable. What a delivery means is decided in [`delivery`], a pure function of its body.

pub mod delivery;
mod receive;
mod serve;
pub mod signature;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::queue::Queue;
use crate::telemetry::metrics::Metrics;

pub use delivery::Us;
pub use serve::serve;
pub use signature::Secrets;

/// Requests handled at once: each may hold a body, and the writer answers hundreds of them with one sync.
const MAX_REQUESTS: usize = 512;

/// GitHub cuts the connection at ten seconds; answering before that leaves a reason in its list of deliveries.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(8);

/// All bodies in memory at once: nine of the largest, thousands of the usual ones.
const MAX_BYTES_IN_FLIGHT: usize = 256 << 20;

/// A disk that takes longer than this to commit one row is not ready.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct WebState {
    queue: Queue,
    secrets: Arc<Secrets>,
    us: Arc<Us>,
    metrics: Metrics,
    draining: Arc<AtomicBool>,
    memory: Arc<Semaphore>,
}

impl WebState {
    /// The state of one receiver.
    pub fn new(queue: Queue, secrets: Secrets, us: Us, metrics: Metrics) -> Self {
        let memory = Arc::new(Semaphore::new(MAX_BYTES_IN_FLIGHT));
        Self { queue, secrets: Arc::new(secrets), us: Arc::new(us), metrics, draining: Arc::default(), memory }
    }

    /// From now on `/readyz` says no, so that a load balancer sends its requests elsewhere before the listener closes.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// What the world may reach: the receiver, and whether we are alive. It tells nobody what we are.
pub fn public_router(state: WebState) -> Router {
    let routes = Router::new().route("/webhook", post(receive::webhook)).route("/healthz", get(async || "ok\n"));
    guarded(routes.with_state(state))
}

/// What only operators may reach, on a listener of its own: health, readiness and metrics.
pub fn ops_router(state: WebState) -> Router {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    guarded(routes.with_state(state))
}

/// Every route behind the same bounds. The limit must be the global one: through `Router::layer`, tower's plain
/// `ConcurrencyLimitLayer` limits each route by itself, which was measured to be no limit at all.
fn guarded(routes: Router) -> Router {
    let overloaded = async |_: tower::BoxError| (StatusCode::SERVICE_UNAVAILABLE, "Too much at once; come again.\n");
    routes.layer(
        ServiceBuilder::new()
            .layer(CatchPanicLayer::custom(|_| {
                (StatusCode::INTERNAL_SERVER_ERROR, "Something broke here; it is in the log.\n").into_response()
            }))
            .layer(HandleErrorLayer::new(overloaded))
            .layer(LoadShedLayer::new())
            .layer(GlobalConcurrencyLimitLayer::new(MAX_REQUESTS))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, HANDLER_TIMEOUT)),
    )
}

async fn ready(State(state): State<WebState>) -> Response {
    if state.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    match tokio::time::timeout(PROBE_TIMEOUT, state.queue.probe()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the queue does not take writes\n").into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the queue takes too long to write\n").into_response(),
    }
}

async fn metrics(State(state): State<WebState>) -> Response {
    match state.queue.stats().await {
        Ok(stats) => state.metrics.queue(&stats),
        Err(error) => tracing::error!(%error, "the queue's figures are old"),
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], state.metrics.text()).into_response()
}
