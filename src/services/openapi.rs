//! The OpenAPI document.

use std::sync::Arc;

use utoipa::openapi::OpenApi as Document;

/// The document of the registered routes, and its JSON.
pub(crate) struct OpenApiDocument {
    pub(crate) document: Document,
    pub(crate) json: Arc<[u8]>,
}

impl OpenApiDocument {
    pub(crate) fn new(document: Document) -> Self {
        let json = serde_json::to_vec(&document).unwrap_or_default().into();
        Self { document, json }
    }
}
