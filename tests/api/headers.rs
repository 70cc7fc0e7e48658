//! Headers of requests and responses: origins, foreign cookies, caches.

use authlayer::{
    AuthUser, CookieOptions, RequireUser, SameSite, SessionOptions, SqliteStore,
    testing::{TestApp, TestClient},
};
use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, Method};
use serde_json::json;

use crate::{
    codes::last_code,
    providers::{me, path_of, with_providers},
    support::{PASSWORD, id_of, on_every_store, sign_in},
};

const OWN: &str = "http://localhost:3000";
const EVIL: &str = "https://evil.example";

async fn posted(client: &TestClient, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    let answer = client.send(Method::POST, path, &headers, b"{}").await;
    (answer.status.as_u16(), answer.code())
}

/// Returns a client that sends our cookies between those of other applications in one line.
fn among_foreign(client: &TestClient, browser: &TestClient) -> TestClient {
    let mut line = b"theme=\xe4\xf6; \xff=\xfe; ".to_vec();
    for (name, value) in browser.cookies() {
        line.extend_from_slice(format!("{name}={value}; ").as_bytes());
    }
    line.extend_from_slice("name=Zoë; auth-flow-\u{e9}=x; empty; =".as_bytes());
    client.clone().with("cookie", line).with("cookie", b"last=\x80".to_vec())
}

