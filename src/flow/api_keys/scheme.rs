//! API keys as bearer tokens.

use crate::{
    crypto::digest::Digest,
    error::AuthError,
    services::{BearerIdentity, BearerScheme, Services},
};

/// Resolves API keys.
pub(super) struct KeyScheme(pub(super) Services);

impl BearerScheme for KeyScheme {
    async fn resolve(&self, lookup: &str) -> Result<Option<BearerIdentity>, AuthError> {
        match Digest::from_base64(lookup) {
            Some(hash) => self.0.core()?.api_key(&hash).await,
            None => Ok(None),
        }
    }
}
