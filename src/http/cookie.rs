//! Our cookies: their names, how they are read, set and cleared.
//!
//! Names carry the `__Host-` prefix, so a browser keeps them to one host, on `/`, over
//! HTTPS (RFC 6265bis §4.1.3.2); with a domain, `__Secure-`. They are read byte for byte, without case folding,
//! trimming or `$Version`; one that comes twice is ambiguous.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tower_cookies::{
    Cookie,
    cookie::{SameSite as Attribute, time},
};

use crate::{
    crypto::token::PlainToken,
    model::Transport,
    services::Core,
    session::{Issued, SameSite},
};

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

/// Finds a cookie in all `Cookie` headers, without a copy.
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
/// with the request and are not parsed before that.
pub(super) struct CookieLines {
    first: Option<HeaderValue>,
    /// HTTP/2 may send a header for each cookie.
    others: Vec<HeaderValue>,
}

impl CookieLines {
    /// No headers.
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

    fn read(&self, name: &str) -> Sent<'_> {
        read_lines(self.first.iter().chain(&self.others), name)
    }
}

/// The refresh token that the browser keeps, where cookies are on and it is sent once.
pub(crate) fn refresh_token<'a>(core: &Core, headers: &'a HeaderMap) -> Option<&'a str> {
    core.sessions.options().transport(Some(Transport::Cookie)).ok()?;
    read(headers, &core.cookies.refresh).once()
}

/// The token of a remembered device, where cookies are on.
pub(crate) fn device_token(core: &Core, headers: &HeaderMap) -> Option<String> {
    core.sessions.options().transport(Some(Transport::Cookie)).ok()?;
    read(headers, &core.cookies.device).once().map(ToOwned::to_owned)
}

/// The header that lets a browser remember its device token.
pub(crate) fn set_device(core: &Core, token: &PlainToken, life: Duration) -> HeaderValue {
    set(core, Name::Device, token, life)
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

const MOST_FLOWS: usize = 5;
/// Browsers keep a cookie no longer (RFC 6265bis §5.5).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);
const FLOW_LIFE: time::Duration = time::Duration::minutes(10);

/// The secrets of the sign-ins by a provider that this browser began, oldest first.
fn flows<'a>(core: &Core, headers: &'a HeaderMap) -> Vec<(&'a str, &'a str)> {
    let prefix = &core.cookies.flow;
    let mut own: Vec<_> = pairs(headers.get_all(header::COOKIE))
        .filter_map(|pair| std::str::from_utf8(pair.strip_prefix(prefix.as_bytes())?).ok())
        .filter_map(|pair| pair.split_once('='))
        .filter(|(id, _)| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        .collect();
    own.sort_unstable();
    own
}

/// The pairs of `Cookie` headers. Those of other applications may hold any bytes.
fn pairs<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    let pairs = lines.into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
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
    let (all, prefix) = (flows(core, headers), &core.cookies.flow);
    let beyond = (all.len() + 1).saturating_sub(MOST_FLOWS);
    let oldest = all.iter().take(beyond).filter(|(old, _)| *old != id);
    let mut lines: Vec<_> = oldest.map(|(old, _)| clear_named(core, prefix, old)).collect();
    let cookie = Cookie::build((format!("{prefix}{id}"), secret.expose().to_owned()));
    lines.push(render(core, None, cookie, FLOW_LIFE));
    lines
}

/// The headers that make the browser forget the secret of a sign-in.
pub(crate) fn clear_flow(core: &Core, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue> {
    let (all, prefix) = (flows(core, headers), &core.cookies.flow);
    let own = all.iter().filter(|(id, _)| id.ends_with(tag));
    own.map(|(id, _)| clear_named(core, prefix, id)).collect()
}

fn clear_named(core: &Core, prefix: &str, id: &str) -> HeaderValue {
    render(core, None, Cookie::build(format!("{prefix}{id}")), time::Duration::ZERO)
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
    headers.get_all(header::SET_COOKIE).iter().any(|line| {
        [Name::Access, Name::Refresh].into_iter().any(|name| {
            let rest = line.as_bytes().strip_prefix(name.text(core).as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        })
    })
}

/// The header that hands a token to the browser.
fn set(core: &Core, name: Name, token: &PlainToken, life: Duration) -> HeaderValue {
    let life = time::Duration::try_from(life.min(LONGEST)).unwrap_or(FLOW_LIFE);
    let cookie = Cookie::build((name.text(core).to_owned(), token.expose().to_owned()));
    render(core, Some(name), cookie, life)
}

/// The header that makes the browser forget a cookie: the same attributes, no life.
pub(crate) fn clear(core: &Core, name: Name) -> HeaderValue {
    let cookie = Cookie::build(name.text(core).to_owned());
    render(core, Some(name), cookie, time::Duration::ZERO)
}

/// A cookie that is none of the three belongs to one browser and one host.
fn render(
    core: &Core,
    name: Option<Name>,
    cookie: tower_cookies::cookie::CookieBuilder<'static>,
    life: time::Duration,
) -> HeaderValue {
    let options = &core.sessions.options().cookie;
    let strict =
        options.same_site == SameSite::Strict && matches!(name, Some(Name::Access | Name::Refresh));
    let mut cookie = cookie
        .path("/")
        .http_only(true)
        .secure(core.origins.is_secure())
        .same_site(if strict { Attribute::Strict } else { Attribute::Lax })
        .max_age(life)
        .build();
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
            assert_eq!(read(&headers, "__Host-auth"), *found, "{name}");
        }
    }

    #[test]
    fn cookie_lines_share_the_bytes_of_the_request() {
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
