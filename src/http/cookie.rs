//! Our cookies: their names, how they are read, set and cleared.
//!
//! Names carry the `__Host-` prefix, so a browser keeps them to one host, on `/`, over
//! HTTPS (RFC 6265bis §4.1.3.2). They are read byte for byte, without case folding,
//! trimming or `$Version`; one that comes twice is ambiguous.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tower_cookies::{
    Cookie,
    cookie::{SameSite, time},
};

use crate::{auth::Core, crypto::token::PlainToken, model::Transport, session::Issued};

/// One of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Access,
    Refresh,
    Device,
}

/// What a request holds under a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent<'a> {
    Nothing,
    Once(&'a str),
    Twice,
}

impl Name {
    fn text(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Access, true) => "__Host-auth",
            (Self::Refresh, true) => "__Host-auth-refresh",
            (Self::Device, true) => "__Host-auth-device",
            (Self::Access, false) => "auth",
            (Self::Device, false) => "auth-device",
            (Self::Refresh, false) => "auth-refresh",
        }
    }
}

/// Finds a cookie in all `Cookie` headers, without a copy.
pub(crate) fn read(headers: &HeaderMap, name: Name, secure: bool) -> Sent<'_> {
    let name = name.text(secure).as_bytes();
    let mut sent = Sent::Nothing;
    for pair in pairs(headers) {
        let Some(value) = pair.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"=")) else {
            continue;
        };
        if sent != Sent::Nothing {
            return Sent::Twice;
        }
        sent = Sent::Once(std::str::from_utf8(value).unwrap_or_default());
    }
    sent
}

/// The refresh token that the browser keeps, where cookies are on and it is sent once.
pub(crate) fn refresh_token<'a>(core: &Core, headers: &'a HeaderMap) -> Option<&'a str> {
    core.sessions.options().transport(Some(Transport::Cookie)).ok()?;
    match read(headers, Name::Refresh, core.origins.is_secure()) {
        Sent::Once(text) => Some(text),
        Sent::Nothing | Sent::Twice => None,
    }
}

/// The token of a remembered device, where cookies are on.
pub(crate) fn device_token(core: &Core, headers: &HeaderMap) -> Option<String> {
    core.sessions.options().transport(Some(Transport::Cookie)).ok()?;
    match read(headers, Name::Device, core.origins.is_secure()) {
        Sent::Once(text) => Some(text.to_owned()),
        Sent::Nothing | Sent::Twice => None,
    }
}

/// The header that lets a browser remember its device token.
pub(crate) fn set_device(core: &Core, token: &PlainToken, life: Duration) -> HeaderValue {
    set(core, Name::Device, token, life)
}

const FLOW: &str = "auth-flow-";
const MOST_FLOWS: usize = 5;
const FLOW_LIFE: time::Duration = time::Duration::minutes(10);

fn flow_prefix(core: &Core) -> String {
    format!("{}{FLOW}", if core.origins.is_secure() { "__Host-" } else { "" })
}

/// The secrets of the sign-ins by a provider that this browser began, oldest first.
fn flows<'a>(core: &Core, headers: &'a HeaderMap) -> Vec<(&'a str, &'a str)> {
    let prefix = flow_prefix(core);
    let mut own: Vec<_> = pairs(headers)
        .filter_map(|pair| std::str::from_utf8(pair.strip_prefix(prefix.as_bytes())?).ok())
        .filter_map(|pair| pair.split_once('='))
        .filter(|(id, _)| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        .collect();
    own.sort_unstable();
    own
}

/// The pairs of all `Cookie` headers. Those of other applications may hold any bytes.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.map(|pair| pair.strip_prefix(b" ").unwrap_or(pair))
}

/// The secret of one such sign-in, where it is sent once.
pub(crate) fn flow_secret<'a>(core: &Core, headers: &'a HeaderMap, tag: &str) -> Option<&'a str> {
    let all = flows(core, headers);
    let mut own = all.iter().filter(|(id, _)| id.ends_with(tag));
    match (own.next(), own.next()) {
        (Some((_, secret)), None) => Some(secret),
        _ => None,
    }
}

/// The headers that let the browser keep the secret of a sign-in, and forget the oldest when
/// it keeps too many. Names begin with the time, so that the oldest is known.
pub(crate) fn set_flow(
    core: &Core,
    headers: &HeaderMap,
    id: &str,
    secret: &PlainToken,
) -> Vec<HeaderValue> {
    let (all, prefix) = (flows(core, headers), flow_prefix(core));
    let beyond = (all.len() + 1).saturating_sub(MOST_FLOWS);
    let oldest = all.iter().take(beyond).filter(|(old, _)| *old != id);
    let mut lines: Vec<_> = oldest.map(|(old, _)| clear_named(core, &prefix, old)).collect();
    let cookie = Cookie::build((format!("{prefix}{id}"), secret.expose().to_owned()));
    lines.push(render(core, cookie, FLOW_LIFE));
    lines
}

