//! The user of a request outside of handlers.

use http::Extensions;

use super::context::Context;
use crate::session::AuthUser;

impl AuthUser {
    /// Returns the user that an extractor or a guard has already found for a request, from the
    /// extensions of the request: for spans, limits and services that are not axum handlers.
    ///
    /// It does no lookup and decides nothing: `None` also means that nothing has requested the user
    /// yet, or that an API key authenticated the request. Clone the extensions before the request is
    /// handled, and read the user afterwards: the clone shares the result.
    ///
    /// ```
    /// use authlayer::AuthUser;
    /// use axum::{extract::Request, middleware::Next, response::Response};
    ///
    /// async fn log(request: Request, next: Next) -> Response {
    ///     let extensions = request.extensions().clone();
    ///     let response = next.run(request).await;
    ///     if let Some(user) = AuthUser::known(&extensions) {
    ///         tracing::info!(user.id = %user.id, "handled");
    ///     }
    ///     response
    /// }
    /// ```
    pub fn known(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Context>()?.found()
    }
}
