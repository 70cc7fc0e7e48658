//! Judges a request on behalf of a proxy that asks before it forwards the request.

use std::{net::SocketAddr, sync::Arc};

use axum::extract::ConnectInfo;
use http::{HeaderName, request::Parts};

use super::{admit, context::Context, credential::Credential, csrf::ForwardedMethod};
use crate::{error::AuthError, model::Rule, session::AuthUser};

/// The path of the request that a proxy asks about.
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// The method of the request that a proxy asks about.
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

/// Returns the user of the request that a proxy asks about, if a guard with this rule accepts the
/// request. The session is not refreshed, since the response does not reach the browser.
pub(crate) async fn judge(mut parts: Parts, rule: &Rule) -> Result<AuthUser, AuthError> {
    let core = Arc::clone(Context::of(&parts)?.core());
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip().to_canonical());
    let method = match core.proxies.trusts(peer) {
        true => said_by_proxy(&parts),
        false => ForwardedMethod::Unsaid,
    };
    let target = target(&parts).filter(|_| core.proxies.trusts(peer));
    let credential = Credential::forwarded(&core, &parts.headers, method, target);
    parts.extensions.insert(Context::with(&core, credential));
    admit::admit(&parts, rule.wants_proof(), rule, false).await
}

/// Only `GET` and `HEAD`, stated once, are safe.
fn said_by_proxy(parts: &Parts) -> ForwardedMethod {
    let mut lines = parts.headers.get_all(FORWARDED_METHOD).iter();
    match (lines.next(), lines.next()) {
        (None, _) => ForwardedMethod::Unsaid,
        (Some(line), None) if matches!(line.as_bytes(), b"GET" | b"HEAD") => ForwardedMethod::Safe,
        _ => ForwardedMethod::Unsafe,
    }
}

/// Returns the method and the path of the request, each stated once.
fn target(parts: &Parts) -> Option<(&str, &str)> {
    let once = |name| {
        let mut lines = parts.headers.get_all(name).iter();
        let line = lines.next()?.to_str().ok()?;
        lines.next().is_none().then_some(line)
    };
    let uri = once(FORWARDED_URI)?;
    Some((once(FORWARDED_METHOD)?, uri.split('?').next().unwrap_or_default()))
}
