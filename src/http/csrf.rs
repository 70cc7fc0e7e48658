//! Detects requests that a browser sends from another site.
//!
//! A request passes if any of these holds:
//!
//! 1. its method is `GET`, `HEAD` or `OPTIONS` and it opens no WebSocket;
//! 2. it has one `Origin`, which equals an origin of the application byte for byte, whatever its
//!    other headers are;
//! 3. its `Origin` is `null` or absent, and `Sec-Fetch-Site` is `same-origin` or `none`: a page
//!    with `Referrer-Policy: no-referrer` sends `null`;
//! 4. it has neither header, for example from curl or a native client.
//!
//! `same-site` is not trusted, an unknown value of `Sec-Fetch-Site` counts as absent (Fetch
//! Metadata, W3C), and `Referer` is not used. An `Origin` that equals `Host` is not sufficient,
//! because plain `http` has the same host.

use http::{HeaderMap, HeaderName, Method, header};

use crate::{error::ErrorKind, origin::Origins};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The site that a request comes from, by `Sec-Fetch-Site`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Site {
    Unsaid,
    Own,
    Other,
}

/// Checks the conditions above.
pub(crate) fn verify(
    method: &Method,
    headers: &HeaderMap,
    origins: &Origins,
) -> Result<(), ErrorKind> {
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
    if own { Ok(()) } else { Err(ErrorKind::CrossOrigin) }
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
