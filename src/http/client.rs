//! The IP address, the user agent and the language of the client.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use http::{Extensions, HeaderMap, HeaderValue, header, request::Parts};

use super::context::Context;
use crate::{
    error::AuthError,
    model::{ClientInfo, accept::preferred},
    services::Core,
};

const LONGEST_USER_AGENT: usize = 256;
/// The maximum length of a language tag (RFC 5646 §4.4.1).
const LONGEST_LANGUAGE: usize = 35;

/// Takes the IP address from the socket, if the server was started with
/// `into_make_service_with_connect_info::<SocketAddr>()`, and from the header of the trusted proxies
/// as far as they added it.
#[derive(Debug)]
pub(crate) struct ClientOf(pub(crate) ClientInfo);

impl<S: Send + Sync> FromRequestParts<S> for ClientOf {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Ok(Self(client_of(parts, Context::of(parts)?.core())))
    }
}

/// The client of a request to the routes of this crate.
#[derive(Clone, Debug)]
struct Determined(ClientInfo);

/// Returns the client of a request to the routes of this crate, and stores it for
/// [`client_of`].
pub(super) fn determine(request: &mut Request, core: &Core) -> ClientInfo {
    let client = read(request.extensions(), request.headers(), core);
    request.extensions_mut().insert(Determined(client.clone()));
    client
}

/// Returns what is known about the client of a request.
pub(super) fn client_of(parts: &Parts, core: &Core) -> ClientInfo {
    match parts.extensions.get::<Determined>() {
        Some(Determined(client)) => client.clone(),
        None => read(&parts.extensions, &parts.headers, core),
    }
}

fn read(extensions: &Extensions, headers: &HeaderMap, core: &Core) -> ClientInfo {
    let socket = extensions.get::<ConnectInfo<SocketAddr>>();
    let agent = headers.get(header::USER_AGENT);
    let proxies = &core.proxies;
    if socket.is_none() && core.limits.is_enabled() && !proxies.has_unix() {
        core.logged.nameless.get_or_init(|| {
            tracing::warn!(
                "requests have no client IP address, and limits by network do not apply: serve \
                     with into_make_service_with_connect_info::<SocketAddr>(), or behind a Unix \
                     socket add .trusted_proxy(\"unix\")"
            );
        });
    }
    let ip = proxies.client(socket.map(|ConnectInfo(address)| address.ip()), headers);
    if let Some(ip) = ip.filter(|_| core.limits.is_enabled() && core.origins.is_secure()) {
        let named = || proxies.naming_another(headers, ip);
        core.logged.clients.note(ip, named);
    }
    ClientInfo {
        ip: ip.map(|ip| ip.to_string()),
        user_agent: agent.map(|value| printable(value.as_bytes())),
        language: headers.get(header::ACCEPT_LANGUAGE).and_then(|accept| language(accept, core)),
    }
}

/// Returns the language that a client prefers of those that messages have, or else of all.
fn language(header: &HeaderValue, core: &Core) -> Option<String> {
    let is_tag = |tag: &&str| {
        tag.len() <= LONGEST_LANGUAGE
            && tag.starts_with(|first: char| first.is_ascii_alphabetic())
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let mut tags = preferred(header.to_str().ok()?);
    tags.retain(is_tag);
    let is_known = |tag: &&&str| core.outbox.as_ref().is_some_and(|own| own.has_language(tag));
    tags.iter().find(is_known).or(tags.first()).map(|tag| (*tag).to_owned())
}

/// Returns text without control characters, which could break a log line or a page (LG-04).
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_USER_AGENT)
        .collect()
}
