//! The signing keys of a provider.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKeyId, PrivateSigningKey,
    core::{CoreEdDsaPrivateSigningKey, CoreJsonWebKey, CoreRsaPrivateSigningKey},
};
use p521::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::faults::Fault;

pub(super) type Key = dyn PrivateSigningKey<VerificationKey = CoreJsonWebKey> + Send + Sync;

/// A signing key and a second key.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) name: &'static str,
    pub(super) algorithm: &'static str,
    pub(super) signs: Arc<Key>,
    pub(super) other: Arc<Key>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn rsa(pem: &str, name: &str) -> Arc<Key> {
    let id = Some(JsonWebKeyId::new(name.to_owned()));
    Arc::new(CoreRsaPrivateSigningKey::from_pem(pem, id).expect("a key"))
}

impl Keys {
    pub(super) fn first() -> Self {
        let (one, two) = (include_str!("keys/one.pem"), include_str!("keys/two.pem"));
        Self { name: "one", algorithm: "RS256", signs: rsa(one, "one"), other: rsa(two, "two") }
    }

    pub(super) fn second() -> Self {
        let Self { signs, other, .. } = Self::first();
        Self { name: "two", algorithm: "RS256", signs: other, other: signs }
    }

    /// Returns keys for an algorithm, by its JOSE name.
    pub(super) fn of(algorithm: &'static str) -> Self {
        match algorithm {
            "EdDSA" | "Ed25519" => Self { algorithm, ..Self::ed25519() },
            "ES512" => Self { name: "p521", algorithm, ..Self::first() },
            _ => Self { algorithm, ..Self::first() },
        }
    }

    pub(super) fn ed25519() -> Self {
        let id = Some(JsonWebKeyId::new("ed".to_owned()));
        let pem = include_str!("keys/ed25519.pem");
        let key = CoreEdDsaPrivateSigningKey::from_ed25519_pem(pem, id).expect("a key");
        Self { name: "ed", algorithm: "EdDSA", signs: Arc::new(key), ..Self::first() }
    }

    /// Returns the published key set.
    pub(super) fn published(&self, fault: Option<Fault>) -> Value {
        let mut own = json!(self.signs.as_verification_key());
        if self.algorithm == "ES512" {
            let point = p521().verifying_key().to_sec1_point(false);
            let part = |part: Option<&[u8]>| URL_SAFE_NO_PAD.encode(part.unwrap_or_default());
            let (x, y) = (point.x().map(|x| &**x), point.y().map(|y| &**y));
            own = json!({ "kty": "EC", "crv": "P-521", "kid": self.name, "x": part(x), "y": part(y) });
        }
        if self.algorithm == "Ed25519" {
            own["alg"] = json!("Ed25519");
        }
        if fault == Some(Fault::KeyForEncryption) {
            own["use"] = json!("enc");
        }
        match fault {
            Some(Fault::KidAbsentTwoKeys) => {
                json!({ "keys": [own, self.other.as_verification_key()] })
            }
            _ => json!({ "keys": [own] }),
        }
    }

    /// Returns the left half of the algorithm's hash (OpenID Connect Core §3.1.3.6).
    pub(super) fn half_hash(&self, text: &str) -> String {
        let hash = match self.algorithm {
            "EdDSA" | "Ed25519" | "RS512" | "PS512" | "ES512" => Sha512::digest(text).to_vec(),
            "RS384" | "PS384" => Sha384::digest(text).to_vec(),
            _ => Sha256::digest(text).to_vec(),
        };
        URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
    }

    pub(super) fn modulus(&self) -> Vec<u8> {
        let key = json!(self.signs.as_verification_key());
        URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap_or_default()).unwrap_or_default()
    }
}

/// Returns a constant key on P-521.
pub(super) fn p521() -> SigningKey {
    let mut secret = [7; 66];
    secret[0] = 0;
    SigningKey::from_slice(&secret).expect("a scalar of the curve")
}
