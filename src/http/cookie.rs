//! The cookies of this crate: names, reading, setting and clearing.
//!
//! Names have the `__Host-` prefix, so a browser restricts them to one host, to `/`, and to HTTPS
//! (RFC 6265bis §4.1.3.2); with a domain, the prefix is `__Secure-`. Cookies are read byte for
//! byte, without case folding, trimming or `$Version`. A cookie that is sent twice is ambiguous.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use tower_cookies::{
    Cookie,
    cookie::{SameSite as Attribute, time},
};

use crate::{
    crypto::token::TokenString,
    model::{Session, Transport},
    services::{Bound, Core},
    session::{IssuedTokens, SameSite},
};

/// The name of a cookie of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Access,
    Refresh,
    Device,
}

/// The value of a cookie in a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent<'a> {
    Nothing,
    Once(&'a str),
    Twice,
}

impl<'a> Sent<'a> {
    fn once(self) -> Option<&'a str> {
        match self {
            Self::Once(text) => Some(text),
            Self::Nothing | Self::Twice => None,
        }
    }
}

impl Name {
    fn text(self, core: &Core) -> &str {
        match self {
            Self::Access => &core.cookies.access,
            Self::Refresh => &core.cookies.refresh,
            Self::Device => &core.cookies.device,
        }
    }
}

/// Returns a cookie from all `Cookie` headers, without copying.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Sent<'a> {
    read_lines(headers.get_all(header::COOKIE), name)
}

fn read_lines<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>, name: &str) -> Sent<'a> {
    let name = name.as_bytes();
    let mut sent = Sent::Nothing;
    for pair in pairs(lines) {
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

/// The `Cookie` headers of a request, for a cookie that may be read later. They share their bytes
/// with the request and are not parsed until then.
pub(super) struct CookieLines {
    first: Option<HeaderValue>,
    /// More headers: HTTP/2 may send one for each cookie.
    others: Vec<HeaderValue>,
}

impl CookieLines {
    /// A value without headers.
    pub(super) const NONE: Self = Self { first: None, others: Vec::new() };

    /// Retains the headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(header::COOKIE).iter().cloned();
        Self { first: lines.next(), others: lines.collect() }
    }

    /// Returns the refresh token, if it was sent once.
    pub(super) fn refresh_token(&self, core: &Core) -> Option<&str> {
        self.read(&core.cookies.refresh).once()
    }

    /// Returns whether the refresh token of an administrator was sent.
    pub(super) fn has_impersonator(&self, core: &Core) -> bool {
        self.read(&core.cookies.impersonator) != Sent::Nothing
    }

    fn read(&self, name: &str) -> Sent<'_> {
        read_lines(self.first.iter().chain(&self.others), name)
    }
}

/// Returns the refresh token in the cookie, if cookies are enabled and it is sent once.
pub(crate) fn refresh_token<'a>(core: &Core, headers: &'a HeaderMap) -> Option<&'a str> {
    core.sessions.options().resolve_transport(Some(Transport::Cookie)).ok()?;
    read(headers, &core.cookies.refresh).once()
}

/// Returns the token of a remembered device, if cookies are enabled.
pub(crate) fn device_token(core: &Core, headers: &HeaderMap) -> Option<String> {
    core.sessions.options().resolve_transport(Some(Transport::Cookie)).ok()?;
    read(headers, &core.cookies.device).once().map(ToOwned::to_owned)
}

/// Returns the header that sets the cookie of a remembered device.
pub(crate) fn set_device(core: &Core, token: &TokenString, life: Duration) -> HeaderValue {
    set(core, Name::Device, token, Some(life))
}

/// Returns the challenge of the pending sign-in of this browser, if it is sent once.
pub(crate) fn pending<'a>(core: &Core, headers: &'a HeaderMap) -> Option<&'a str> {
    read(headers, &core.cookies.pending).once()
}

/// Returns the header that sets the challenge of a pending sign-in, in place of an earlier one.
pub(crate) fn set_pending(core: &Core, challenge: &str) -> HeaderValue {
    let cookie = Cookie::build((core.cookies.pending.clone(), challenge.to_owned()));
    render(core, None, cookie, FLOW_LIFE)
}

