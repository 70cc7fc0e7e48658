//! Keys that sessions are bound to.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The kind of key that a session is bound to.
///
/// ```
/// use authlayer::{Session, model::BindingKind};
///
/// fn is_bound_to_browser(session: &Session) -> bool {
///     session.bound() == Some(BindingKind::Device)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BindingKind {
    /// A key of the browser (W3C Device Bound Session Credentials).
    Device,
    /// A key of a program (RFC 9449).
    Dpop,
}

/// The public key that a session is bound to. Its tokens are renewed only with a proof of possession
/// of the private key.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionBinding {
    kind: BindingKind,
    key: Arc<BoundKey>,
}

/// The thumbprint of a public key (RFC 7638).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thumbprint([u8; 32]);

impl Thumbprint {
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| serde::de::Error::custom("not a thumbprint"))?;
        Ok(Self(bytes))
    }
}

/// The stored form of the key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BoundKey {
    /// The thumbprint (RFC 7638) in base64url.
    jkt: String,
    /// The key as a JWK, where proofs do not contain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwk: Option<serde_json::Value>,
}

impl SessionBinding {
    /// Creates the binding to a key of a browser, whose proofs do not contain the key.
    pub(crate) fn device(thumbprint: String, jwk: serde_json::Value) -> Self {
        let key = BoundKey { jkt: thumbprint, jwk: Some(jwk) };
        Self { kind: BindingKind::Device, key: Arc::new(key) }
    }

    /// Creates the binding to a key of a program, whose proofs contain the key.
    pub(crate) fn dpop(thumbprint: Thumbprint) -> Self {
        let key = BoundKey { jkt: thumbprint.to_string(), jwk: None };
        Self { kind: BindingKind::Dpop, key: Arc::new(key) }
    }

    /// Reads the stored form.
    pub(crate) fn read(kind: BindingKind, text: &str) -> Option<Self> {
        Some(Self { kind, key: Arc::new(serde_json::from_str(text).ok()?) })
    }

    /// Returns the stored form.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(&*self.key).unwrap_or_default()
    }

    /// Returns the kind of the key.
    pub fn kind(&self) -> BindingKind {
        self.kind
    }

    /// Returns the thumbprint of the key (RFC 7638) in base64url.
    pub fn thumbprint(&self) -> &str {
        &self.key.jkt
    }

    /// Returns the key, if proofs do not contain it.
    pub(crate) fn jwk(&self) -> Option<&serde_json::Value> {
        self.key.jwk.as_ref()
    }
}

impl fmt::Debug for SessionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBinding")
            .field("kind", &self.kind)
            .field("thumbprint", &self.key.jkt)
            .finish_non_exhaustive()
    }
}
