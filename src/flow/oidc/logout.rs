//! Whether a logout token is good (OpenID Connect Back-Channel Logout 1.0 §2.6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use openidconnect::{
    JsonWebKey, JsonWebKeyId,
    core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
};
use serde_json::{Map, Value};

use super::{
    Oidc,
    verify::{LEEWAY, Refusal, is_recent, is_subject, latest, moment, payload},
};
use crate::identity::Ended;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// An expiry further away is not believed; the token is remembered until then.
const LONGEST_LIFE: i64 = 3600;

pub(super) fn verify(
    options: &Oidc,
    keys: &CoreJsonWebKeySet,
    token: &str,
    now: Timestamp,
) -> Result<Ended, Refusal> {
    let claims = signed(options, keys, token)?;
    read(options, &claims, now).map_err(|text| Refusal::Bad(text.to_owned()))
}

/// The claims, once the signature is good.
fn signed(
    options: &Oidc,
    keys: &CoreJsonWebKeySet,
    token: &str,
) -> Result<Map<String, Value>, Refusal> {
    let bad = |text: &str| Refusal::Bad(text.to_owned());
    let (message, signature) = token.rsplit_once('.').ok_or_else(|| bad("not a JWT"))?;
    let (header, _) = message.split_once('.').ok_or_else(|| bad("not a JWT"))?;
    let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| bad("not base64url"));
    let header: Map<String, Value> =
        serde_json::from_slice(&decode(header)?).map_err(|_| bad("no header"))?;
    if header.contains_key("crit") {
        return Err(bad("a critical header is not known"));
    }
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
        if !matches!(kind.strip_prefix("application/").unwrap_or(&kind), "logout+jwt" | "jwt") {
            return Err(bad("typ is of something else"));
        }
    }
    let algorithm = header.get("alg").cloned().unwrap_or_default();
    let algorithm: CoreJwsSigningAlgorithm =
        serde_json::from_value(algorithm).map_err(|_| bad("alg is not known"))?;
    if !options.algorithms.iter().any(|own| own.to_jws() == algorithm) {
        return Err(bad("alg was not configured"));
    }
    let named =
        header.get("kid").and_then(Value::as_str).map(|id| JsonWebKeyId::new(id.to_owned()));
    let own = keys.keys().iter().filter(|key| named.is_none() || key.key_id() == named.as_ref());
    let signature = decode(signature)?;
    let good = own
        .filter(|key| key.key_use().is_none_or(openidconnect::JsonWebKeyUse::allows_signature))
        .any(|key| key.verify_signature(&algorithm, message.as_bytes(), &signature).is_ok());
    if !good {
        return Err(Refusal::UnknownKey);
    }
    payload(token).ok_or_else(|| bad("no claims"))
}

fn read(
    options: &Oidc,
    claims: &Map<String, Value>,
    now: Timestamp,
) -> Result<Ended, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let now = moment(now).ok_or("no time of day")?;
    if text("iss") != Some(&options.issuer) {
        return Err("iss");
    }
    let for_us = match claims.get("aud") {
        Some(Value::String(one)) => *one == options.client_id,
        Some(Value::Array(all)) => {
            matches!(&**all, [Value::String(one)] if *one == options.client_id)
        }
        _ => false,
    };
    if !for_us {
        return Err("aud");
    }
    let issued = claims.get("iat").and_then(Value::as_i64).ok_or("iat")?;
    let issued = chrono::DateTime::from_timestamp_secs(issued).ok_or("iat")?;
    is_recent(issued, now).map_err(|_| "iat")?;
    let expiry = claims.get("exp").and_then(Value::as_i64).ok_or("exp")?;
    if expiry <= now.timestamp() - LEEWAY.num_seconds() || expiry > latest(now) + LONGEST_LIFE {
        return Err("exp");
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err("events");
    }
    if claims.contains_key("nonce") {
        return Err("nonce");
    }
    let id = text("jti").filter(|id| !id.is_empty()).ok_or("jti")?.to_owned();
    let (subject, session) = (text("sub").filter(|sub| is_subject(sub)), text("sid"));
    if subject.is_none() && session.is_none_or(str::is_empty) {
        return Err("sub and sid");
    }
    let expires_at = Timestamp::from_second(expiry + LEEWAY.num_seconds()).map_err(|_| "exp")?;
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    Ok(Ended { id, subject: owned(subject), session: owned(session), expires_at })
}
