//! The layer that goes around an application's routes.

use std::sync::Arc;

use tower_layer::Layer;

use super::service::AuthService;
use crate::services::Core;

/// Lets the routes below it know who is signed in.
///
/// It does no I/O and reads nothing: it leaves a handle, by which the first extractor or guard
/// reads the credential and resolves it, once. A route that asks for nobody costs no statement.
///
/// A browser whose access token has ended and whose refresh token is good is refreshed on
/// the way: the handler sees the user, and the answer carries the new cookies. Whoever
/// visits once a month stays signed in without a line of JavaScript.
#[derive(Clone, Debug)]
pub struct AuthLayer {
    core: Arc<Core>,
}

impl AuthLayer {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { inner, core: Arc::clone(&self.core) }
    }
}
