//! The service of the layer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use axum::extract::MatchedPath;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, header::Entry};
use pin_project_lite::pin_project;
use tower_service::Service;
use tracing::Span;

use super::{
    context::Context,
    cookie,
    dpop::{self, SentProof, path_of},
    reply::SESSION_REGISTRATION,
    span::{of_request, record_status},
    undecided::Undecided,
};
use crate::{
    event::EventKind,
    services::Core,
    session::{OfferedProof, offering},
};

/// A service that adds an authentication handle to requests.
///
/// ```
/// use authlayer::{AuthLayer, AuthMiddleware};
/// use tower_layer::Layer;
///
/// fn wrap<S>(layer: &AuthLayer, inner: S) -> AuthMiddleware<S> {
///     layer.layer(inner)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AuthMiddleware<S> {
    pub(super) inner: S,
    pub(super) core: Arc<Core>,
    pub(super) undecided: Option<Undecided>,
    pub(super) has_spans: bool,
}

impl<S, B, R> Service<Request<B>> for AuthMiddleware<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let theirs = request.extensions().get::<Context>();
        let outermost = !theirs.is_some_and(|context| Arc::ptr_eq(context.core(), &self.core));
        let has_span = self.has_spans && outermost;
        let span = if has_span { of_request(&request, &self.core) } else { Span::none() };
        let mut offered = None;
        let context = outermost.then(|| {
            let path = path_of(request.extensions(), request.uri());
            let proof = SentProof::read(request.headers(), (request.method().as_str(), path));
            if let Some(proof) = &proof {
                offered = dpop::offered(&self.core, request.method(), proof);
            }
            Context::new(&self.core, span.clone(), proof)
        });
        if let Some(context) = &context {
            request.extensions_mut().insert(context.clone());
        }
        let undecided = self.undecided.filter(|_| outermost).zip(route_of(&request));
        let inner = span.in_scope(|| self.inner.call(request));
        ResponseFuture { inner, context, offered, undecided, span }
    }
}

pin_project! {
    /// The response, with new cookies if the session was refreshed.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        context: Option<Context>,
        offered: Option<Arc<OfferedProof>>,
        undecided: Option<(Undecided, String)>,
        span: Span,
    }
}

fn route_of<B>(request: &Request<B>) -> Option<String> {
    request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned())
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let span: &Span = this.span;
        let _entered = span.enter();
        let inner = this.inner;
        let mut outcome = ready!(match this.offered.as_ref() {
            Some(proof) => offering(proof, || inner.poll(cx)),
            None => inner.poll(cx),
        });
        if let (Ok(response), Some(context)) = (&mut outcome, this.context.as_ref()) {
            hand_out(context, response);
            if let Some((undecided, route)) = this.undecided.as_ref()
                && response.status().as_u16() < 400
                && !context.is_decided()
            {
                report(context, *undecided, route, response);
            }
            record_status(span, response);
        }
        Poll::Ready(outcome)
    }
}

/// Reports a route without an authentication decision, and replaces its response if so configured.
fn report<R: Default>(
    context: &Context,
    undecided: Undecided,
    route: &str,
    response: &mut Response<R>,
) {
    tracing::error!(route, "the route extracts no user, has no guard, and is not declared Public");
    let core = context.core();
    let mut event = core.event(EventKind::UndecidedRoute);
    event.detail.insert("route".to_owned(), route.into());
    core.events.record(event);
    if undecided == Undecided::Reject {
        *response = Response::default();
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
}

/// Adds the cookies of a refreshed session, and headers that prevent shared caches from storing the
/// response.
///
/// If a handler sets or clears the token cookies itself, by a sign-in or a sign-out, its cookies
/// are used.
fn hand_out<R>(context: &Context, response: &mut Response<R>) {
    if !context.was_asked() {
        return;
    }
    vary(response.headers_mut());
    if context.forgets_impersonator() {
        let line = cookie::clear_impersonator(context.core());
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    if let Some(offer) = context.offer() {
        response.headers_mut().insert(SESSION_REGISTRATION, offer.clone());
    }
    if let Some(issued) = context.renewed()
        && !cookie::is_set(context.core(), response.headers())
    {
        let headers = response.headers_mut();
        for line in cookie::set_both(context.core(), issued) {
            headers.append(header::SET_COOKIE, line);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return;
    }
    let refused = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if refused || context.has_found() {
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
    }
}

fn vary(headers: &mut HeaderMap) {
    let ours = HeaderValue::from_static("Authorization, Cookie");
    match headers.entry(header::VARY) {
        Entry::Vacant(vacant) => drop(vacant.insert(ours)),
        Entry::Occupied(mut there) => {
            let names = |name: &[u8]| {
                there.iter().any(|line| {
                    let mut all = line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
                    all.any(|own| own == b"*" || own.eq_ignore_ascii_case(name))
                })
            };
            if !(names(b"authorization") && names(b"cookie")) {
                there.append(ours);
            }
        }
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
