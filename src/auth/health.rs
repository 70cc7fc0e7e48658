//! Readiness for load balancers and monitoring.

use std::{fmt, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tokio::time::timeout;

use super::Auth;
use crate::{
    model::SessionId,
    store::{SessionStore, Store},
};

/// The time limit of the query to the store.
const LIMIT: Duration = Duration::from_secs(2);

/// The state of an [`Auth`] and what it depends on, from [`Auth::health`].
///
/// As text it is one sentence for people. As JSON it is
/// `{"ready":true,"cached":true,"mail_queue":{"waiting":0,"capacity":1024},"dropped_events":0}`.
/// As a response it is that JSON with 200, or with 503 if it is not ready.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether the store responds. Without it, no user can be authenticated.
    #[serde(rename = "ready")]
    pub is_ready: bool,
    /// Whether sessions are served from the cache. If not, each request queries the store: the
    /// cache is disabled, or changes by other processes cannot be read.
    #[serde(rename = "cached")]
    pub is_cached: bool,
    /// The messages that wait for delivery by this process.
    pub mail_queue: QueueHealth,
    /// The number of events that were not written to the audit log since the start; 0 without an
    /// audit log.
    pub dropped_events: u64,
}

/// The queue of messages.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct QueueHealth {
    /// The number of messages in the queue.
    pub waiting: usize,
    /// The maximum number of messages in the queue: requests for more are answered with 503.
    pub capacity: usize,
}

impl Auth {
    /// Returns whether requests can be served, for the readiness probe of a load balancer, and what
    /// monitoring needs to know. It reads one row of the store, for at most two seconds.
    ///
    /// A full queue or a cache that is not used do not count as unready: another process would not
    /// be in a better state.
    ///
    /// ```
    /// # use authlayer::{Auth, Health};
    /// # use axum::{Router, routing::get};
    /// fn probes(auth: &Auth) -> Router {
    ///     let auth = auth.clone();
    ///     Router::new().route("/ready", get(async move || auth.health().await))
    /// }
    /// ```
    pub async fn health(&self) -> Health {
        let store = &self.core.changes;
        let read = timeout(LIMIT, SessionStore::find(&**store, SessionId::from_bytes([0; 16])));
        let changes = Store::changes(&**store);
        let (read, is_leased) = tokio::join!(read, changes.is_leased_soon());
        let problem = match read {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no response within {LIMIT:?}")),
        };
        if let Some(cause) = &problem {
            tracing::warn!(cause, "the store does not respond to the readiness probe");
        }
        let (waiting, capacity) = self.core.queue.usage();
        Health {
            is_ready: problem.is_none(),
            is_cached: is_leased && self.core.sessions.options().cache.is_some(),
            mail_queue: QueueHealth { waiting, capacity },
            dropped_events: self.core.audit.as_ref().map_or(0, |audit| audit.dropped_events()),
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = if self.is_ready { "ready" } else { "not ready: the store does not respond" };
        let cache = if self.is_cached { "" } else { ", each request queries the store" };
        let QueueHealth { waiting, capacity } = self.mail_queue;
        write!(f, "{store}{cache}, {waiting} of {capacity} messages wait for delivery")?;
        match self.dropped_events {
            0 => Ok(()),
            dropped => write!(f, ", {dropped} events were not stored"),
        }
    }
}

impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let status = if self.is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (status, [no_store], Json(self)).into_response()
    }
}
