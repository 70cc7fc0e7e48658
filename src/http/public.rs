//! Routes that are declared public.

use std::task::{Context as TaskContext, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::context::Context;

/// Declares a route public for [`AuthLayer::require_decision`](crate::AuthLayer::require_decision):
/// `get(home).layer(Public)`.
///
/// ```
/// use authlayer::Public;
/// use axum::{Router, routing::get};
///
/// fn app() -> Router {
///     Router::new().route("/", get(async || "home")).route_layer(Public)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Public;

/// The service of a route that is declared public.
///
/// ```
/// use authlayer::{Public, PublicMiddleware};
/// use tower_layer::Layer;
///
/// fn public<S>(inner: S) -> PublicMiddleware<S> {
///     Public.layer(inner)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PublicMiddleware<S> {
    inner: S,
}

impl<S> Layer<S> for Public {
    type Service = PublicMiddleware<S>;

    fn layer(&self, inner: S) -> PublicMiddleware<S> {
        PublicMiddleware { inner }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for PublicMiddleware<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        Context::declare_public(&request);
        self.inner.call(request)
    }
}
