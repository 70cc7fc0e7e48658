//! The document as JSON.

use std::sync::Arc;

use utoipa::openapi::OpenApi as Document;

use crate::services::Core;

/// Returns the OpenAPI document.
#[derive(Clone, Debug)]
pub struct OpenApiService {
    pub(super) core: Arc<Core>,
}

impl OpenApiService {
    /// Returns the document of the registered routes, as [`Auth::openapi`](crate::Auth::openapi)
    /// does.
    pub fn document(&self) -> Document {
        self.core.openapi()
    }
}