/// Returns the header that clears the challenge of a pending sign-in.
pub(crate) fn clear_pending(core: &Core) -> HeaderValue {
    render(core, None, Cookie::build(core.cookies.pending.clone()), time::Duration::ZERO)
}

/// Returns the token of the link that was opened in this browser, if it is sent once.
pub(crate) fn link<'a>(core: &Core, headers: &'a HeaderMap) -> Option<&'a str> {
    read(headers, &core.cookies.link).once()
}

/// Returns the header that sets the token of a link, in place of an earlier one.
pub(crate) fn set_link(core: &Core, token: &str) -> HeaderValue {
    let cookie = Cookie::build((core.cookies.link.clone(), token.to_owned()));
    render(core, None, cookie, FLOW_LIFE)
}

/// Returns the header that clears the token of a link.
pub(crate) fn clear_link(core: &Core) -> HeaderValue {
    render(core, None, Cookie::build(core.cookies.link.clone()), time::Duration::ZERO)
}

/// Returns the refresh token of the administrator who acts as another user in this browser, if it
/// is sent once.
pub(crate) fn impersonator<'a>(core: &Core, headers: &'a HeaderMap) -> Option<&'a str> {
    core.sessions.options().resolve_transport(Some(Transport::Cookie)).ok()?;
    read(headers, &core.cookies.impersonator).once()
}

/// Returns the header that keeps the refresh token of an administrator, for as long as their session
/// can be refreshed.
pub(crate) fn set_impersonator(
    core: &Core,
    token: &str,
    session: &Session,
    now: Timestamp,
) -> HeaderValue {
    let life = session.refresh_expires_at.min(session.expires_at).duration_since(now);
    let life = Duration::try_from(life).unwrap_or_default().min(LONGEST);
    let life = session.is_persistent.then(|| time::Duration::try_from(life).unwrap_or(FLOW_LIFE));
    render(core, None, Cookie::build((core.cookies.impersonator.clone(), token.to_owned())), life)
}

/// Returns the header that clears the refresh token of an administrator.
pub(crate) fn clear_impersonator(core: &Core) -> HeaderValue {
    let cookie = Cookie::build(core.cookies.impersonator.clone());
    render(core, None, cookie, time::Duration::ZERO)
}

const MOST_FLOWS: usize = 5;
/// Browsers limit the lifetime of a cookie to 400 days (RFC 6265bis §5.5).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);
const FLOW_LIFE: time::Duration = time::Duration::minutes(10);

/// Returns the secrets of the cookies with a prefix, oldest first: of the sign-ins with a provider
/// that this browser started, or of the links that it requested.
fn ceremonies<'a>(prefix: &str, headers: &'a HeaderMap) -> Vec<(&'a str, &'a str)> {
    let mut own: Vec<_> = pairs(headers.get_all(header::COOKIE))
        .filter_map(|pair| std::str::from_utf8(pair.strip_prefix(prefix.as_bytes())?).ok())
        .filter_map(|pair| pair.split_once('='))
        .filter(|(id, _)| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        .collect();
    own.sort_unstable();
    own
}

/// Returns the pairs of `Cookie` headers. Cookies of other applications may contain any bytes.
fn pairs<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    let pairs = lines.into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.map(|pair| pair.strip_prefix(b" ").unwrap_or(pair))
}

/// Returns the secret of a sign-in with a provider, if it is sent once.
pub(crate) fn flow_secret<'a>(core: &Core, headers: &'a HeaderMap, tag: &str) -> Option<&'a str> {
    let all = ceremonies(&core.cookies.flow, headers);
    let mut own = all.iter().filter(|(id, _)| id.ends_with(tag));
    match (own.next(), own.next()) {
        (Some((_, secret)), None) => Some(secret),
        _ => None,
    }
}

/// Returns the headers that set the secret of a sign-in with a provider.
pub(crate) fn set_flow(
    core: &Core,
    headers: &HeaderMap,
    id: &str,
    secret: &TokenString,
) -> Vec<HeaderValue> {
    set_ceremony(core, &core.cookies.flow, headers, id, secret, (MOST_FLOWS, FLOW_LIFE))
}

