//! The layer for the routes of an application.

use std::sync::Arc;

use tower_layer::Layer;

use super::{service::AuthMiddleware, undecided::Undecided};
use crate::services::Core;

/// Makes the user of a request available to extractors and guards.
///
/// The layer does no I/O and parses nothing. It adds a handle with which the first extractor or
/// guard reads the credential and resolves it, once. A public route runs no statement.
///
/// If the access token of a browser has expired and its refresh token is valid, the session is
/// refreshed during the request: the handler sees the user, and the response has the new cookies.
///
/// ```
/// # use authlayer::Auth;
/// # use axum::{Router, routing::get};
/// fn app(auth: &Auth) -> Router {
///     Router::new().route("/", get(async || "home")).layer(auth.layer())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AuthLayer {
    core: Arc<Core>,
    undecided: Option<Undecided>,
    has_spans: bool,
}

impl AuthLayer {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core), undecided: None, has_spans: false }
    }

    /// Handles each request in a span of [`tracing`], so that everything that is logged during a
    /// request has its user. Off by default, since applications often have such a span already.
    ///
    /// The span is called `request`, has the level `INFO`, and these fields, with the names of
    /// OpenTelemetry:
    ///
    /// | field | |
    /// |---|---|
    /// | `http.request.method`, `http.route`, `url.path` | of the request; the query is left out, since it may have secrets |
    /// | `client.address` | the IP address of the client, behind [trusted proxies](crate::AuthBuilder::trusted_proxy) too |
    /// | `user.id`, `session.id` | once an extractor or a guard has found the user; an API key has neither |
    /// | `http.response.status_code` | of the response |
    ///
    /// ```
    /// # use authlayer::{Auth, AuthUser};
    /// # use axum::{Router, routing::get};
    /// async fn note(user: AuthUser) {
    ///     tracing::info!("a line of the application, with user.id and session.id");
    /// }
    ///
    /// fn app(auth: &Auth) -> Router {
    ///     Router::new().route("/note", get(note)).layer(auth.layer().trace_requests())
    /// }
    /// ```
    #[must_use]
    pub fn trace_requests(mut self) -> Self {
        self.has_spans = true;
        self
    }

    /// Requires that each route of the application extracts the user, is guarded, or is declared
    /// [`Public`](crate::Public). The routes of [`Auth::router`](crate::Auth::router) satisfy this.
    ///
    /// ```
    /// # use authlayer::{Auth, Public, Undecided};
    /// # use axum::{Router, routing::get};
    /// # fn app(auth: &Auth) -> Router {
    /// Router::new()
    ///     .route("/", get(async || "hello").layer(Public))
    ///     .nest("/auth", auth.router())
    ///     .layer(auth.layer().require_decision(Undecided::Reject))
    /// # }
    /// ```
    ///
    /// Only responses below 400 of matched routes are checked; a fallback has no route and is not
    /// checked.
    ///
    /// # Security
    ///
    /// This detects mistakes and is no guard: the handler has already run, and its effects remain.
    #[must_use]
    pub fn require_decision(mut self, undecided: Undecided) -> Self {
        self.undecided = Some(undecided);
        self
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthMiddleware<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { undecided, has_spans, .. } = *self;
        AuthMiddleware { inner, core: Arc::clone(&self.core), undecided, has_spans }
    }
}
