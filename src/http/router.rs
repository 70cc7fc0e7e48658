//! The routes of all flows under one roof.

use std::sync::Arc;

use axum::{
    Router, body::Body, extract::Request, middleware, middleware::Next, response::Response,
};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tower_service::Service;

use super::{csrf, layer::AuthLayer, reply};
use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    services::Core,
};

/// The routes of all flows with what goes around them.
pub(crate) fn router(core: &Arc<Core>, routes: impl Iterator<Item = Router>) -> Router {
    let routes = routes
        .fold(Router::new(), Router::merge)
        .fallback(async || AuthError::from(ErrorKind::NotFound))
        .method_not_allowed_fallback(async || AuthError::from(ErrorKind::MethodNotAllowed));
    let (layer, core, known) = (AuthLayer::new(core), core.clone(), routes.clone());
    routes
        .layer(layer)
        .layer(middleware::from_fn(move |request, next| {
            own_origin(core.clone(), known.clone(), request, next)
        }))
        .layer(middleware::map_response(reply::headed))
}

/// Rejects what another site sends, after 404 and 405. A logout token of a provider is no
/// browser's, whatever headers come with it.
async fn own_origin(
    core: Arc<Core>,
    known: Router,
    request: Request,
    next: Next,
) -> Result<Response, AuthError> {
    let Err(refusal) = csrf::verify(request.method(), request.headers(), &core.origins) else {
        return Ok(next.run(request).await);
    };
    if request.uri().path().ends_with(LOGOUT_BY_PROVIDER) {
        return Ok(next.run(request).await);
    }
    if let Some(answer) = unrouted(known, request.method(), request.uri()).await {
        return Ok(answer);
    }
    core.events.record(core.event(EventKind::CrossOriginRefused));
    Err(refusal.into())
}

const LOGOUT_BY_PROVIDER: &str = "/backchannel-logout";

/// Returns the 404 or 405 of a path and method without a route. No handler runs: the routes are
/// asked with a method that none has, and answer with the methods that they have.
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
