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
        ("null, unknown", Method::POST, vec![("origin", "null"), ("sec-fetch-site", "foo")], false),
        ("empty origin", Method::POST, vec![("origin", "")], false),
        ("own, other site", Method::POST, vec![own_origin, ("sec-fetch-site", "cross-site")], true),
        ("own, same site", Method::POST, vec![own_origin, ("sec-fetch-site", "same-site")], true),
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
            vec![("upgrade", "websocket"), ("origin", "null"), ("sec-fetch-site", "same-origin")],
            true,
        ),
        ("own websocket", Method::GET, vec![("upgrade", "WebSocket"), own_origin], true),
        ("trace is not safe", Method::TRACE, vec![("sec-fetch-site", "cross-site")], false),
    ] {
        assert_eq!(own(method, &headers), passes, "{name}");
    }
}
