//! The routes of all flows under one roof.

use axum::{Router, extract::Request, middleware, middleware::Next, response::Response};

use super::{csrf, reply};
use crate::{
    auth::{Auth, Core},
    error::{AuthError, ErrorKind},
    event::EventKind,
};

impl Auth {
    /// What stands at fixed places of the origin, to be merged at its root:
    /// `/.well-known/change-password`, which leads password managers to the page that
    /// [`Reset::change_page`](crate::Reset::change_page) names, and with
    /// [`Passkeys`](crate::flow) `/.well-known/webauthn`, the origins that may use the passkeys
    /// (WebAuthn Level 3 §5.11), and `/.well-known/passkey-endpoints`, where one manages them.
    pub fn well_known(&self) -> Router {
        let routes = self.flows.iter().map(|flow| flow.well_known.clone());
        routes.fold(Router::new(), Router::merge)
    }

    /// The routes of every registered flow, to be nested: `.nest("/auth", auth.router())`.
    ///
    /// Every answer is `no-store`, every error a problem document (RFC 9457), unknown
    /// paths and methods too. Unsafe requests from another site are refused whether or
    /// not they carry a cookie, so that nobody is signed in by somebody else's form.
    pub fn router(&self) -> Router {
        let routes = self.flows.iter().map(|flow| flow.router.clone());
        let core = self.core.clone();
        routes
            .fold(Router::new(), Router::merge)
            .fallback(async || AuthError::from(ErrorKind::NotFound))
            .method_not_allowed_fallback(async || AuthError::from(ErrorKind::MethodNotAllowed))
            .layer(self.layer())
            .layer(csrf::layer(&self.core.origins))
            .layer(middleware::from_fn(move |request, next| {
                own_origin(core.clone(), request, next)
            }))
            .layer(middleware::map_response(reply::never_stored))
    }
}

async fn own_origin(
    core: std::sync::Arc<Core>,
    mut request: Request,
    next: Next,
) -> Result<Response, AuthError> {
    if let Err(refusal) = csrf::verify(request.method(), request.headers(), &core.origins) {
        core.events.record(core.event(EventKind::CrossOriginRefused));
        return Err(refusal.into());
    }
    csrf::forget_unknown(request.headers_mut());
    Ok(next.run(request).await)
}
