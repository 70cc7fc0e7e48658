//! Who may pass.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use axum::{
    extract::{OriginalUri, Request},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, header, request::Parts};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use tower_layer::Layer;
use tower_service::Service;

use super::{context::Context, user::AuthUser};
use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    model::Factor,
};

/// A longer return path is left out, so that no header grows with it.
const LONGEST_RETURN: usize = 1024;

/// What stays readable in a query value.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A guard for routes: `auth: "user"`, and what else a user must bring.
///
/// Conditions add up; a refusal names all that is missing. It resolves the user of the
/// request once, together with the extractors behind it.
///
/// # Errors
///
/// 401 `unauthenticated` (or 303 to [`or_redirect`](Self::or_redirect) for a page), 403
/// `step_up_required` with `required`, 403 `forbidden` with `missing`, and what
/// [`AuthUser`] answers.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RequireUser {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    roles: Vec<String>,
    scopes: Vec<String>,
    within: Option<Duration>,
    factor: Option<Factor>,
    redirect: Option<String>,
}

impl RequireUser {
    /// Any user who is signed in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who also has this role.
    pub fn role(self, role: impl Into<String>) -> Self {
        self.with(|rules| rules.roles.push(role.into()))
    }

    /// Who also has this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.with(|rules| rules.scopes.push(scope.into()))
    }

    /// Who proved a factor on this session no longer ago than this; with
    /// [`factor`](Self::factor), that factor.
    pub fn within(self, age: Duration) -> Self {
        self.with(|rules| rules.within = Some(age))
    }

    /// Who proved this factor on this session.
    pub fn factor(self, factor: Factor) -> Self {
        self.with(|rules| rules.factor = Some(factor))
    }

    /// Sends a browser that asks for a page and is not signed in to `page` by 303, with
    /// the path it came for as `return_to`. Other clients get the 401.
    pub fn or_redirect(self, page: impl Into<String>) -> Self {
        self.with(|rules| rules.redirect = Some(page.into()))
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

/// Passes who proved a factor on this session lately, as the options of sessions say.
pub(crate) fn fresh(core: &Core, user: &AuthUser) -> Result<(), AuthError> {
    let guard = RequireUser::new().within(core.sessions.options().fresh);
    guard.rules.check(user, core.clock.now())
}

impl<S> Layer<S> for RequireUser {
    type Service = RequireUserService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireUserService { inner, rules: Arc::clone(&self.rules) }
    }
}

/// A service behind a [`RequireUser`].
#[derive(Clone, Debug)]
pub struct RequireUserService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Service<Request> for RequireUserService<S>
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
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match rules.admit(&parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(refusal) => Ok(rules.refuse(&parts, refusal)),
            }
        })
    }
}

impl Rules {
    async fn admit(&self, parts: &Parts) -> Result<(), AuthError> {
        let context = Context::of(parts)?;
        let user = context.require().await?;
        self.check(&user, context.core().clock.now())
    }

    fn check(&self, user: &AuthUser, now: Timestamp) -> Result<(), AuthError> {
        let roles = self.roles.iter().filter(|role| !user.has_role(role));
        let scopes = self.scopes.iter().filter(|scope| !user.has_scope(scope));
        let missing: Vec<Value> = roles
            .map(|role| Value::from(format!("role:{role}")))
            .chain(scopes.map(|scope| Value::from(format!("scope:{scope}"))))
            .collect();
        if !missing.is_empty() {
            return Err(AuthError::new(ErrorKind::Forbidden).with_member("missing", missing));
        }
        if self.is_proved(user, now) {
            return Ok(());
        }
        let mut required = Map::new();
        if let Some(age) = self.within {
            required.insert("within_seconds".to_owned(), Value::from(age.as_secs()));
        }
        if let Some(factor) = self.factor {
            required.insert("factor".to_owned(), Value::from(factor.name()));
        }
        Err(AuthError::new(ErrorKind::StepUpRequired).with_member("required", required))
    }

    fn is_proved(&self, user: &AuthUser, now: Timestamp) -> bool {
        if self.within.is_none() && self.factor.is_none() {
            return true;
        }
        let oldest = self.within.map(|age| {
            let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
            now.checked_sub(age).unwrap_or(Timestamp::MIN)
        });
        user.session().factors.iter().any(|proof| {
            self.factor.map_or(proof.method != Factor::EmailCode, |factor| proof.method == factor)
                && oldest.is_none_or(|oldest| proof.at > oldest)
        })
    }

    fn refuse(&self, parts: &Parts, refusal: AuthError) -> Response {
        let nobody = matches!(refusal.kind(), ErrorKind::Unauthenticated | ErrorKind::InvalidToken);
        match &self.redirect {
            Some(page) if nobody && wants_a_page(&parts.headers) => {
                let mut response = Redirect::to(&with_return(page, parts)).into_response();
                response
                    .headers_mut()
                    .insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
                response
            }
            _ => refusal.into_response(),
        }
    }
}

/// Whether HTML is named in `Accept`, and before JSON if that is named too.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| match (accept.find("text/html"), accept.find("json")) {
        (Some(html), Some(json)) => html < json,
        (Some(_), None) => true,
        (None, _) => false,
    })
}

/// The page with the path that was asked for. Only the path and query of the request
/// line are used, so the way back never leaves the origin.
fn with_return(page: &str, parts: &Parts) -> String {
    let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let path = original.path_and_query().map_or("/", |path| path.as_str());
    let local = path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\");
    if parts.method != Method::GET || path.len() > LONGEST_RETURN || !local {
        return page.to_owned();
    }
    let sign = if page.contains('?') { '&' } else { '?' };
    format!("{page}{sign}return_to={}", utf8_percent_encode(path, QUERY_VALUE))
}
