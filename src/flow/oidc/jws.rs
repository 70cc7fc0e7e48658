//! Signed tokens (RFC 7515): verification of a signature with the keys of the provider and the
//! configured algorithms. Claims are verified elsewhere.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    Algorithm, Oidc,
    claims::{Claims, present, text},
    keys::Keys,
};

/// The reason why a token is rejected.
#[derive(Debug)]
pub(super) enum Refusal {
    /// None of the cached keys can have made the signature.
    UnknownKey,
    /// A cached key can have made the signature and did not.
    WrongSignature,
    /// The algorithm is not allowed.
    Algorithm(String),
    /// The token is invalid.
    Bad(String),
}

impl Refusal {
    /// Returns whether the token may be valid with keys that are not cached.
    pub(super) fn depends_on_keys(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::WrongSignature)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey | Self::WrongSignature => {
                f.write_str("no key of the provider matches the signature")
            }
            Self::Algorithm(text) | Self::Bad(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Self::Bad(text.to_owned())
    }
}

/// The expected kind of token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The allowed values of `typ`, in lowercase and without `application/`.
    pub(super) types: &'static [&'static str],
    /// Whether a token without `typ` is rejected.
    pub(super) is_type_required: bool,
    /// Whether a token without `kid` is rejected if more than one key could have signed it (OpenID
    /// Connect Core §10.1).
    pub(super) kid_if_ambiguous: bool,
}

/// A token with a valid signature.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) algorithm: Algorithm,
    pub(super) claims: Claims,
}

/// Verifies the signature of a token and returns its claims.
///
/// Every matching key is tried, so that two keys with the same `kid` are supported.
pub(super) fn verify(
    options: &Oidc,
    keys: &Keys,
    token: &str,
    expected: Expected,
) -> Result<Signed, Refusal> {
    let (message, signature) = token.rsplit_once('.').ok_or("not a JWT")?;
    let (header, payload) = message.split_once('.').ok_or("not a JWT")?;
    let header = part(header)?;
    if header.contains_key("crit") {
        return Err("the token has an unknown critical header".into());
    }
    if present(&header, "cty").is_some() {
        return Err("the token contains another token".into());
    }
    if let Some(kind) = present(&header, "typ") {
        let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if !expected.types.contains(&kind) {
            return Err("typ is that of another kind of token".into());
        }
    } else if expected.is_type_required {
        return Err("typ is missing".into());
    }
    let algorithm = algorithm(options, &header)?;
    let id = text(&header, "kid");
    let candidates = keys.candidates(id, algorithm);
    if id.is_none() && candidates.len() > 1 && expected.kid_if_ambiguous {
        return Err("the token has no kid, and several keys of the provider match".into());
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "not base64url")?;
    if candidates.is_empty() {
        return Err(Refusal::UnknownKey);
    }
    let mut candidates = candidates.into_iter();
    if !candidates.any(|key| key.verifies(algorithm, message.as_bytes(), &signature)) {
        return Err(Refusal::WrongSignature);
    }
    Ok(Signed { algorithm, claims: part(payload)? })
}

fn algorithm(options: &Oidc, header: &Claims) -> Result<Algorithm, Refusal> {
    let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    let known = name.parse().ok().filter(|own| options.algorithms.contains(own));
    known.ok_or_else(|| {
        let configured: Vec<_> = options.algorithms.iter().map(|own| own.name()).collect();
        let name: String = name.chars().filter(char::is_ascii_graphic).take(20).collect();
        Refusal::Algorithm(format!(
            "the token is signed by {name:?}, but .algorithms(…) allows only {}",
            configured.join(", ")
        ))
    })
}

fn part(text: &str) -> Result<Claims, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "not base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "a part of the token is not a JSON object".into())
}
