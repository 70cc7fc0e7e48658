//! Which requests a browser sent for another site.
//!
//! A request passes if any of these holds:
//!
//! 1. its method is `GET`, `HEAD` or `OPTIONS` and it opens no WebSocket;
//! 2. its `Origin` is one of the application's own, byte for byte;
//! 3. it has no `Origin` and `Sec-Fetch-Site` is `same-origin` or `none`;
//! 4. it has neither header, as from curl or a native client.
//!
//! `same-site` is not trusted, an unknown value of `Sec-Fetch-Site` counts as absent,
//! and `Referer` is not consulted. These are the conditions of [`tower_http::csrf`],
//! which guards the routers too, without its last one: an `Origin` that equals `Host`
//! is not enough, for plain `http` has the same host.

use axum::{body::Body, response::IntoResponse, response::Response};
use http::{HeaderMap, HeaderName, Method, header};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::{
    error::{AuthError, ErrorKind},
    origin::Origins,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request is the application's own, by the conditions above.
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
        (Some(origin), None) => origins.contains(origin),
        (Some(_), Some(_)) => false,
        (None, _) => !matches!(
            headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()),
            Some(b"cross-site" | b"same-site")
        ),
    };
    if own { Ok(()) } else { Err(ErrorKind::CrossOrigin) }
}

/// Takes away a `Sec-Fetch-Site` of a value that nobody defined: it counts as absent.
pub(crate) fn forget_unknown(headers: &mut HeaderMap) {
    let known: [&[u8]; 4] = [b"cross-site", b"same-site", b"same-origin", b"none"];
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| !known.contains(&site.as_bytes())) {
        headers.remove(SEC_FETCH_SITE);
    }
}

/// The maintained middleware, for our own routers.
pub(crate) fn layer(
    origins: &Origins,
) -> CsrfLayer<impl Fn(ProtectionError) -> Response<Body> + Clone + use<>> {
    let mut layer = CsrfLayer::new();
    for origin in origins.iter() {
        // `Origins` accepts nothing that this would refuse.
        if let Ok(with) = layer.clone().add_trusted_origin(origin) {
            layer = with;
        }
    }
    layer.with_rejection_response(|error: ProtectionError| {
        AuthError::new(ErrorKind::CrossOrigin).because(error).into_response()
    })
}

fn opens_websocket(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
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
    fn only_the_applications_own_requests_pass() {
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
                "lying metadata",
                Method::POST,
                vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
                false,
            ),
            (
                "referer is not asked",
                Method::POST,
                vec![("referer", "https://evil.example/")],
                true,
            ),
            ("safe", Method::GET, vec![("sec-fetch-site", "cross-site")], true),
            (
                "websocket",
                Method::GET,
                vec![("upgrade", "websocket"), ("origin", "https://evil.example")],
                false,
            ),
            ("own websocket", Method::GET, vec![("upgrade", "WebSocket"), own_origin], true),
            ("trace is not safe", Method::TRACE, vec![("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(own(method, &headers), passes, "{name}");
        }
    }
}
