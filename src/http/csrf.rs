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
mod tests {
    use super::*;

    fn own(method: Method, headers: &[(&'static str, &'static str)]) -> bool {
        let origins = Origins::parse(["https://app.example"]).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        verify(&method, &headers, &origins).is_ok()
    }

    #[test]
    fn only_same_origin_requests_pass() {
        // CK-10, CK-11, E5
        let own_origin = ("origin", "https://app.example");
        for (name, method, headers, passes) in [
            ("curl", Method::POST, vec![], true),
            ("own", Method::POST, vec![own_origin], true),
            (
                "own, fetch metadata",
                Method::POST,
                vec![own_origin, ("sec-fetch-site", "same-origin")],
                true,
            ),
            ("typed in", Method::POST, vec![("sec-fetch-site", "none")], true),
            ("unknown metadata is absent", Method::POST, vec![("sec-fetch-site", "foo")], true),
            ("cross-site", Method::POST, vec![("sec-fetch-site", "cross-site")], false),
            ("same-site", Method::DELETE, vec![("sec-fetch-site", "same-site")], false),
            ("other origin", Method::POST, vec![("origin", "https://app.example.evil")], false),
            ("other port", Method::POST, vec![("origin", "https://app.example:8443")], false),
            (
                "plain http",
                Method::POST,
                vec![("origin", "http://app.example"), ("host", "app.example")],
                false,
            ),
            ("null", Method::PUT, vec![("origin", "null")], false),
            (
                "null, own page",
                Method::POST,
                vec![("origin", "null"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (
                "null, typed in",
                Method::POST,
                vec![("origin", "null"), ("sec-fetch-site", "none")],
                true,
            ),
            (
                "null, same site",
                Method::POST,
                vec![("origin", "null"), ("sec-fetch-site", "same-site")],
                false,
            ),
            (
                "null, other site",
                Method::POST,
                vec![("origin", "null"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                "null, unknown",
                Method::POST,
                vec![("origin", "null"), ("sec-fetch-site", "foo")],
                false,
            ),
            ("empty origin", Method::POST, vec![("origin", "")], false),
            (
                "own, other site",
                Method::POST,
                vec![own_origin, ("sec-fetch-site", "cross-site")],
                true,
            ),
            (
                "own, same site",
                Method::POST,
                vec![own_origin, ("sec-fetch-site", "same-site")],
                true,
            ),
            ("two origins", Method::POST, vec![own_origin, own_origin], false),
            ("null and own", Method::POST, vec![own_origin, ("origin", "null")], false),
            (
                "two sites",
                Method::POST,
                vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                "lying metadata",
                Method::POST,
                vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
                false,
            ),
            ("referer is not used", Method::POST, vec![("referer", "https://evil.example/")], true),
            ("safe", Method::GET, vec![("sec-fetch-site", "cross-site")], true),
            (
                "websocket",
                Method::GET,
                vec![("upgrade", "websocket"), ("origin", "https://evil.example")],
                false,
            ),
            (
                "websocket among others",
                Method::GET,
                vec![("upgrade", "h2c, websocket"), ("origin", "https://evil.example")],
                false,
            ),
            (
                "websocket of a page without referrer",
                Method::GET,
                vec![
                    ("upgrade", "websocket"),
                    ("origin", "null"),
                    ("sec-fetch-site", "same-origin"),
                ],
                true,
            ),
            ("own websocket", Method::GET, vec![("upgrade", "WebSocket"), own_origin], true),
            ("trace is not safe", Method::TRACE, vec![("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(own(method, &headers), passes, "{name}");
        }
    }
}