on_every_store! {
    async fn origin_and_fetch_metadata_are_checked_together(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for (headers, passes) in [
            (vec![], true),
            (vec![("origin", OWN)], true),
            (vec![("origin", OWN), ("sec-fetch-site", "cross-site")], true),
            (vec![("origin", OWN), ("sec-fetch-site", "same-site")], true),
            (vec![("origin", EVIL), ("sec-fetch-site", "same-origin")], false),
            (vec![("origin", EVIL), ("sec-fetch-site", "none")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "null"), ("sec-fetch-site", "same-origin")], true),
            (vec![("origin", "null"), ("sec-fetch-site", "none")], true),
            (vec![("origin", "null"), ("sec-fetch-site", "same-site")], false),
            (vec![("origin", "null"), ("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-origin")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("origin", OWN), ("origin", OWN)], false),
            (vec![("origin", OWN), ("origin", EVIL)], false),
        ] {
            for path in ["/auth/sign-in", "/note"] {
                let (status, code) = posted(&browser, path, &headers).await;
                let refused = (status, code.as_str()) == (403, "cross_origin");
                assert_eq!(!refused, passes, "{path} {headers:?}: {status} {code}");
            }
            let upgrade = [&headers[..], &[("upgrade", "websocket")]].concat();
            let answer = browser.send(Method::GET, "/me", &upgrade, b"").await;
            assert_eq!(answer.status == 200, passes, "upgrade {headers:?}");
        }
    }

    /// 404 and 405 take precedence, and no handler runs.
    async fn unknown_paths_and_methods_are_reported_before_cross_origin(bed: &Bed) {
        let evil = bed.client().with("origin", EVIL);
        for (method, path, status, code, allow) in [
            (Method::POST, "/auth/nowhere", 404, "not_found", ""),
            (Method::POST, "/auth", 404, "not_found", ""),
            (Method::DELETE, "/auth/sign-in", 405, "method_not_allowed", "POST"),
            (Method::POST, "/auth/session", 405, "method_not_allowed", "GET,HEAD"),
            (Method::PATCH, "/auth/sessions", 405, "method_not_allowed", "GET,HEAD,DELETE"),
            (Method::DELETE, "/auth/sessions", 403, "cross_origin", ""),
            (Method::DELETE, "/auth/account", 403, "cross_origin", ""),
            (Method::POST, "/auth/sign-in", 403, "cross_origin", ""),
        ] {
            let answer = evil.send(method.clone(), path, &[], b"").await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{method} {path}");
            assert_eq!(answer.header("allow"), allow, "{method} {path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
        assert_eq!(bed.statements().await, 0);
    }

    async fn cookies_of_other_applications_are_ignored(bed: &Bed, { "sign_in_code": true }) {
        let browser = bed.browser("ada@example.com").await;
        assert_eq!(among_foreign(&bed.client(), &browser).get("/me").await.status, 200);
        let refreshed = among_foreign(&bed.client(), &browser).post("/auth/refresh", json!({})).await;
        assert_eq!(refreshed.status, 200);
        let again = bed.client();
        let pending = sign_in(&again, "ada@example.com", PASSWORD).await;
        let code = last_code(bed, "ada@example.com").await;
        let body = json!({ "challenge": pending.json()["challenge"], "code": code, "remember": true });
        assert_eq!(again.post("/auth/verify", &body).await.status, 200);
        let known = among_foreign(&bed.client(), &again);
        assert_eq!(sign_in(&known, "ada@example.com", PASSWORD).await.status, 200, "the device is remembered");
        let out = among_foreign(&bed.client(), &again).post("/auth/sign-out", json!({})).await;
        assert_eq!((out.status.as_u16(), again.get("/me").await.status.as_u16()), (204, 401));
    }

    /// A cookie of our name with an unknown value is treated as stale.
    async fn malformed_session_cookie_is_treated_as_stale(bed: &Bed) {
        for value in [&b"\xff\xfe"[..], b"", b"\"aat_x\"", "aat_é".as_bytes()] {
            let line = [b"auth=", value, b"; auth-refresh=", value, b"; auth-device=", value].concat();
            let client = bed.client().with("cookie", line);
            assert_eq!(client.get("/me").await.code(), "unauthenticated");
            assert_eq!(client.get("/maybe").await.json(), json!({ "user": null }));
            assert_eq!(client.post("/auth/refresh", json!({})).await.code(), "invalid_refresh_token");
            assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
        }
    }

    async fn clear_site_data_is_sent_only_if_configured(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        let out = client.post("/auth/sign-out", json!({})).await;
        assert!(!out.headers.contains_key("clear-site-data"));
        assert_eq!(out.set_cookies().len(), 2);
    }

    /// Every response that depends on the user has cache headers.
    async fn user_dependent_responses_set_vary_and_cache_control(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let (native, ..) = bed.native("eve@example.com").await;
        let anonymous = bed.client();
        let vary = "Authorization, Cookie";
        for (who, client, path, status, found, cache) in [
            ("public", &ada, "/public", 200, "", ""),
            ("user", &ada, "/me", 200, vary, "private"),
            ("bearer", &native, "/me", 200, vary, "private"),
            ("optional user", &ada, "/maybe", 200, vary, "private"),
            ("optional user, absent", &anonymous, "/maybe", 200, vary, ""),
            ("no user", &anonymous, "/me", 401, vary, "no-store"),
            ("forbidden", &ada, "/admin", 403, vary, "no-store"),
            ("unknown", &ada, "/nowhere", 404, "", ""),
        ] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, status, "{who}");
            assert_eq!((answer.header("vary").as_str(), answer.header("cache-control").as_str()), (found, cache), "{who}");
        }
        bed.advance(900).await;
        let renewed = ada.get("/me").await;
        assert_eq!((renewed.header("vary").as_str(), renewed.header("cache-control").as_str()), (vary, "no-store"));
        assert_eq!(anonymous.get("/me").await.header("x-content-type-options"), "nosniff");
        let session = ada.get("/auth/session").await;
        assert_eq!((session.header("cache-control").as_str(), session.header("x-content-type-options").as_str()), ("no-store", "nosniff"));
    }

    /// Repeated parameters and undefined values are rejected.
    async fn query_parameters_are_parsed_strictly(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let end = async |query: &str| {
            let path = format!("/auth/sessions{query}");
            let answer = ada.send(Method::DELETE, &path, &[], b"").await;
            (answer.status.as_u16(), answer.code())
        };
        for query in ["?scope=both", "?scope=", "?scope", "?scope=all&scope=all", "?scope=others&scope", "?scope=ALL", "?sc%6Fpe=both"] {
            assert_eq!(end(query).await, (400, "invalid_request".to_owned()), "{query}");
        }
        assert_eq!(end("?other=1&scope=others&other=2").await.0, 200);
        assert_eq!(end("").await.0, 200);
        let ticket = ada.post("/auth/ticket", json!({})).await.json()["ticket"].clone();
        let ticket = ticket.as_str().unwrap();
        let path = format!("/ws?ticket={ticket}&ticket={ticket}");
        let opened = crate::live::open(bed.app.address(), &path, &[]).await;
        assert_eq!(opened.unwrap_err(), 400);
        assert!(!id_of(&ada).await.is_empty());
    }
}

