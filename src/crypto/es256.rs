//! JSON Web Tokens that are signed with ES256: ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer},
    pkcs8::DecodePrivateKey,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::random;
use crate::error::AuthError;

/// A private key. Its memory is zeroized on drop.
pub(crate) struct Es256Key(SigningKey);

/// A public key (RFC 7517, RFC 7518 §6.2.1).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PublicJwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    /// The thumbprint of the key (RFC 7638).
    pub(crate) kid: String,
}

impl Es256Key {
    /// Creates a random key.
    pub(crate) fn random() -> Result<Self, AuthError> {
        loop {
            let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random::bytes()?);
            // Zero and the numbers from the order of the group on are no keys.
            if let Some(key) = Self::from_bytes(&*bytes) {
                return Ok(key);
            }
        }
    }

    /// Reads a key in PKCS#8 and PEM.
    pub(crate) fn from_pkcs8_pem(pem: &str) -> Option<Self> {
        SigningKey::from_pkcs8_pem(pem).ok().map(Self)
    }

    /// Reads a key from the 32 bytes of its scalar.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        SigningKey::from_slice(bytes).ok().map(Self)
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_bytes().to_vec())
    }

    /// Returns the public key.
    pub(crate) fn public(&self) -> PublicJwk {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes().get(1..).unwrap_or_default().split_at(32);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        // The members that the thumbprint requires, in the order of their names (RFC 7638 §3).
        let own = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(own));
        PublicJwk { kty: "EC", crv: "P-256", x, y, usage: "sig", alg: "ES256", kid }
    }

    /// Returns a JWT with this header and these claims in compact serialization (RFC 7515 §3.1).
    pub(crate) fn sign(
        &self,
        header: &impl Serialize,
        claims: &impl Serialize,
    ) -> Result<String, AuthError> {
        let (header, claims) = (part(header)?, part(claims)?);
        let message = format!("{header}.{claims}");
        let signature: Signature = self.0.sign(message.as_bytes());
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }
}

fn part(content: &impl Serialize) -> Result<String, AuthError> {
    let json = serde_json::to_vec(content).map_err(AuthError::misconfigured)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

impl fmt::Debug for Es256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Es256Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The key of RFC 7515, appendix A.3. Its thumbprint was computed by `node:crypto`.
    #[test]
    fn public_key_and_thumbprint_follow_the_private_key() {
        let scalar = URL_SAFE_NO_PAD.decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI").unwrap();
        let key = Es256Key::from_bytes(&scalar).unwrap();
        let public: Value = serde_json::to_value(key.public()).unwrap();
        assert_eq!(
            public,
            json!({
                "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
            })
        );
        assert_eq!(key.to_bytes().as_slice(), scalar);
    }

    #[test]
    fn numbers_outside_the_group_are_no_keys() {
        for bytes in [[0; 32], [0xff; 32]] {
            assert!(Es256Key::from_bytes(&bytes).is_none());
        }
        assert!(Es256Key::from_bytes(&[1; 31]).is_none());
    }

    #[test]
    fn keys_are_random() {
        let [one, other] = [Es256Key::random().unwrap(), Es256Key::random().unwrap()];
        assert_ne!(one.public().kid, other.public().kid);
        assert_eq!(format!("{one:?}"), "Es256Key(…)");
    }
}
