//! Detects requests that a browser sends from another site.
//!
//! A request passes if any of these holds:
//!
//! 1. its method is `GET`, `HEAD` or `OPTIONS` and it opens no WebSocket;
//! 2. it has one `Origin`, which equals an origin of the application byte for byte or is accepted by
//!    a suffix or a predicate of the application, whatever its other headers are;
//! 3. its `Origin` is `null` or absent, and `Sec-Fetch-Site` is `same-origin` or `none`: a page
//!    with `Referrer-Policy: no-referrer` sends `null`;
//! 4. it has neither header, for example from curl or a native client.
//!
//! `same-site` is not trusted, an unknown value of `Sec-Fetch-Site` counts as absent (Fetch
//! Metadata, W3C), and `Referer` is not used. An `Origin` that equals `Host` is not sufficient,
//! because plain `http` has the same host.

use http::{HeaderMap, HeaderName, Method, header};

use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    origin::Origins,
    services::Core,
};

/// The maximum length of an origin in an event.
const MAX_ORIGIN_LEN: usize = 255;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The site that a request comes from, by `Sec-Fetch-Site`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Site {
    Unsaid,
    Own,
    Other,
}

/// A request that a browser sent from another site.
#[derive(Clone, Debug)]
pub(crate) struct CrossOrigin {
    /// The header `Origin`.
    origin: Option<String>,
    /// The header `Sec-Fetch-Site`.
    site: Option<String>,
}

impl CrossOrigin {
    fn of(headers: &HeaderMap) -> Self {
        let all = |name| {
            let values = headers.get_all(name).iter().map(|value| match value.to_str() {
                Ok(text) if text.len() <= MAX_ORIGIN_LEN => text,
                _ => "invalid",
            });
            let values: Vec<_> = values.take(2).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        Self { origin: all(header::ORIGIN), site: all(SEC_FETCH_SITE) }
    }

    /// Records the rejection, with the origin of the request and those of the configuration.
    pub(crate) fn record(&self, core: &Core) -> AuthError {
        let mut event = core.event(EventKind::CrossOriginRefused);
        if let Some(origin) = &self.origin {
            event = event.with("origin", origin.as_str());
        }
        if let Some(site) = &self.site {
            event = event.with("sec_fetch_site", site.as_str());
        }
        let configured: Vec<_> = core.origins.iter().map(str::to_owned).collect();
        core.events.record(event.with("configured", configured));
        ErrorKind::CrossOrigin.into()
    }
}

/// Checks the conditions above.
pub(crate) fn verify(
    method: &Method,
    headers: &HeaderMap,
    origins: &Origins,
) -> Result<(), CrossOrigin> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if safe && !opens_websocket(headers) {
        return Ok(());
    }
    let mut sent = headers.get_all(header::ORIGIN).iter();
    let own = match (sent.next(), sent.next()) {
        (Some(_), Some(_)) => false,
        (Some(origin), None) if origin.as_bytes() == b"null" => site(headers) == Site::Own,
        (Some(origin), None) => origins.contains(origin),
        (None, _) => site(headers) != Site::Other,
    };
    if own { Ok(()) } else { Err(CrossOrigin::of(headers)) }
}

/// The method of a request that a proxy asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForwardedMethod {
    /// No trusted proxy states it.
    Unsaid,
    /// `GET` or `HEAD`.
    Safe,
    /// Another one, or none that is valid.
    Unsafe,
}

/// Checks a request with a cookie that a proxy asks about.
///
/// A safe method passes unless it opens a WebSocket. Otherwise an `Origin` must be that of the
/// application: `null` is not sufficient, since the method is not known. Without `Origin`, a browser
/// sends only `GET` and `HEAD`; from another site that must be a navigation, or a request whose
/// method no proxy states could be any resource of a page of the other site.
pub(super) fn verify_forwarded(
    method: ForwardedMethod,
    headers: &HeaderMap,
    origins: &Origins,
) -> Result<(), CrossOrigin> {
    let is_mode = |mode: &[u8]| {
        headers.get_all(SEC_FETCH_MODE).iter().any(|own| own.as_bytes().eq_ignore_ascii_case(mode))
    };
    let opens = opens_websocket(headers) || is_mode(b"websocket");
    if method == ForwardedMethod::Safe && !opens {
        return Ok(());
    }
    let mut sent = headers.get_all(header::ORIGIN).iter();
    let own = match (sent.next(), sent.next()) {
        (Some(_), Some(_)) => false,
        (Some(origin), None) => origins.contains(origin),
        (None, _) if site(headers) == Site::Other => {
            method == ForwardedMethod::Unsaid && !opens && is_mode(b"navigate")
        }
        (None, _) => true,
    };
    if own { Ok(()) } else { Err(CrossOrigin::of(headers)) }
}

/// Returns the site of a request. One value that names another site is sufficient.
fn site(headers: &HeaderMap) -> Site {
    headers.get_all(SEC_FETCH_SITE).iter().fold(Site::Unsaid, |site, value| {
        match (site, value.as_bytes()) {
            (Site::Other, _) | (_, b"cross-site" | b"same-site") => Site::Other,
            (_, b"same-origin" | b"none") => Site::Own,
            (site, _) => site,
        }
    })
}

fn opens_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers
        .get_all(header::UPGRADE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii));
    protocols.any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests;
