//! The router of all flows.

use std::sync::Arc;

use axum::{
    Extension, Router, body::Body, extract::Request, middleware, middleware::Next,
    response::Response,
};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tower_service::Service;

use super::{FromElsewhere, Public, client, csrf, layer::AuthLayer, reply};
use crate::{
    error::{AuthError, ErrorKind},
    event::for_client,
    services::Core,
};

/// Returns the routes of all flows with their middleware. Those `from_elsewhere` are not checked
/// for cross-origin requests.
pub(crate) fn router(core: &Arc<Core>, own: Router, from_elsewhere: Router) -> Router {
    let own = own
        .fallback(async || AuthError::from(ErrorKind::NotFound))
        .method_not_allowed_fallback(async || AuthError::from(ErrorKind::MethodNotAllowed));
    let (checked, known) = (core.clone(), own.clone());
    let own = own.layer(AuthLayer::new(core)).layer(middleware::from_fn(move |request, next| {
        own_origin(checked.clone(), known.clone(), request, next)
    }));
    let from_elsewhere = from_elsewhere
        .method_not_allowed_fallback(async || AuthError::from(ErrorKind::MethodNotAllowed))
        .layer(Extension(FromElsewhere))
        .layer(AuthLayer::new(core));
    let core = Arc::clone(core);
    let answer = move |request, next| answer(Arc::clone(&core), request, next);
    own.merge(from_elsewhere).layer(Public).layer(middleware::from_fn(answer))
}

/// Answers a request: its events have its client, and the response the headers of all routes.
async fn answer(core: Arc<Core>, mut request: Request, next: Next) -> Response {
    let client = client::determine(&mut request, &core);
    reply::headed(for_client(client, next.run(request)).await)
}

/// Rejects cross-origin requests, but responds with 404 and 405 first.
async fn own_origin(
    core: Arc<Core>,
    known: Router,
    request: Request,
    next: Next,
) -> Result<Response, AuthError> {
    let Err(refusal) = csrf::verify(request.method(), request.headers(), &core.origins) else {
        return Ok(next.run(request).await);
    };
    if let Some(answer) = unrouted(known, request.method(), request.uri()).await {
        return Ok(answer);
    }
    Err(refusal.record(&core))
}

/// Returns the 404 or 405 of a path and method without a route. No handler runs: the probe has a
/// method that no route supports, and the response names the supported ones.
async fn unrouted(mut known: Router, method: &Method, uri: &Uri) -> Option<Response> {
    let mut probe = Request::new(Body::empty());
    *probe.method_mut() = Method::from_bytes(b"X-PROBE").ok()?;
    *probe.uri_mut() = uri.clone();
    let Ok(answer) = known.call(probe).await;
    match answer.status() {
        StatusCode::NOT_FOUND => Some(answer),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = answer.headers().get(header::ALLOW).map(HeaderValue::as_bytes);
            let mut allowed = allowed.unwrap_or_default().split(|b| *b == b',');
            let has_route = allowed.any(|own| own.trim_ascii() == method.as_str().as_bytes());
            (!has_route).then_some(answer)
        }
        _ => None,
    }
}
