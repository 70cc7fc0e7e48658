//! Verification of ID tokens (OpenID Connect Core §3.1.3.7).
//!
//! Signature, type, issuer, audience, authorized party, times, nonce, `at_hash` and subject are
//! verified strictly. Other claims cannot cause a rejection, regardless of their type.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    Algorithm, Oidc,
    claims::{Claims, present, seconds, text},
    client::Tokens,
    jws::{self, Expected, Refusal},
    metadata::Known,
    tenants,
};

/// The allowed clock skew in seconds, for all times of a provider (`exp`, `iat`, `nbf`,
/// `auth_time`).
pub(super) const LEEWAY: i64 = 60;
/// The maximum age of a token in seconds. A token is used immediately after it is issued.
pub(super) const OLDEST: i64 = 600;
const LONGEST_SUBJECT: usize = 255;
const ID_TOKEN: Expected =
    Expected { types: &["jwt", "jose"], is_type_required: false, kid_if_ambiguous: true };

/// Verifies an ID token and returns its claims.
pub(super) fn verify(
    options: &Oidc,
    known: &Known,
    tokens: &Tokens,
    nonce: &str,
    now: Timestamp,
) -> Result<Claims, Refusal> {
    let token = jws::verify(options, &known.keys, &tokens.id, ID_TOKEN)?;
    let claims = token.claims;
    check_parties(options, &known.metadata.issuer, &claims, true)?;
    tenants::check_tenant(options, &known.metadata.issuer, &claims)?;
    check_times(&claims, now)?;
    check_nonce(options, &claims, nonce)?;
    check_access_token(token.algorithm, &claims, &tokens.access)?;
    check_subject(&claims)?;
    check_proof(options, &claims, now)?;
    Ok(claims)
}

fn check_subject(claims: &Claims) -> Result<(), &'static str> {
    match claims.get("sub").and_then(Value::as_str).is_some_and(is_subject) {
        true => Ok(()),
        false => Err("sub is missing, or is not 1 to 255 ASCII characters"),
    }
}

pub(super) fn check_issuer(
    options: &Oidc,
    metadata_issuer: &str,
    claims: &Claims,
) -> Result<(), &'static str> {
    let iss = text(claims, "iss");
    match iss.is_some_and(|iss| tenants::is_issuer(options, metadata_issuer, iss)) {
        true => Ok(()),
        false => Err("iss is not the configured issuer, or not that of an allowed tenant"),
    }
}

/// Verifies an ID token that a native application got from the provider, and returns its claims.
/// `at_hash` and `c_hash` are not looked at, since there is no access token and no code.
pub(super) fn verify_native(
    options: &Oidc,
    known: &Known,
    token: &str,
    nonce: &str,
    now: Timestamp,
) -> Result<Claims, Refusal> {
    let claims = jws::verify(options, &known.keys, token, ID_TOKEN)?.claims;
    check_issuer(options, &known.metadata.issuer, &claims)?;
    tenants::check_tenant(options, &known.metadata.issuer, &claims)?;
    let is_own = |one: &Value| {
        let is = |text: &str| {
            text == options.client_id || options.native_audiences.iter().any(|own| own == text)
        };
        one.as_str().is_some_and(is)
    };
    let audience = match claims.get("aud") {
        Some(Value::Array(all)) => all.first().filter(|_| all.len() == 1),
        one => one,
    };
    if !audience.is_some_and(is_own) {
        return Err("aud is not this client, and not one of .id_token_audiences(…)".into());
    }
    if present(&claims, "azp").is_some_and(|party| !is_own(party)) {
        return Err("azp is another client".into());
    }
    check_times(&claims, now)?;
    let hashed = hex(&Sha256::digest(nonce));
    let is_hashed = |text: &str| text.eq_ignore_ascii_case(&hashed);
    if !text(&claims, "nonce").is_some_and(|own| own == nonce || is_hashed(own)) {
        return Err("nonce is missing or that of another sign-in".into());
    }
    check_subject(&claims)?;
    check_proof(options, &claims, now)?;
    Ok(claims)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Checks issuer, audience and authorized party. Additional audiences must be configured; an ID
/// token with several audiences must then have this client as `azp`.
pub(super) fn check_parties(
    options: &Oidc,
    metadata_issuer: &str,
    claims: &Claims,
    party_required: bool,
) -> Result<(), &'static str> {
    check_issuer(options, metadata_issuer, claims)?;
    check_audience(options, claims, party_required)
}

