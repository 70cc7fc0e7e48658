//! The OpenAPI document of the registered routes.
//!
//! | route | response |
//! |---|---|
//! | `GET /openapi.json` | 200: the document, OpenAPI 3.1 |
//!
//! The document lists the routes of the registered flows and no others, with every status and every
//! `code` of an error that each route returns. Pages are not listed, and neither are the 404 and 405
//! of other paths and methods. If hooks of the application reject requests with an error of another
//! kind than `forbidden`, that kind is not listed.
//!
//! The document is public, and discloses which flows are registered and how they are configured, as
//! the routes themselves do. [`Auth::openapi`](crate::Auth::openapi) returns it without this flow.

mod routes;
mod service;

pub use service::OpenApiService;

use super::Flow;
use crate::{config::ConfigError, registry::Registry};

/// The flow that serves the OpenAPI document. It has no options.
///
/// ```
/// use authlayer::{AuthBuilder, OpenApi, Password};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(Password::new()).flow(OpenApi::new())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct OpenApi(());

impl OpenApi {
    /// Creates the flow.
    pub fn new() -> Self {
        Self(())
    }
}

impl Flow for OpenApi {
    type Service = OpenApiService;

    fn name(&self) -> &str {
        "openapi"
    }

    fn register(self, registry: &mut Registry) -> Result<OpenApiService, ConfigError> {
        let service = OpenApiService { core: registry.core() };
        routes::register(registry, &service);
        Ok(service)
    }
}
