//! Verification of logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6).
//!
//! `iat` may be at most ten minutes ago, so that a token is valid for at most ten minutes,
//! regardless of its `exp`. `exp` was optional until the specification of 2022, and several
//! providers still omit it. Such a token is accepted with a warning in the log, since a sign-out
//! without effect is worse than a token that can be used for ten minutes.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Oidc,
    claims::{Claims, present, seconds, text},
    jws::{self, Expected, Refusal},
    metadata::Known,
    verify::{LEEWAY, OLDEST, check_issued, check_parties, is_subject},
};
use crate::provider::ProviderLogout;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const LOGOUT_TOKEN: Expected =
    Expected { types: &["logout+jwt", "jwt"], is_type_required: false, kid_if_ambiguous: false };

/// Verifies a logout token and returns the sessions it ends.
pub(super) fn verify(
    options: &Oidc,
    known: &Known,
    token: &str,
    now: Timestamp,
) -> Result<ProviderLogout, Refusal> {
    let token = jws::verify(options, &known.keys, token, LOGOUT_TOKEN)?;
    Ok(read(options, &known.metadata.issuer, &token.claims, now)?)
}

fn read(
    options: &Oidc,
    metadata_issuer: &str,
    claims: &Claims,
    now: Timestamp,
) -> Result<ProviderLogout, &'static str> {
    check_parties(options, metadata_issuer, claims, false)?;
    let now = now.as_second();
    let mut until = check_issued(claims, now)?.saturating_add(OLDEST);
    match present(claims, "exp") {
        None => tracing::warn!(
            provider = %options.id,
            "a logout token has no exp, which Back-Channel Logout 1.0 requires; iat limits it"
        ),
        Some(expiry) => {
            let expiry = seconds(expiry).ok_or("exp is not a number")?;
            if expiry <= now.saturating_sub(LEEWAY) {
                return Err("the token has expired");
            }
            until = until.min(expiry);
        }
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err("events has no back-channel logout");
    }
    if claims.contains_key("nonce") {
        return Err("a logout token must not have a nonce");
    }
    let id = text(claims, "jti").ok_or("jti is missing")?.to_owned();
    let subject = text(claims, "sub").filter(|subject| is_subject(subject));
    let session = text(claims, "sid");
    if subject.is_none() && session.is_none() {
        return Err("sub and sid are missing");
    }
    let expires_at = Timestamp::from_second(until.saturating_add(LEEWAY).saturating_add(1));
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    Ok(ProviderLogout {
        id,
        subject: owned(subject),
        session: owned(session),
        issuer: owned(text(claims, "iss")),
        expires_at: expires_at.map_err(|_| "iat is not a valid time")?,
    })
}