/// Checks audience and authorized party, as [`check_parties`] does.
pub(super) fn check_audience(
    options: &Oidc,
    claims: &Claims,
    party_required: bool,
) -> Result<(), &'static str> {
    let all = match claims.get("aud") {
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let is_own = |one: &Value| one.as_str() == Some(&options.client_id);
    let is_further = |one: &Value| {
        one.as_str().is_some_and(|one| options.audiences.iter().any(|own| own == one))
    };
    if !all.iter().any(is_own) {
        return Err("aud is not this client");
    }
    if !all.iter().all(|one| is_own(one) || is_further(one)) {
        return Err("aud has an audience that is not allowed with .additional_audience(…)");
    }
    match present(claims, "azp") {
        Some(party) if is_own(party) => Ok(()),
        Some(_) => Err("azp is another client"),
        None if party_required && !all.iter().all(is_own) => {
            Err("aud has several audiences, and azp is missing")
        }
        None => Ok(()),
    }
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
    let now = now.as_second();
    let expiry = claims.get("exp").and_then(seconds).ok_or("exp is missing or not a number")?;
    if expiry <= now.saturating_sub(LEEWAY) {
        return Err("the token has expired");
    }
    check_issued(claims, now)?;
    match present(claims, "nbf").map(seconds) {
        None => Ok(()),
        Some(Some(at)) if at <= now.saturating_add(LEEWAY) => Ok(()),
        Some(_) => Err("nbf is in the future or not a number"),
    }
}

/// Checks `iat` and returns it.
pub(super) fn check_issued(claims: &Claims, now: i64) -> Result<i64, &'static str> {
    let issued = claims.get("iat").and_then(seconds).ok_or("iat is missing or not a number")?;
    if issued > now.saturating_add(LEEWAY) {
        Err("the token was issued in the future")
    } else if issued < now.saturating_sub(OLDEST) {
        Err("the token was issued too long ago")
    } else {
        Ok(issued)
    }
}

fn check_nonce(options: &Oidc, claims: &Claims, nonce: &str) -> Result<(), &'static str> {
    let matches = |text: &str| bool::from(text.as_bytes().ct_eq(nonce.as_bytes()));
    match present(claims, "nonce") {
        Some(Value::String(own)) if matches(own) => Ok(()),
        Some(_) => Err("nonce is that of another request"),
        None if options.without_nonce => Ok(()),
        None => Err("nonce is missing"),
    }
}

fn check_access_token(
    algorithm: Algorithm,
    claims: &Claims,
    access: &str,
) -> Result<(), &'static str> {
    let Some(own) = present(claims, "at_hash") else { return Ok(()) };
    let hash = algorithm.hash(access.as_bytes());
    let half = hash.get(..hash.len() / 2).unwrap_or_default();
    if own.as_str() == Some(&URL_SAFE_NO_PAD.encode(half)) {
        Ok(())
    } else {
        Err("at_hash is that of another access token")
    }
}

/// Checks the time of authentication if `max_age` is set.
fn check_proof(options: &Oidc, claims: &Claims, now: Timestamp) -> Result<(), &'static str> {
    let Some(age) = options.max_age else { return Ok(()) };
    let proved = claims.get("auth_time").and_then(seconds);
    let proved = proved.ok_or("max_age was requested, and auth_time is missing or not a number")?;
    let (now, age) = (now.as_second(), i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    let oldest = now.saturating_sub(age).saturating_sub(LEEWAY);
    if proved < oldest || proved > now.saturating_add(LEEWAY) {
        return Err("auth_time is older than max_age, or in the future");
    }
    Ok(())
}

pub(super) fn is_subject(text: &str) -> bool {
    (1..=LONGEST_SUBJECT).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}
