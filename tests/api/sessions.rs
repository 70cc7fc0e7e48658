//! `GET /session`, `POST /sign-out`, and session lifetimes.

use authlayer::{EventKind, SessionId};
use serde_json::json;

use crate::support::{PASSWORD, id_of, on_every_store, sign_in};

on_every_store! {
    async fn session_response_contains_user_and_session(bed: &Bed) {
        let client = bed.browser("ada@example.com").await.with("user-agent", "Test/\t1");
        sign_in(&client, "ada@example.com", PASSWORD).await;
        let answer = client.get("/auth/session").await;
        let (user, session) = (&answer.json()["user"], &answer.json()["session"]);
        assert_eq!(answer.status, 200);
        assert_eq!(user["email"], "ada@example.com");
        assert_eq!(session["current"], true);
        assert_eq!(session["user_agent"], "Test/1");
        assert_eq!(session["ip"], "127.0.0.1");
        for time in ["created_at", "last_seen_at", "expires_at", "access_expires_at"] {
            assert!(session[time].as_str().unwrap().ends_with('Z'), "{time} is RFC 3339 in UTC");
        }
        let id: SessionId = session["id"].as_str().unwrap().parse().unwrap();
        assert!(bed.bed.auth.sessions().revoke(id).await.unwrap());
        assert_eq!(client.get("/auth/session").await.status, 401);
    }

    /// A9, SE-07, CK-08, CK-17
    async fn sign_out_revokes_the_session_immediately(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        let (access, refresh) = (client.cookie("auth").unwrap(), client.cookie("auth-refresh").unwrap());
        let answer = client.post("/auth/sign-out", json!({})).await;
        assert_eq!(answer.status, 204);
        let cleared = answer.set_cookies();
        assert_eq!(cleared.len(), 2);
        for cookie in &cleared {
            assert!(cookie.contains("=; ") && cookie.contains("Path=/") && cookie.contains("Max-Age=0"));
        }
        for replay in [("auth", &access), ("auth-refresh", &refresh)] {
            let thief = bed.client();
            thief.set_cookie(replay.0, replay.1);
            assert_eq!(thief.get("/me").await.status, 401);
        }
        assert_eq!(bed.client().bearer(&access).get("/me").await.status, 401);
        assert_eq!(bed.bed.watch.count(EventKind::SignedOut), 1);
    }

    /// SE-07: idempotent, with and without a session.
    async fn sign_out_is_idempotent(bed: &Bed) {
        let client = bed.client();
        assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(client.send(http::Method::POST, "/auth/sign-out", &[], b"").await.status, 204);
        let body = json!({ "refresh_token": "art_garbage" });
        assert_eq!(client.post("/auth/sign-out", &body).await.status, 204);
        let garbage = bed.client().bearer("garbage");
        assert_eq!(garbage.post("/auth/sign-out", json!({})).await.status, 204);
        let answer = client.post("/auth/sign-out", json!({ "refresh_token": 7 })).await;
        assert_eq!(answer.json()["members"], json!(["refresh_token"]));
    }

    async fn sign_out_to_a_target_that_is_not_allowed_revokes_nothing(bed: &Bed) {
        let (native, _, refresh) = bed.native("ada@example.com").await;
        for target in ["https://evil.example", "//evil.example", "javascript:alert(1)"] {
            for body in [
                json!({ "redirect_to": target }),
                json!({ "redirect_to": target, "refresh_token": refresh }),
                json!({ "redirect_to": target, "provider_logout": true }),
            ] {
                let answer = native.post("/auth/sign-out", &body).await;
                assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_redirect"), "{body}");
            }
            let unknown = bed.client().post("/auth/sign-out", json!({ "redirect_to": target })).await;
            assert_eq!(unknown.code(), "invalid_redirect", "without a session too");
        }
        assert_eq!(native.get("/me").await.status, 200);
        let body = json!({ "redirect_to": "/bye", "refresh_token": refresh });
        assert_eq!(native.post("/auth/sign-out", &body).await.status, 204);
        assert_eq!(native.get("/me").await.status, 401);
    }

    /// SE-07
    async fn expired_access_token_can_sign_its_session_out(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        client.forget_cookie("auth-refresh");
        bed.advance(900).await;
        assert_eq!(client.get("/me").await.status, 401);
        let dump = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).matches("127.0.0.1").count();
        assert!(dump(bed.dump().await) > 0);
        assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(bed.bed.watch.count(EventKind::SignedOut), 1);
    }

    async fn refresh_token_alone_can_sign_its_session_out(bed: &Bed) {
        let (native, _, refresh) = bed.native("ada@example.com").await;
        let answer = bed.client().post("/auth/sign-out", json!({ "refresh_token": refresh })).await;
        assert_eq!((answer.status.as_u16(), native.get("/me").await.status.as_u16()), (204, 401));
    }

    /// A forged token revokes no session.
    async fn forged_token_revokes_no_session(bed: &Bed) {
        let (ada, ada_access, _) = bed.native("ada@example.com").await;
        let (_, eve_access, _) = bed.native("eve@example.com").await;
        let forged = authlayer::crypto::token::AccessToken {
            session: authlayer::crypto::token::AccessToken::parse(&ada_access).unwrap().session,
            ..authlayer::crypto::token::AccessToken::parse(&eve_access).unwrap()
        };
        let forger = bed.client().bearer(forged.encode().expose());
        assert_eq!(forger.get("/me").await.status, 401);
        assert_eq!(forger.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::AccessTokenRefused), 1);
    }

    /// SE-05, CK-07, CR-08: valid until the last millisecond before its expiry.
    async fn access_token_expires_even_if_its_cookie_does_not(bed: &Bed, { "access_ttl_s": 60 }) {
        let client = bed.browser("ada@example.com").await;
        client.forget_cookie("auth-refresh");
        bed.advance(59).await;
        assert_eq!(client.get("/me").await.status, 200);
        bed.advance(1).await;
        assert_eq!(client.get("/me").await.status, 401);
    }

    /// SE-06
    async fn tokens_do_not_outlive_their_session(bed: &Bed, { "access_ttl_s": 100, "refresh_ttl_s": 200, "max_lifetime_s": 50 }) {
        let (native, ..) = bed.native("ada@example.com").await;
        let session = native.get("/auth/session").await.json()["session"].clone();
        assert_eq!(session["access_expires_at"], session["expires_at"]);
        bed.advance(49).await;
        assert_eq!(native.get("/me").await.status, 200);
        bed.advance(1).await;
        assert_eq!(native.get("/me").await.status, 401);
    }

    /// A11, SE-03, SE-08
    async fn disabling_a_user_revokes_sessions_immediately(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        let id = id_of(&client).await;
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(client.get("/me").await.status, 401);
        bed.change(&id, json!({ "status": "active" })).await;
        assert_eq!(client.get("/me").await.status, 401, "enabling restores no session");
        assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
    }

    async fn role_change_applies_to_the_next_request(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        let refused = client.get("/admin").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "forbidden".to_owned()));
        assert_eq!(refused.json()["missing"], json!(["role:admin"]));
        bed.change(&id_of(&client).await, json!({ "roles": ["admin"] })).await;
        assert_eq!(client.get("/admin").await.status, 200);
    }

    async fn guard_requires_a_recent_or_stronger_factor(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        assert_eq!(client.get("/fresh").await.status, 200);
        bed.advance(600).await;
        let stale = client.get("/fresh").await;
        assert_eq!((stale.status.as_u16(), stale.code()), (403, "step_up_required".to_owned()));
        assert_eq!(stale.json()["required"], json!({ "within_seconds": 600 }));
        let weak = client.get("/strong").await;
        assert_eq!(weak.json()["required"], json!({ "within_seconds": 600, "factor": "passkey" }));
    }

    /// CK-18, E1, E11
    async fn page_redirects_to_sign_in_with_a_return_target(bed: &Bed) {
        let asks = |client: authlayer::testing::TestClient| client.with("accept", "text/html,*/*");
        let answer = asks(bed.client()).get("/page?a=1&b=%0d").await;
        assert_eq!(answer.status, 303);
        assert_eq!(answer.header("location"), "/sign-in?return_to=/page%3Fa%3D1%26b%3D%250d");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(bed.client().get("/page").await.status, 401, "an API client");
        let long = format!("/page?{}", "x".repeat(4000));
        assert_eq!(asks(bed.client()).get(&long).await.header("location"), "/sign-in");
        let posted = asks(bed.client()).post("/page", json!({})).await;
        assert_eq!(posted.status, 405, "the method is checked before the guard");
        let signed_in = bed.browser("ada@example.com").await;
        assert_eq!(asks(signed_in).get("/page").await.status, 200);
    }

    async fn last_use_is_written_in_the_background_every_five_minutes(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        let seen = async || client.get("/auth/session").await.json()["session"]["last_seen_at"].clone();
        let first = seen().await;
        bed.advance(300).await;
        let second = seen().await;
        assert_ne!(second, first);
        bed.wait_until_seen(&client, &second).await;
        bed.advance(299).await;
        assert_eq!(seen().await, second);
    }

    async fn last_use_is_written_in_batches(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let mut others = Vec::new();
        for _ in 0..11 {
            let client = bed.client();
            assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
            others.push(client);
        }
        bed.advance(300).await;
        let before = bed.background().await;
        for client in others.iter().chain([&browser]) {
            client.get("/me").await;
        }
        let now = browser.get("/auth/session").await.json()["session"]["last_seen_at"].clone();
        bed.wait_until_seen(&browser, &now).await;
        let used = bed.background().await - before;
        assert!((1..12).contains(&used), "{used}");
    }
}
