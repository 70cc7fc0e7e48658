//! The service behind a guard.

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
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    admit,
    context::Context,
    guard::{Refuse, RequireUser},
    refusal,
};
use crate::{
    error::AuthError,
    model::{AvailableFactors, Rule},
};

impl<S> Layer<S> for RequireUser {
    type Service = RequireUserMiddleware<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let (rule, guard) = self.finished();
        let anew = rule.wants_proof();
        let (api_keys, redirect, refuse) = (guard.api_keys, guard.redirect, guard.refuse);
        let door = Door { rule, anew, api_keys, redirect, refuse };
        RequireUserMiddleware { inner, door: Arc::new(door) }
    }
}

/// A service behind a [`RequireUser`].
///
/// ```
/// use authlayer::{RequireUser, RequireUserMiddleware};
/// use tower_layer::Layer;
///
/// fn guard<S>(inner: S) -> RequireUserMiddleware<S> {
///     RequireUser::new().layer(inner)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RequireUserMiddleware<S> {
    inner: S,
    door: Arc<Door>,
}

struct Door {
    rule: Rule,
    /// Whether the check bypasses the cache of sessions.
    anew: bool,
    api_keys: bool,
    redirect: Option<String>,
    refuse: Option<Refuse>,
}

impl<S> Service<Request> for RequireUserMiddleware<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = RequireUserFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.door.known(&request) {
            Some(Ok(())) => State::Passed { inner: self.inner.call(request) }.into(),
            Some(Err(refusal)) => {
                let parts = request.into_parts().0;
                let user = parts.extensions.get::<Context>().and_then(Context::known);
                admit::record_denial(&parts, user.as_ref(), &refusal);
                let answer = self.door.answer(&parts, refusal);
                State::Refused { answer: Some(answer) }.into()
            }
            None => self.ask(request),
        }
    }
}

impl<S> RequireUserMiddleware<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// Checks the rule in a future, for a user who is not known yet.
    fn ask(&mut self, request: Request) -> RequireUserFuture<S::Future> {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let door = Arc::clone(&self.door);
        let asked = async move {
            let (parts, body) = request.into_parts();
            match door.admit(&parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(refusal) => Ok(door.answer(&parts, refusal)),
            }
        };
        State::Asked { asked: Box::pin(asked) }.into()
    }
}

impl Door {
    /// Returns the result of the rule, if it is known without waiting.
    fn known(&self, request: &Request) -> Option<Result<(), AuthError>> {
        if self.anew {
            return None;
        }
        let context = Context::of_request(request)?;
        let auth = context.known()?;
        let now = context.core().clock.now();
        let none = AvailableFactors::default();
        Some(self.rule.check(auth.user(), auth.session(), none, now).map_err(AuthError::from))
    }

    async fn admit(&self, parts: &Parts) -> Result<(), AuthError> {
        admit::admit(parts, self.anew, &self.rule, self.api_keys).await.map(drop)
    }

    fn answer(&self, parts: &Parts, refusal: AuthError) -> Response {
        let own = self.refuse.as_ref().and_then(|refuse| refuse(&refusal, parts));
        own.unwrap_or_else(|| refusal::answer(self.redirect.as_deref(), parts, refusal))
    }
}

pin_project! {
    /// The response of a guarded service, or of its guard.
    pub struct RequireUserFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Now]
    enum State<F> {
        Passed {
            #[pin]
            inner: F,
        },
        Refused { answer: Option<Response> },
        Asked { asked: Asked },
    }
}

type Asked = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<F: Future<Output = Result<Response, Infallible>>> Future for RequireUserFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            Now::Passed { inner } => inner.poll(cx),
            Now::Refused { answer } => {
                answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
            }
            Now::Asked { asked } => asked.as_mut().poll(cx),
        }
    }
}

impl<F> From<State<F>> for RequireUserFuture<F> {
    fn from(state: State<F>) -> Self {
        Self { state }
    }
}

impl<F> fmt::Debug for RequireUserFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireUserFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.rule)
    }
}