/// Returns the headers that set the secret of a requested link.
pub(crate) fn set_mail(
    core: &Core,
    headers: &HeaderMap,
    id: &str,
    secret: &TokenString,
) -> Vec<HeaderValue> {
    set_ceremony(core, &core.cookies.mail, headers, id, secret, (MOST_FLOWS, FLOW_LIFE))
}

/// Returns the secrets of the links that this browser requested.
pub(crate) fn mail_secrets(core: &Core, headers: &HeaderMap) -> Vec<String> {
    let all = ceremonies(&core.cookies.mail, headers);
    all.into_iter().map(|(_, secret)| secret.to_owned()).collect()
}

/// Returns the headers that set a secret and clear the oldest ones above the maximum. Names begin
/// with the time, so they sort by age.
fn set_ceremony(
    core: &Core,
    prefix: &str,
    headers: &HeaderMap,
    id: &str,
    secret: &TokenString,
    (most, life): (usize, time::Duration),
) -> Vec<HeaderValue> {
    let all = ceremonies(prefix, headers);
    let beyond = (all.len() + 1).saturating_sub(most);
    let oldest = all.iter().take(beyond).filter(|(old, _)| *old != id);
    let mut lines: Vec<_> = oldest.map(|(old, _)| clear_named(core, prefix, old)).collect();
    let cookie = Cookie::build((format!("{prefix}{id}"), secret.expose().to_owned()));
    lines.push(render(core, None, cookie, life));
    lines
}

/// Returns the prefix of the cookies of the challenges of a kind. A kind contains no `.`, so no
/// prefix begins with another one.
fn bound_prefix(core: &Core, kind: &str) -> String {
    format!("{}{kind}.", core.cookies.bound)
}

/// Returns the headers that bind a challenge to the browser.
pub(crate) fn set_bound(
    core: &Core,
    headers: &HeaderMap,
    bound: Bound,
    id: &str,
    secret: &TokenString,
) -> Vec<HeaderValue> {
    let most = usize::try_from(bound.max).unwrap_or(MOST_FLOWS);
    let life = time::Duration::try_from(bound.life.min(LONGEST)).unwrap_or(FLOW_LIFE);
    set_ceremony(core, &bound_prefix(core, bound.kind), headers, id, secret, (most, life))
}

/// Returns the secrets of the challenges of a kind that are bound to this browser.
pub(crate) fn bound_secrets(core: &Core, headers: &HeaderMap, kind: &str) -> Vec<String> {
    let prefix = bound_prefix(core, kind);
    let all = ceremonies(&prefix, headers);
    all.into_iter().map(|(_, secret)| secret.to_owned()).collect()
}

/// Returns the headers that clear the secret of a challenge that is bound to this browser.
pub(crate) fn clear_bound(
    core: &Core,
    headers: &HeaderMap,
    kind: &str,
    tag: &str,
) -> Vec<HeaderValue> {
    clear_ceremony(core, &bound_prefix(core, kind), headers, tag)
}

/// Returns the headers that clear the secret of a sign-in.
pub(crate) fn clear_flow(core: &Core, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
    clear_ceremony(core, &core.cookies.flow, headers, tag)
}

/// Returns the headers that clear the secret of a requested link.
pub(crate) fn clear_mail(core: &Core, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
    clear_ceremony(core, &core.cookies.mail, headers, tag)
}

fn clear_ceremony(core: &Core, prefix: &str, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
    let all = ceremonies(prefix, headers);
    let own = all.iter().filter(|(id, _)| id.ends_with(tag));
    own.map(|(id, _)| clear_named(core, prefix, id)).collect()
}

fn clear_named(core: &Core, prefix: &str, id: &str) -> HeaderValue {
    render(core, None, Cookie::build(format!("{prefix}{id}")), time::Duration::ZERO)
}

