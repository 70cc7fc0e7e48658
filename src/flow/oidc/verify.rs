//! Whether an ID token is good (OpenID Connect Core §3.1.3.7).
//!
//! The library checks signature, algorithm, issuer, audience, expiry and nonce; what it leaves
//! to its caller is checked here: the other party, times, `at_hash`, and the subject.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jiff::Timestamp;
use openidconnect::{
    AccessTokenHash, ClaimsVerificationError, ClientId, IssuerUrl, Nonce,
    SignatureVerificationError,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde_json::{Map, Value};

use super::{Algorithm, Oidc, client::Tokens};

/// How far the clocks of two machines may be apart.
pub(super) const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// A token is redeemed in the moment it is made.
const OLDEST: TimeDelta = TimeDelta::minutes(10);
const LONGEST_SUBJECT: usize = 255;

/// Why a token is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Its key is not among those that are known.
    UnknownKey,
    /// It is not good.
    Bad(String),
}

/// The claims of an ID token that is good.
pub(super) fn verify(
    options: &Oidc,
    keys: &CoreJsonWebKeySet,
    tokens: &Tokens,
    nonce: &str,
    now: Timestamp,
) -> Result<Map<String, Value>, Refusal> {
    let bad = |text: &str| Refusal::Bad(text.to_owned());
    let token: CoreIdToken = tokens.id.parse().map_err(|_| bad("not a JWT"))?;
    let moment = moment(now).ok_or_else(|| bad("no time of day"))?;
    let issuer = IssuerUrl::new(options.issuer.clone()).map_err(|_| bad("the issuer is no URL"))?;
    let client = ClientId::new(options.client_id.clone());
    let verifier = CoreIdTokenVerifier::new_public_client(client, issuer, keys.clone())
        .set_allowed_algs(options.algorithms.iter().map(|own| own.to_jws()))
        .set_time_fn(move || moment - LEEWAY)
        .set_other_audience_verifier_fn(|_| false)
        .set_issue_time_verifier_fn(move |issued| is_recent(issued, moment));
    let nonce = Nonce::new(nonce.to_owned());
    let claims = token.claims(&verifier, &nonce).map_err(refusal)?;
    if let Some(own) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|_| bad("no algorithm"))?;
        let key = token.signing_key(&verifier).map_err(|_| bad("no key"))?;
        let hash = AccessTokenHash::from_token(&tokens.access, algorithm, key);
        if hash.ok().as_ref() != Some(own) {
            return Err(bad("at_hash is of another access token"));
        }
    }
    let all = payload(&tokens.id).ok_or_else(|| bad("no claims"))?;
    check_rest(options, &all, moment).map_err(Refusal::Bad)?;
    Ok(all)
}

fn check_rest(
    options: &Oidc,
    claims: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<(), String> {
    match claims.get("azp") {
        None => {}
        Some(Value::String(party)) if *party == options.client_id => {}
        Some(_) => return Err("azp is another client".to_owned()),
    }
    if claims.get("nbf").is_some_and(|nbf| nbf.as_i64().is_none_or(|at| at > latest(now))) {
        return Err("not valid yet".to_owned());
    }
    if !claims.get("sub").and_then(Value::as_str).is_some_and(is_subject) {
        return Err("no subject".to_owned());
    }
    if let Some(age) = options.max_age {
        let proved = claims.get("auth_time").and_then(Value::as_i64).ok_or("no auth_time")?;
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let oldest = now.timestamp().saturating_sub(age).saturating_sub(LEEWAY.num_seconds());
        if proved < oldest || proved > latest(now) {
            return Err("the proof there is too old".to_owned());
        }
    }
    Ok(())
}

pub(super) fn is_subject(text: &str) -> bool {
    (1..=LONGEST_SUBJECT).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

pub(super) fn latest(now: DateTime<Utc>) -> i64 {
    now.timestamp().saturating_add(LEEWAY.num_seconds())
}

pub(super) fn moment(now: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(now.as_millisecond())
}

pub(super) fn is_recent(issued: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    if issued > now + LEEWAY {
        Err("issued in the future".to_owned())
    } else if issued < now - OLDEST {
        Err("issued too long ago".to_owned())
    } else {
        Ok(())
    }
}

fn refusal(error: ClaimsVerificationError) -> Refusal {
    match error {
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        ) => Refusal::UnknownKey,
        // A key that was replaced under its own id.
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::CryptoError(_),
        ) => Refusal::UnknownKey,
        other => Refusal::Bad(other.to_string()),
    }
}

/// The second part of a JWT whose signature is checked elsewhere.
pub(super) fn payload(token: &str) -> Option<Map<String, Value>> {
    let part = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl Algorithm {
    pub(super) fn to_jws(self) -> CoreJwsSigningAlgorithm {
        match self {
            Self::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            Self::Ps256 => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
            Self::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
            Self::Es384 => CoreJwsSigningAlgorithm::EcdsaP384Sha384,
            Self::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
        }
    }
}
