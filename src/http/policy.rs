//! Guards for routes that evaluate policies.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use axum::{extract::Request, response::Response};
use http::request::Parts;
use serde_json::Value;
use tower_layer::Layer;
use tower_service::Service;

use super::{context::Context, refusal};
use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::Subject,
    policy::{Policies, PolicyRequest},
    services::Core,
};

type Question = Arc<
    dyn Fn(Parts) -> Pin<Box<dyn Future<Output = Result<PolicyRequest, Response>> + Send>>
        + Send
        + Sync,
>;

/// A guard for routes that evaluates [`Policies`].
///
/// The policy request is built from the HTTP request: its method, its path, a row that is fetched.
/// Without an authenticated user the principal is `Anonymous::"nobody"`; policies may permit it.
///
/// ```
/// use authlayer::{PolicyRequest, Policies, RequirePolicy};
/// use axum::{
///     Router,
///     extract::{FromRequestParts, Path},
///     response::IntoResponse,
///     routing::get,
/// };
///
/// # fn owner_of(id: &str) -> String { id.to_owned() }
/// # fn example(policies: &Policies) -> Router {
/// let may_read = RequirePolicy::new(policies, async |mut parts| {
///     let path = Path::<String>::from_request_parts(&mut parts, &()).await;
///     let Path(id) = path.map_err(IntoResponse::into_response)?;
///     let owner = owner_of(&id);
///     Ok(PolicyRequest::new("read", "Note", id).owner(owner))
/// });
/// Router::new().route("/notes/{id}", get(async || "…").route_layer(may_read))
/// # }
/// ```
///
/// # Errors
///
/// 403 `forbidden` with `"missing": ["policy:<action>"]`, and with `"missing": ["session"]` for an
/// API key, unless the route [accepts](Self::allow_api_keys) them; 401 `unauthenticated` without a
/// user (or 303 for a page, see [`or_redirect`](Self::or_redirect)); the response that the function
/// returns in place of a [`PolicyRequest`]; and the errors of [`AuthUser`](crate::AuthUser).
#[derive(Clone)]
#[must_use]
pub struct RequirePolicy {
    policies: Policies,
    question: Question,
    api_keys: bool,
    redirect: Option<String>,
}

impl RequirePolicy {
    /// Accepts API keys. A key is permitted only what its user, with all of their roles and scopes,
    /// is permitted as well: a `forbid` that applies to the user applies to the key too.
    pub fn allow_api_keys(mut self) -> Self {
        self.api_keys = true;
        self
    }

    /// Redirects a browser that requests a page without a valid session to `page` by 303, with the
    /// requested path as `return_to`, if the policies do not permit the request to everybody. With
    /// the flow `Pages` it is redirected to the sign-in page without this option.
    ///
    /// ```
    /// use authlayer::{Policies, PolicyRequest, RequirePolicy};
    /// # fn example(policies: &Policies) -> RequirePolicy {
    /// RequirePolicy::new(policies, async |_| Ok(PolicyRequest::new("read", "Inbox", "1")))
    ///     .or_redirect("/sign-in")
    /// # }
    /// ```
    pub fn or_redirect(mut self, page: impl Into<String>) -> Self {
        self.redirect = Some(page.into());
        self
    }

    /// Creates a guard that evaluates these policies for the [`PolicyRequest`] that `question` returns for a
    /// request. The function does not see the body.
    pub fn new<F, A>(policies: &Policies, question: F) -> Self
    where
        F: Fn(Parts) -> A + Send + Sync + 'static,
        A: Future<Output = Result<PolicyRequest, Response>> + Send + 'static,
    {
        let question: Question = Arc::new(move |parts| Box::pin(question(parts)));
        Self { policies: policies.clone(), question, api_keys: false, redirect: None }
    }
}

/// Evaluates policies, and records the decision.
pub(crate) fn decide(
    core: &Core,
    policies: &Policies,
    subject: &Subject,
    ask: &PolicyRequest,
) -> Result<(), AuthError> {
    let answer = policies.is_authorized(subject, ask);
    let kind =
        if answer.is_allowed() { EventKind::PolicyAllowed } else { EventKind::PolicyRefused };
    let mut event = core.event(kind);
    event.user_id.clone_from(&subject.id);
    event.session_id = subject.session_id;
    event.detail.insert("action".to_owned(), Value::from(ask.action()));
    event.detail.insert("resource".to_owned(), Value::from(ask.resource()));
    event.detail.insert("policies".to_owned(), Value::from(answer.policies.clone()));
    if !answer.errors.is_empty() {
        tracing::error!(action = ask.action(), errors = ?answer.errors, "the evaluation of a policy failed");
        event = event.reason("failed");
    }
    core.events.record(event);
    if answer.is_allowed() {
        return Ok(());
    }
    if subject.id.is_none() {
        return Err(ErrorKind::Unauthenticated.into());
    }
    Err(AuthError::new(ErrorKind::Forbidden).with_extension("missing", vec![ask.missing()]))
}

impl<S> Layer<S> for RequirePolicy {
    type Service = RequirePolicyMiddleware<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequirePolicyMiddleware { inner, guard: self.clone() }
    }
}

/// A service behind a [`RequirePolicy`].
#[derive(Clone, Debug)]
pub struct RequirePolicyMiddleware<S> {
    inner: S,
    guard: RequirePolicy,
}

impl<S> Service<Request> for RequirePolicyMiddleware<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let guard = self.guard.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match guard.admit(&parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(refusal) => Ok(refusal),
            }
        })
    }
}

impl RequirePolicy {
    /// Resolves the user first: an invalid token does not disclose anything about the resource.
    async fn admit(&self, parts: &Parts) -> Result<(), Response> {
        let refused = |error| refusal::answer(self.redirect.as_deref(), parts, error);
        let context = Context::of(parts).map_err(refused)?;
        if self.api_keys {
            context.accept_key();
        }
        let user = context.optional().await.map_err(refused)?;
        let subject = user.map_or_else(Subject::anonymous, |user| user.subject());
        let ask = (self.question)(parts.clone()).await?;
        decide(context.core(), &self.policies, &subject, &ask).map_err(refused)
    }
}

impl fmt::Debug for RequirePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequirePolicy").finish_non_exhaustive()
    }
}
