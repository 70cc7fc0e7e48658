//! The OpenAPI document.

use utoipa::openapi::OpenApi as Document;

use super::Auth;

impl Auth {
    /// Returns the OpenAPI 3.1 document of the routes in [`Auth::router`]: those of the registered
    /// flows and no others. It is created once, when it is first needed.
    ///
    /// Paths are relative to the mount path, which is the only entry of `servers`. To add them to
    /// the document of an application, remove that entry and nest the document at the mount path.
    /// The flow [`OpenApi`](crate::OpenApi) serves the document at `GET /openapi.json`.
    ///
    /// ```
    /// use authlayer::{Auth, utoipa::openapi::OpenApi};
    ///
    /// fn complete(own: OpenApi, auth: &Auth) -> OpenApi {
    ///     let mut routes = auth.openapi();
    ///     routes.servers = None;
    ///     own.nest("/auth", routes)
    /// }
    /// ```
    pub fn openapi(&self) -> Document {
        self.core.openapi()
    }
}