with_providers! {
    async fn callback_finds_its_cookie_among_foreign_cookies(world: &World) {
        let client = world.client();
        let start = client.get("/auth/oauth/fake/start").await;
        let back = path_of(&world.idp.authorize(&start.header("location")));
        let answer = among_foreign(&world.client(), &client).get(&back).await;
        assert_eq!(answer.status, 303, "{}", answer.json());
        let cleared = answer.set_cookies().into_iter().find(|line| line.starts_with("auth-flow-"));
        assert!(cleared.unwrap().contains("Max-Age=0"));
        let five = world.client();
        for _ in 0..5 {
            five.get("/auth/oauth/fake/start").await;
        }
        let line = among_foreign(&world.client(), &five).get("/auth/oauth/fake/start").await.set_cookies();
        assert_eq!(line.len(), 2, "the oldest is removed: {line:?}");
        assert!(line.iter().all(|line| line.starts_with("auth-flow-") && line.is_ascii()), "{line:?}");
        let _nobody = me(&world.client()).await;
    }
}

/// Headers that the application set are preserved, and its own error responses are private.
#[tokio::test]
async fn headers_of_the_application_are_preserved() {
    let auth = authlayer::Auth::builder(SqliteStore::memory().await.unwrap())
        .origin(OWN)
        .session_options(SessionOptions::default().clear_site_data(true))
        .flow(authlayer::AnonymousUsers::new())
        .build()
        .unwrap();
    let with = |headers: &'static [(&'static str, &'static str)]| {
        get(async move |_: AuthUser| -> Response {
            let mut answer = "ok".into_response();
            for (name, value) in headers {
                answer.headers_mut().append(*name, value.parse().unwrap());
            }
            answer
        })
    };
    let page = |_: &authlayer::AuthError, _: &http::request::Parts| {
        Some((http::StatusCode::FORBIDDEN, "no").into_response())
    };
    let app = Router::new()
        .route("/cached", with(&[("cache-control", "public, max-age=60"), ("vary", "Accept")]))
        .route("/star", with(&[("vary", "*")]))
        .route("/both", with(&[("vary", "cookie"), ("vary", "Accept, authorization")]))
        .route("/one", with(&[("vary", "Cookie")]))
        .route(
            "/own",
            get(async || "ok").route_layer(RequireUser::new().role("admin").on_rejection(page)),
        )
        .nest("/auth", auth.router())
        .layer(auth.layer());
    let app = TestApp::serve(app).await;
    let client = app.client();
    assert_eq!(client.post("/auth/anonymous", json!({})).await.status, 201);
    let vary = |headers: &HeaderMap| -> Vec<String> {
        headers.get_all("vary").iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    };
    for (path, cache, expected) in [
        ("/cached", "public, max-age=60", &["Accept", "Authorization, Cookie"][..]),
        ("/star", "private", &["*"]),
        ("/both", "private", &["cookie", "Accept, authorization"]),
        ("/one", "private", &["Cookie", "Authorization, Cookie"]),
        ("/own", "private", &["Authorization, Cookie"]),
    ] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.header("cache-control").as_str(), vary(&answer.headers)),
            (cache, expected.iter().map(ToString::to_string).collect()),
            "{path}"
        );
    }
    let anonymous = app.client().get("/own").await;
    assert_eq!(
        (anonymous.status.as_u16(), anonymous.header("cache-control").as_str()),
        (403, "private")
    );
    let out = client.post("/auth/sign-out", json!({})).await;
    assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
}

