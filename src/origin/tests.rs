use super::*;

#[test]
fn suffix_accepts_hosts_below_it_with_its_port() {
    let built = |suffix: &str, origin: &str| {
        let mut options = OriginOptions::default();
        options.list(origin);
        options.suffix(suffix);
        options.build()
    };
    let tenants = built("example.com", "https://app.example.net").unwrap();
    for (origin, is_accepted) in [
        ("https://acme.example.com", true),
        ("https://a.b.example.com", true),
        ("https://a-1.example.com", true),
        ("https://example.com", false),
        ("https://.example.com", false),
        ("https://a..example.com", false),
        ("https://evilexample.com", false),
        ("https://acme.example.com.evil.net", false),
        ("https://acme.example.com:8443", false),
        ("https://acme.example.com/", false),
        ("https://Acme.example.com", false),
        ("https://evil.net@acme.example.com", false),
        ("http://acme.example.com", false),
        ("https://evil.net#.example.com", false),
        ("https://evil.net\\.example.com", false),
        ("null", false),
    ] {
        assert_eq!(tenants.accepts(origin), is_accepted, "{origin}");
    }
    let local = built("localhost:3000", "http://localhost:3000").unwrap();
    assert!(local.accepts("http://acme.localhost:3000"));
    assert!(!local.accepts("http://acme.localhost:3001"));
    assert!(!local.accepts("http://acme.localhost"));
    for suffix in ["", "com", ".example.com", "example.com.", "*.example.com", "10.0.0.1", "[::1]"]
    {
        assert!(built(suffix, "https://app.example.net").is_err(), "{suffix}");
    }
}

#[test]
fn predicate_sees_origins_of_the_configured_scheme_only() {
    let mut options = OriginOptions::default();
    options.list("https://app.example.com");
    options.predicate(|_| true);
    let origins = options.build().unwrap();
    assert!(origins.accepts("https://acme.example"));
    for origin in ["http://acme.example", "null", "acme.example", "https://acme.example/", ""] {
        assert!(!origins.accepts(origin), "{origin}");
    }
}

#[test]
fn origin_is_formatted_as_browsers_do() {
    // CK-09
    for (text, good) in [
        ("https://app.example.com", true),
        ("https://app.example.com:8443", true),
        ("http://localhost:3000", true),
        ("http://127.0.0.1:3000", true),
        ("http://[::1]:3000", true),
        ("http://127.8.9.1:3000", true),
        ("http://app.localhost:3000", true),
        ("http://a.b.localhost", true),
        ("http://applocalhost", false),
        ("http://128.0.0.1", false),
        ("http://app.example.com", false),
        ("http://localhost.evil.example", false),
        ("https://app.example.com/", false),
        ("https://app.example.com/x", false),
        ("https://App.example.com", false),
        ("https://app.example.com:443", false),
        ("https://me@app.example.com", false),
        ("ftp://app.example.com", false),
        ("app.example.com", false),
        ("null", false),
        ("", false),
    ] {
        assert_eq!(Origins::parse([text]).is_ok(), good, "{text}");
    }
    assert!(Origins::parse(["https://a.example", "http://localhost"]).is_err());
}
