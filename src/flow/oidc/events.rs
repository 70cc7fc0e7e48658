//! Verification of Security Event Tokens (RFC 8417, RFC 8935) and of the notifications of Apple.
//!
//! Signature, issuer and audience are verified as those of an ID token. `typ` is required, so that
//! no other token of the provider is one of these; a notification of Apple has none. The age is
//! limited by `iat`, since these tokens have no `exp`. A subject is taken only if it has the issuer
//! of the token.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Oidc,
    claims::{Claims, seconds, text},
    jws::{self, Expected, Refusal},
    metadata::Known,
    tenants,
    verify::{LEEWAY, check_audience, check_issuer, is_subject},
};
use crate::provider::{EventFormat, EventRejection, ProviderEvent, ProviderEvents};

/// The maximum age in seconds.
const OLDEST: i64 = 7 * 24 * 3600;

/// The names that the notifications of Apple have for the deletion of an account.
const APPLE_DELETED: &[&str] = &["account-delete", "account-deleted"];

type Rejected = (EventRejection, &'static str);

const fn expected(format: EventFormat) -> Expected {
    Expected {
        types: &["secevent+jwt"],
        kid_if_ambiguous: false,
        is_type_required: matches!(format, EventFormat::Standard),
    }
}

/// Verifies a token and returns its events. The inner error is that of a token with a valid
/// signature.
pub(super) fn verify(
    options: &Oidc,
    known: &Known,
    token: &str,
    format: EventFormat,
    now: Timestamp,
) -> Result<Result<ProviderEvents, Rejected>, Refusal> {
    let claims = jws::verify(options, &known.keys, token, expected(format))?.claims;
    Ok(read(options, &known.metadata.issuer, &claims, format, now))
}

/// Returns the reason for the response to a token without a valid signature.
pub(super) fn rejection_of(refusal: &Refusal) -> EventRejection {
    match refusal {
        Refusal::UnknownKey => EventRejection::InvalidKey,
        Refusal::WrongSignature | Refusal::Algorithm(_) => EventRejection::AuthenticationFailed,
        Refusal::Bad(_) => EventRejection::InvalidRequest,
    }
}

fn read(
    options: &Oidc,
    metadata_issuer: &str,
    claims: &Claims,
    format: EventFormat,
    now: Timestamp,
) -> Result<ProviderEvents, Rejected> {
    let invalid = |cause| (EventRejection::InvalidRequest, cause);
    let is_main = !tenants::is_template(metadata_issuer)
        && text(claims, "iss")
            .is_some_and(|iss| without_slash(iss) == without_slash(&options.issuer));
    if !is_main {
        let issuer = check_issuer(options, metadata_issuer, claims);
        issuer.map_err(|cause| (EventRejection::InvalidIssuer, cause))?;
    }
    let audience = check_audience(options, claims, false);
    audience.map_err(|cause| (EventRejection::InvalidAudience, cause))?;
    let issued_at = issued_at(claims, now).map_err(invalid)?;
    let id = text(claims, "jti").ok_or(invalid("jti is missing"))?;
    let events = events(claims, format).map_err(invalid)?;
    let all = ProviderEvents::new(id, issued_at);
    Ok(events.into_iter().fold(all, |all, event| {
        let own = text(claims, "iss").filter(|iss| !is_main && *iss != options.issuer);
        all.event(own.into_iter().fold(event, ProviderEvent::issuer))
    }))
}

/// Returns an issuer without a final slash, which events of Google have and its ID tokens have not.
fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

/// Returns the time of `iat`, to the millisecond.
fn issued_at(claims: &Claims, now: Timestamp) -> Result<Timestamp, &'static str> {
    let iat = claims.get("iat").ok_or("iat is missing")?;
    let whole = seconds(iat).ok_or("iat is not a number")?;
    let now = now.as_second();
    if whole > now.saturating_add(LEEWAY) {
        return Err("the token was issued in the future");
    }
    if whole < now.saturating_sub(OLDEST) {
        return Err("the token was issued too long ago");
    }
    // Of a number within these limits.
    let millis = iat.as_f64().map_or(0, |own| (own.fract() * 1000.0) as i64);
    let millis = whole.saturating_mul(1000).saturating_add(millis.clamp(0, 999));
    Timestamp::from_millisecond(millis).map_err(|_| "iat is not a valid time")
}

fn events(claims: &Claims, format: EventFormat) -> Result<Vec<ProviderEvent>, &'static str> {
    let given = claims.get("events").ok_or("events is missing")?;
    let parsed: Value;
    let given = match given {
        Value::String(json) if format == EventFormat::Apple => {
            parsed = serde_json::from_str(json).map_err(|_| "events is not JSON")?;
            &parsed
        }
        other => other,
    };
    let given = given.as_object().ok_or("events is not an object")?;
    if format == EventFormat::Apple
        && let Some(kind) = text(given, "type")
    {
        return Ok(vec![of_apple(kind, given)]);
    }
    if given.is_empty() {
        return Err("events has no event");
    }
    let events = given.iter().map(|(kind, payload)| {
        let payload = payload.as_object().ok_or("an event is not an object")?;
        let subject = [claims.get("sub_id"), payload.get("subject")];
        let subject = subject.into_iter().flatten().find_map(|own| subject_of(own, claims));
        let event = subject.into_iter().fold(ProviderEvent::new(kind), ProviderEvent::subject);
        Ok(text(payload, "reason").into_iter().fold(event, ProviderEvent::reason))
    });
    events.collect()
}

/// Returns the event of a notification of Apple, which has a name in place of a URI.
fn of_apple(kind: &str, event: &Claims) -> ProviderEvent {
    let kind = if APPLE_DELETED.contains(&kind) { "account-deleted" } else { kind };
    let subject = text(event, "sub").filter(|subject| is_subject(subject));
    subject.into_iter().fold(ProviderEvent::new(kind), ProviderEvent::subject)
}

/// Returns the subject of an identifier in the format `iss_sub` (RFC 9493 §3.2.4), also in the form
/// of earlier drafts, or that of the member `user` of a complex one. It must have the issuer of the
/// token.
fn subject_of<'a>(identifier: &'a Value, claims: &Claims) -> Option<&'a str> {
    let identifier = identifier.as_object()?;
    let format = identifier.get("format").and_then(Value::as_str);
    let early = identifier.get("subject_type").and_then(Value::as_str);
    if format == Some("iss_sub") || format.is_none() && early == Some("iss-sub") {
        let issuer = |claims| text(claims, "iss").map(without_slash);
        let is_own = issuer(identifier) == issuer(claims);
        return text(identifier, "sub").filter(|subject| is_own && is_subject(subject));
    }
    let is_complex = format.or(early).is_none_or(|own| own == "complex");
    let user = identifier.get("user").filter(|_| is_complex)?;
    let is_simple = user.get("user").is_none();
    if is_simple { subject_of(user, claims) } else { None }
}
