//! The protected resource of the application.

/// The URL of the metadata of the protected resource (RFC 9728), which a flow offers.
#[derive(Debug)]
pub(crate) struct ResourceMetadata(pub(crate) String);
