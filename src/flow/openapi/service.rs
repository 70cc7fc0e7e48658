//! The document as JSON.

use std::sync::Arc;

use utoipa::openapi::OpenApi as Document;

use crate::services::{Core, OpenApiDocument};

/// Returns the OpenAPI document.
#[derive(Clone, Debug)]
pub struct OpenApiService {
    pub(super) core: Arc<Core>,
}

impl OpenApiService {
    /// Returns the document of the registered routes, as [`Auth::openapi`](crate::Auth::openapi)
    /// does.
    pub fn document(&self) -> Document {
        let document = self.core.offered::<OpenApiDocument>();
        document.map(|own| own.document.clone()).unwrap_or_default()
    }

    /// Returns the document as JSON.
    pub(super) fn json(&self) -> Arc<[u8]> {
        self.core.offered::<OpenApiDocument>().map(|own| Arc::clone(&own.json)).unwrap_or_default()
    }
}