/// Returns the headers that set both tokens. Without a lifetime, a browser deletes them when it is
/// closed.
pub(crate) fn set_both(core: &Core, issued: &IssuedTokens) -> [HeaderValue; 2] {
    let life = |life| issued.session.is_persistent.then_some(life);
    [
        set(core, Name::Access, &issued.access, life(issued.access_expires_in())),
        set(core, Name::Refresh, &issued.refresh, life(issued.refresh_expires_in())),
    ]
}

/// Returns whether a response already sets or clears a token cookie.
pub(crate) fn is_set(core: &Core, headers: &HeaderMap) -> bool {
    headers.get_all(header::SET_COOKIE).iter().any(|line| {
        [Name::Access, Name::Refresh].into_iter().any(|name| {
            let rest = line.as_bytes().strip_prefix(name.text(core).as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        })
    })
}

/// Returns the header that sets a token.
fn set(core: &Core, name: Name, token: &TokenString, life: Option<Duration>) -> HeaderValue {
    let life = life.map(|life| time::Duration::try_from(life.min(LONGEST)).unwrap_or(FLOW_LIFE));
    let cookie = Cookie::build((name.text(core).to_owned(), token.expose().to_owned()));
    render(core, Some(name), cookie, life)
}

/// Returns the attributes of the access cookie but its lifetime, as they are in `Set-Cookie`, and its
/// name.
pub(crate) fn access_attributes(core: &Core) -> (String, String) {
    let name = core.cookies.access.clone();
    let line = render(core, Some(Name::Access), Cookie::build(name.clone()), None);
    let line = String::from_utf8_lossy(line.as_bytes()).into_owned();
    let attributes = line.split_once("; ").map(|(_, attributes)| attributes.to_owned());
    (name, attributes.unwrap_or_default())
}

/// Returns the access and the refresh token in the cookies, if cookies are enabled. One that is sent
/// twice is ignored.
pub(crate) fn tokens<'a>(
    core: &Core,
    headers: &'a HeaderMap,
) -> (Option<&'a str>, Option<&'a str>) {
    if core.sessions.options().resolve_transport(Some(Transport::Cookie)).is_err() {
        return (None, None);
    }
    (read(headers, &core.cookies.access).once(), read(headers, &core.cookies.refresh).once())
}

/// Returns the header that clears a cookie: the same attributes with a lifetime of zero.
pub(crate) fn clear(core: &Core, name: Name) -> HeaderValue {
    let cookie = Cookie::build(name.text(core).to_owned());
    render(core, Some(name), cookie, time::Duration::ZERO)
}

/// Renders a cookie. One without a `name` is limited to this host and has no domain.
fn render(
    core: &Core,
    name: Option<Name>,
    cookie: tower_cookies::cookie::CookieBuilder<'static>,
    life: impl Into<Option<time::Duration>>,
) -> HeaderValue {
    let options = &core.sessions.options().cookie;
    let strict =
        options.same_site == SameSite::Strict && matches!(name, Some(Name::Access | Name::Refresh));
    let mut cookie = cookie
        .path("/")
        .http_only(true)
        .secure(core.origins.is_secure())
        .same_site(if strict { Attribute::Strict } else { Attribute::Lax })
        .build();
    cookie.set_max_age(life.into());
    if let Some(domain) = options.domain.as_ref().filter(|_| name.is_some()) {
        cookie.set_domain(domain.clone());
    }
    let mut value =
        HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_is_matched_by_its_exact_name() {
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
            assert_eq!(read(&headers, "__Host-auth"), *found, "{name}");
        }
    }

    #[test]
    fn cookie_values_share_the_bytes_of_the_request() {
        let lines = ["a=b; r=1234", "c=d"];
        let headers: HeaderMap = lines
            .into_iter()
            .map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap()))
            .collect();
        let cookies = CookieLines::of(&headers);
        let (Sent::Once(kept), Sent::Once(sent)) = (cookies.read("r"), read(&headers, "r")) else {
            panic!("the cookie is sent once");
        };
        assert_eq!((kept, kept.as_ptr()), ("1234", sent.as_ptr()));
        assert_eq!(cookies.read("c"), Sent::Once("d"));
        assert_eq!(cookies.read("x"), Sent::Nothing);
    }
}