/// The headers that make the browser forget the secret of a sign-in.
pub(crate) fn clear_flow(core: &Core, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
    let (all, prefix) = (flows(core, headers), flow_prefix(core));
    let own = all.iter().filter(|(id, _)| id.ends_with(tag));
    own.map(|(id, _)| clear_named(core, &prefix, id)).collect()
}

fn clear_named(core: &Core, prefix: &str, id: &str) -> HeaderValue {
    render(core, Cookie::build(format!("{prefix}{id}")), time::Duration::ZERO)
}

/// The headers that hand both tokens to the browser.
pub(crate) fn set_both(core: &Core, issued: &Issued) -> [HeaderValue; 2] {
    [
        set(core, Name::Access, &issued.access, issued.access_life()),
        set(core, Name::Refresh, &issued.refresh, issued.refresh_life()),
    ]
}

/// Whether a response sets or clears one of our cookies already.
pub(crate) fn is_set(core: &Core, headers: &HeaderMap) -> bool {
    let secure = core.origins.is_secure();
    headers.get_all(header::SET_COOKIE).iter().any(|line| {
        [Name::Access, Name::Refresh].into_iter().any(|name| {
            let rest = line.as_bytes().strip_prefix(name.text(secure).as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        })
    })
}

/// The header that hands a token to the browser.
fn set(core: &Core, name: Name, token: &PlainToken, life: Duration) -> HeaderValue {
    let life = time::Duration::try_from(life).unwrap_or(time::Duration::MAX);
    render(
        core,
        Cookie::build((name.text(core.origins.is_secure()), token.expose().to_owned())),
        life,
    )
}

/// The header that makes the browser forget a cookie: the same attributes, no life.
pub(crate) fn clear(core: &Core, name: Name) -> HeaderValue {
    render(core, Cookie::build(name.text(core.origins.is_secure())), time::Duration::ZERO)
}

fn render(
    core: &Core,
    cookie: tower_cookies::cookie::CookieBuilder<'static>,
    life: time::Duration,
) -> HeaderValue {
    let cookie = cookie
        .path("/")
        .http_only(true)
        .secure(core.origins.is_secure())
        .same_site(SameSite::Lax)
        .max_age(life)
        .build();
    let mut value =
        HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_exact_name_alone() {
        // CK-04, CK-05
        let table: &[(&str, Vec<&[u8]>, Sent<'_>)] = &[
            ("none", vec![], Sent::Nothing),
            ("alone", vec![b"__Host-auth=x"], Sent::Once("x")),
            ("among others", vec![b"a=b; __Host-auth=x; c=d"], Sent::Once("x")),
            ("on the second line", vec![b"a=b", b"__Host-auth=x"], Sent::Once("x")),
            ("twice", vec![b"__Host-auth=x; __Host-auth=y"], Sent::Twice),
            ("twice over two lines", vec![b"__Host-auth=x", b"__Host-auth=x"], Sent::Twice),
            ("other case", vec![b"__host-auth=x"], Sent::Nothing),
            ("longer name", vec![b"__Host-auth-refresh=x"], Sent::Nothing),
            ("prefixed name", vec![b"x__Host-auth=x"], Sent::Nothing),
            ("wide space", vec!["\u{2000}__Host-auth=x".as_bytes()], Sent::Nothing),
            ("tab", vec![b"\t__Host-auth=x"], Sent::Nothing),
            ("space before the sign", vec![b"__Host-auth =x"], Sent::Nothing),
            ("legacy version", vec![b"$Version=1,__Host-auth=x"], Sent::Nothing),
            ("no value", vec![b"__Host-auth"], Sent::Nothing),
            ("not UTF-8 beside it", vec![b"a=\xff\xfe; __Host-auth=x; \xe4=b"], Sent::Once("x")),
            ("not UTF-8 itself", vec![b"__Host-auth=\xff"], Sent::Once("")),
        ];
        for (name, lines, found) in table {
            let headers: HeaderMap = lines
                .iter()
                .map(|line| (header::COOKIE, HeaderValue::from_bytes(line).unwrap()))
                .collect();
            assert_eq!(read(&headers, Name::Access, true), *found, "{name}");
        }
    }
}
