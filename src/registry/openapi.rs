//! The description of the routes of flows outside this crate.

use utoipa::openapi::OpenApi as Document;

use super::Registry;

impl Registry {
    /// Adds the description of a flow's own routes to the document of
    /// [`Auth::openapi`](crate::Auth::openapi): its paths, which are relative to the mount path, and
    /// the components that they refer to.
    ///
    /// ```
    /// use authlayer::{Registry, utoipa::openapi::{Info, OpenApi, Paths}};
    ///
    /// fn describe(registry: &mut Registry, paths: Paths) {
    ///     registry.openapi(OpenApi::new(Info::new("SMS", "1.0.0"), paths));
    /// }
    /// ```
    pub fn openapi(&mut self, part: Document) -> &mut Self {
        self.parts.push(part);
        self
    }
}
