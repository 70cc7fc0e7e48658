//! The OpenAPI document.

use std::sync::{Arc, LazyLock, OnceLock};

use utoipa::openapi::OpenApi as Document;

use super::Core;

/// The document of the registered routes, which is created when it is first needed: most processes
/// never serve it.
pub(crate) struct OpenApiDocument {
    document: LazyLock<Document, Create>,
    json: OnceLock<Arc<[u8]>>,
}

type Create = Box<dyn FnOnce() -> Document + Send>;

impl OpenApiDocument {
    pub(crate) fn new(create: impl FnOnce() -> Document + Send + 'static) -> Self {
        Self { document: LazyLock::new(Box::new(create)), json: OnceLock::new() }
    }

    /// Returns the document as JSON, which is written once.
    fn json(&self) -> Arc<[u8]> {
        let write = || serde_json::to_vec(&*self.document).unwrap_or_default().into();
        self.json.get_or_init(write).clone()
    }
}

impl Core {
    /// Returns the OpenAPI document.
    pub(crate) fn openapi(&self) -> Document {
        self.offered::<OpenApiDocument>().map(|own| (*own.document).clone()).unwrap_or_default()
    }

    /// Returns the OpenAPI document as JSON.
    pub(crate) fn openapi_json(&self) -> Arc<[u8]> {
        self.offered::<OpenApiDocument>().map(OpenApiDocument::json).unwrap_or_default()
    }
}
