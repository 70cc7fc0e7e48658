//! The key set of a provider (RFC 7517), parsed leniently.
//!
//! A key that cannot be used is skipped: an unsupported type, curve or algorithm, `use` other than
//! `sig`, or missing parameters. Empty and null members are treated as absent. Identical keys are
//! one key.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use openidconnect::{
    JsonWebKey,
    core::{CoreJsonCurveType, CoreJsonWebKey},
};
use p521::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use serde_json::Value;

use super::{
    Algorithm,
    algorithm::Family,
    claims::{list, text},
};

/// Base64url of key parameters, with or without padding.
const NUMBER: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The keys of a provider that can verify signatures.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<Key>);

/// A key that can verify signatures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    family: Family,
    public: Public,
}

#[derive(Clone, Debug, PartialEq)]
enum Public {
    Core(Box<CoreJsonWebKey>),
    /// The curve that `openidconnect` does not implement.
    P521(Box<VerifyingKey>),
}

impl Keys {
    /// Parses a key set.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no list of keys.
    pub(super) fn read(set: &Value) -> Result<Self, &'static str> {
        let all = set.get("keys").and_then(Value::as_array).ok_or("the key set has no keys")?;
        let mut keys: Vec<Key> = Vec::new();
        for key in all.iter().filter_map(Key::read) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(Self(keys))
    }

    /// Returns the keys that may have made a signature: those for the algorithm and, if the token
    /// has one, with the key id.
    pub(super) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<&Key> {
        let fits = |key: &&Key| {
            (id.is_none() || key.id.as_deref() == id)
                && key.family == algorithm.family()
                && key.algorithm.is_none_or(|own| own == algorithm)
        };
        self.0.iter().filter(fits).collect()
    }
}

impl Key {
    fn read(key: &Value) -> Option<Self> {
        let key = key.as_object()?;
        if text(key, "use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let operations = list(key, "key_ops");
        if !operations.is_empty() && !operations.contains(&"verify") {
            return None;
        }
        let algorithm = text(key, "alg").map(str::parse).transpose().ok()?;
        let number = |name| NUMBER.decode(text(key, name)?).ok();
        let point = |size| Some((padded(number("x")?, size)?, padded(number("y")?, size)?));
        let core = |key| Public::Core(Box::new(key));
        let (family, public) = match (text(key, "kty")?, text(key, "crv")) {
            ("RSA", _) => {
                let key = CoreJsonWebKey::new_rsa(number("n")?, number("e")?, None);
                (Family::Rsa, core(key))
            }
            ("EC", Some("P-256")) => {
                let (x, y) = point(32)?;
                (Family::P256, core(CoreJsonWebKey::new_ec(x, y, CoreJsonCurveType::P256, None)))
            }
            ("EC", Some("P-384")) => {
                let (x, y) = point(48)?;
                (Family::P384, core(CoreJsonWebKey::new_ec(x, y, CoreJsonCurveType::P384, None)))
            }
            ("EC", Some("P-521")) => {
                let (x, y) = point(66)?;
                let key = VerifyingKey::from_sec1_bytes(&[&[4], &*x, &*y].concat()).ok()?;
                (Family::P521, Public::P521(Box::new(key)))
            }
            ("OKP", Some("Ed25519")) => {
                let key = CoreJsonWebKey::new_okp(number("x")?, CoreJsonCurveType::Ed25519, None);
                (Family::Ed25519, core(key))
            }
            _ => return None,
        };
        Some(Self { id: text(key, "kid").map(ToOwned::to_owned), algorithm, family, public })
    }

    /// Returns whether this key made a signature.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Core(key) => {
                key.verify_signature(&algorithm.to_core(), message, signature).is_ok()
            }
            Public::P521(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

/// Returns a coordinate in its full length, since some providers omit leading zeros.
fn padded(number: Vec<u8>, size: usize) -> Option<Vec<u8>> {
    let missing = size.checked_sub(number.len())?;
    Some([vec![0; missing], number].concat())
}
