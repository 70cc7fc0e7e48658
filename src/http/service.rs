//! What the layer makes of a service.

use std::{
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use http::Request;
use tower_service::Service;

use super::context::Context;
use crate::auth::Core;

/// A service whose requests carry a handle to their user.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    pub(super) inner: S,
    pub(super) core: Arc<Core>,
}

impl<S, B> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let theirs = request.extensions().get::<Context>();
        if !theirs.is_some_and(|context| Arc::ptr_eq(context.core(), &self.core)) {
            let context = Context::read(&self.core, &request);
            request.extensions_mut().insert(context);
        }
        self.inner.call(request)
    }
}
