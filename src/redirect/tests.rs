//! Tests of the redirect targets.

use super::*;

#[test]
fn form_source_is_an_origin_or_a_scheme() {
    for (url, source) in [
        ("https://id.example.com/authorize?x=1", Some("https://id.example.com")),
        ("https://id.example.com", Some("https://id.example.com")),
        ("http://[::1]:9000/authorize", Some("http://[::1]:9000")),
        ("com.example.app:/signed-in", Some("com.example.app:")),
        ("myapp://callback", Some("myapp:")),
        ("/inbox?x=a:b", None),
        ("https://id.example.com; script-src *", None),
        ("https://me@id.example.com/", None),
        ("javascript:alert(1)", None),
    ] {
        assert_eq!(form_source(url).as_deref(), source, "{url}");
    }
}

#[test]
fn only_redirect_targets_of_the_application_are_allowed() {
    // E1, CK-18
    let own = Origins::parse(["https://app.example.com"]).unwrap();
    let allowed = [
        "https://ok.example.com",
        "myapp://callback",
        "com.example.app:/signed-in",
        "http://127.0.0.1/done",
        "http://127.0.0.1:8000/fixed",
        "http://[::1]",
        "http://localhost:9000",
        "http://127.0.0.1.evil.example/done",
    ];
    let allowed = allowed.map(str::to_owned).to_vec();
    let redirects = Redirects::new(&own, allowed, Some("/sign-in".to_owned())).unwrap();
    for (place, good) in [
        ("/", true),
        ("/deep/page?x=1&y=%2F#z", true),
        ("https://app.example.com/x", true),
        ("https://ok.example.com", true),
        ("https://ok.example.com?x", true),
        ("myapp://callback", true),
        ("http://127.0.0.1/done", true),
        ("", false),
        ("page", false),
        ("//evil.example", false),
        ("///evil.example", false),
        ("/\\evil.example", false),
        ("\\\\evil.example", false),
        ("https:evil.example", false),
        ("https:/evil.example", false),
        ("https://evil.example", false),
        ("javascript:alert(1)", false),
        ("data:text/html,x", false),
        ("/%2f/evil.example", false),
        ("/%2F/evil.example", false),
        ("/%5cevil.example", false),
        ("/%09/evil.example", false),
        ("/\t/evil.example", false),
        ("/a\r\nSet-Cookie: x", false),
        ("https://ok.example.com@evil.example", false),
        ("https://me@ok.example.com/", false),
        ("https://ok.example.com.evil.example", false),
        ("https://evil.example?https://ok.example.com", false),
        ("https://ok.example.com./", false),
        ("https://ok.example.com:444/", false),
        ("http://ok.example.com/", false),
        ("HTTPS://ok.example.com/", false),
        ("myapp://callback/more", false),
        ("myapp://callback?x", false),
        ("otherapp://callback", false),
        ("com.example.app:/signed-in", true),
        ("com.example.app://signed-in", false),
        ("com.example.app:signed-in", false),
        ("com.example.app:/signed-in/more", false),
        ("com.example.app:/", false),
        ("http://127.0.0.1:1/done", true),
        ("http://127.0.0.1:65535/done", true),
        ("http://127.0.0.1:0/done", false),
        ("http://127.0.0.1:65536/done", false),
        ("http://127.0.0.1:+1/done", false),
        ("http://127.0.0.1:/done", false),
        ("http://127.0.0.1:1/done/more", false),
        ("http://127.0.0.1:1/done?x", false),
        ("http://127.0.0.1:1@evil.example/done", false),
        ("http://me@127.0.0.1:1/done", false),
        ("http://127.0.0.2:1/done", false),
        ("http://localhost:1/done", false),
        ("https://127.0.0.1:1/done", false),
        ("http://127.0.0.1.evil.example:1/done", false),
        ("http://127.0.0.1:8000/fixed", true),
        ("http://127.0.0.1:8001/fixed", false),
        ("http://127.0.0.1/fixed", false),
        ("http://[::1]", true),
        ("http://[::1]:51004/any?x", true),
        ("http://[::1]:51004@evil.example/", false),
        ("http://[::2]:51004/", false),
        ("http://localhost:9000/any", true),
        ("http://localhost:9001/any", false),
        ("http://localhost/any", false),
        ("/\u{2044}evil", false),
    ] {
        assert_eq!(redirects.check(place).is_ok(), good, "{place}");
    }
    assert!(redirects.check(&format!("/{}", "x".repeat(2048))).is_err(), "E11");
    let exact = |place: &str| redirects.is_exact(place);
    assert!(exact("http://127.0.0.1:1/done") && exact("com.example.app:/signed-in"));
    assert!(exact("http://[::1]:1") && !exact("http://[::1]:1/any"));
    assert!(!exact("https://ok.example.com") && !exact("http://localhost:9000/any"));
    for bad in [
        "javascript://x",
        "javascript:/x",
        "JavaScript:/x",
        "javascript:alert(1)",
        "data:/text/html,x",
        "data://x",
        "https:/evil.example",
        "http:/127.0.0.1/x",
        "myapp:callback",
        "myapp:/",
        "1app:/callback",
        ":/callback",
        "evil",
        "/path",
        "https://ok.example.com/\t",
    ] {
        assert!(Redirects::new(&own, vec![bad.to_owned()], None).is_err(), "{bad}");
    }
    assert!(Redirects::new(&own, Vec::new(), Some("https://evil.example".to_owned())).is_err());
}
