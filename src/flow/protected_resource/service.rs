//! The metadata of a protected resource.

use serde::Serialize;

/// The metadata (RFC 9728 §2).
#[derive(Clone, Debug, Serialize)]
pub(super) struct Document {
    resource: String,
    authorization_servers: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
}

impl Document {
    pub(super) fn new(resource: String, authorization_servers: Vec<String>) -> Self {
        Self { resource, authorization_servers, bearer_methods_supported: ["header"] }
    }
}

/// The metadata of a protected resource.
#[derive(Clone, Debug)]
pub struct ProtectedResourceService {
    document: Document,
}

impl ProtectedResourceService {
    pub(super) fn new(document: Document) -> Self {
        Self { document }
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }
}