/// The configured name is a prefix, and a domain shares only the cookies of the session.
#[tokio::test]
async fn cookie_names_and_domains_follow_the_configuration() {
    let set = async |origin: &str, cookie: CookieOptions| {
        let auth = authlayer::Auth::builder(SqliteStore::memory().await.unwrap())
            .origin(origin)
            .session_options(SessionOptions::default().cookie(cookie))
            .flow(authlayer::AnonymousUsers::new())
            .build()
            .unwrap();
        let app = Router::new().nest("/auth", auth.router());
        let app = app.route("/me", get(async |user: AuthUser| user.id.to_string()));
        let app = TestApp::serve(app.layer(auth.layer())).await;
        let client = app.client();
        let made = client.post("/auth/anonymous", json!({})).await;
        assert_eq!(client.get("/me").await.status, 200, "{origin}");
        let out = client.post("/auth/sign-out", json!({})).await.set_cookies();
        [made.set_cookies(), out].map(|lines| {
            let strip = |line: String| {
                let (pair, attributes) = line.split_once(';').unwrap();
                let name = pair.split_once('=').unwrap().0;
                format!("{name};{}", attributes.split("; Max-Age=").next().unwrap())
            };
            lines.into_iter().map(strip).collect::<Vec<_>>()
        })
    };
    let own = CookieOptions::default;
    let strict = || own().same_site(SameSite::Strict);
    let shared = || own().name("id").domain("example.com".to_owned());
    for (origin, options, names, attributes) in [
        (
            "https://app.example.com",
            own(),
            ["__Host-auth", "__Host-auth-refresh"],
            "; HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        (
            "https://app.example.com",
            strict(),
            ["__Host-auth", "__Host-auth-refresh"],
            "; HttpOnly; SameSite=Strict; Secure; Path=/",
        ),
        (
            "https://app.example.com",
            own().name("id"),
            ["__Host-id", "__Host-id-refresh"],
            "; HttpOnly; SameSite=Lax; Secure; Path=/",
        ),
        (
            "https://app.example.com",
            shared(),
            ["__Secure-id", "__Secure-id-refresh"],
            "; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com",
        ),
        (
            "http://localhost:3000",
            own().name("id"),
            ["id", "id-refresh"],
            "; HttpOnly; SameSite=Lax; Path=/",
        ),
    ] {
        let sorted = |text: &str| {
            let mut all: Vec<_> = text.split("; ").map(ToOwned::to_owned).collect();
            all.sort_unstable();
            all
        };
        for lines in set(origin, options.clone()).await {
            assert_eq!(lines.len(), 2, "{lines:?}");
            for (line, name) in lines.iter().zip(names) {
                let (own, found) = line.split_once(';').unwrap();
                assert_eq!(
                    (own, sorted(found.trim_start())),
                    (name, sorted(attributes.trim_start_matches("; "))),
                    "{origin}"
                );
            }
        }
    }
    let broken = authlayer::Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.org")
        .session_options(SessionOptions::default().cookie(shared()))
        .build();
    assert!(broken.unwrap_err().to_string().contains("domain"));
}

with_providers! {
    /// A browser that returns from the provider sends no Strict cookies, so it reloads the page.
    async fn callback_with_strict_cookies_is_reloaded_from_the_same_site(world: &World, { "cookie": { "same_site": "strict", "name": "own" } }) {
        let client = world.client();
        let back = world.to_callback(&client, "").await;
        assert!(client.cookies().iter().all(|(name, _)| name.starts_with("own-flow-")));
        for _ in 0..2 {
            let page = client.clone().with("sec-fetch-site", "cross-site").get(&back).await;
            assert_eq!((page.status.as_u16(), page.header("refresh")), (200, "0".to_owned()));
            assert!(page.header("content-security-policy").contains("default-src 'none'"));
            assert!(page.header("content-type").starts_with("text/html"));
            assert_eq!(page.header("cache-control"), "no-store");
            assert!(page.set_cookies().is_empty() && !String::from_utf8(page.body).unwrap().contains("<script"));
        }
        let landed = client.clone().with("sec-fetch-site", "same-origin").get(&back).await;
        assert_eq!(landed.status, 303, "{}", landed.json());
        assert!(client.cookie("own").is_some() && client.cookie("own-refresh").is_some());
        let strict = landed.set_cookies().into_iter().filter(|line| line.starts_with("own=") || line.starts_with("own-refresh="));
        assert!(strict.into_iter().all(|line| line.contains("SameSite=Strict")));
        assert_eq!(client.get("/me").await.status, 200);
    }
}
