//! Public keys of proofs (RFC 7517, RFC 7518 §6, RFC 8037).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The members of private and symmetric keys.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 4096;
/// The maximum length of the exponent, in bytes.
const MAX_EXPONENT: usize = 4;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Es256,
    Rs256,
    EdDsa,
}

impl Algorithm {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            // The second name is that of RFC 9864.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Jwk {
    /// P-256: the coordinates.
    Ec([u8; 32], [u8; 32]),
    /// RSA with 2048 to 4096 bits: modulus and exponent, without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
    /// Ed25519.
    Ed([u8; 32]),
}

impl Jwk {
    /// Reads a public key. Returns `None` for other kinds of keys, and for private keys.
    pub(crate) fn read(jwk: &Value) -> Option<Self> {
        let jwk = jwk.as_object()?;
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return None;
        }
        let curve = jwk.get("crv").and_then(Value::as_str);
        match (jwk.get("kty")?.as_str()?, curve) {
            ("EC", Some("P-256")) => Some(Self::Ec(array(jwk, "x")?, array(jwk, "y")?)),
            ("OKP", Some("Ed25519")) => Some(Self::Ed(array(jwk, "x")?)),
            ("RSA", _) => {
                let (modulus, exponent) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
                let bits =
                    modulus.len() * 8 - usize::try_from(modulus.first()?.leading_zeros()).ok()?;
                let is_supported = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits)
                    && modulus.first() != Some(&0)
                    && (1..=MAX_EXPONENT).contains(&exponent.len())
                    && exponent.first() != Some(&0);
                is_supported.then_some(Self::Rsa(modulus, exponent))
            }
            _ => None,
        }
    }

    /// Returns the key with its required members alone.
    pub(crate) fn to_json(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(x, y) => json!({"crv": "P-256", "kty": "EC", "x": text(x), "y": text(y)}),
            Self::Rsa(n, e) => json!({"e": text(e), "kty": "RSA", "n": text(n)}),
            Self::Ed(x) => json!({"crv": "Ed25519", "kty": "OKP", "x": text(x)}),
        }
    }

    /// Returns the thumbprint (RFC 7638) in base64url.
    pub(crate) fn thumbprint(&self) -> String {
        // `to_json` has the required members, in lexicographic order.
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.to_json().to_string()))
    }

    /// Returns whether a signature is valid. An algorithm of another kind of key verifies nothing.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, algorithm) {
            (Self::Ec(x, y), Algorithm::Es256) => {
                let point = [&[4][..], x, y].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::Rsa(n, e), Algorithm::Rs256) => RsaPublicKeyComponents { n, e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            (Self::Ed(x), Algorithm::EdDsa) => {
                UnparsedPublicKey::new(&ED25519, x).verify(message, signature)
            }
            _ => return false,
        };
        verified.is_ok()
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok().filter(|bytes| !bytes.is_empty())
}

fn array<const N: usize>(jwk: &Map<String, Value>, name: &str) -> Option<[u8; N]> {
    bytes(jwk, name)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638 §3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

    #[test]
    fn thumbprint_is_that_of_the_standard() {
        let key = Jwk::read(&json!({"kty": "RSA", "n": N, "e": "AQAB", "alg": "RS256"})).unwrap();
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 §A.3
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = Jwk::read(&json!({"kty": "OKP", "crv": "Ed25519", "x": x})).unwrap();
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(Jwk::read(&key.to_json()), Some(key));
    }

    #[test]
    fn only_public_keys_of_a_sufficient_size_are_read() {
        let rsa = |bytes: &[u8]| {
            let n = URL_SAFE_NO_PAD.encode(bytes);
            Jwk::read(&json!({"kty": "RSA", "n": n, "e": "AQAB"})).is_some()
        };
        assert!(rsa(&[0xff; 256]) && rsa(&[0xff; 512]));
        assert!(!rsa(&[0xff; 128]) && !rsa(&[0x7f; 256]) && !rsa(&[0xff; 513]));
        assert!(!rsa(&[&[0], &[0xff; 256][..]].concat()), "leading zero");
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        let ec = json!({"kty": "EC", "crv": "P-256", "x": x, "y": x});
        assert!(Jwk::read(&ec).is_some());
        for (name, value) in
            [("d", json!(x)), ("crv", json!("P-384")), ("x", json!("AA")), ("kty", json!("oct"))]
        {
            let mut other = ec.clone();
            other[name] = value;
            assert!(Jwk::read(&other).is_none(), "{name}");
        }
    }
}
