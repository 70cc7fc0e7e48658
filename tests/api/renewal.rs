//! Renewal for pages: an expired access cookie with a valid refresh cookie.

use authlayer::{EventKind, testing::TestClient};
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Bed, PASSWORD, on_every_store, sign_in};

/// Returns a browser that no longer sends its expired access token.
async fn returning_browser(bed: &Bed) -> TestClient {
    let browser = bed.browser("ada@example.com").await;
    bed.advance(900).await;
    browser.forget_cookie("auth");
    browser
}

on_every_store! {
    async fn returning_browser_is_authenticated_with_new_cookies(bed: &Bed) {
        let browser = returning_browser(bed).await;
        let answer = browser.get("/me").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (200, 2));
        assert_eq!(answer.json()["email"], "ada@example.com");
        assert_eq!(answer.header("cache-control"), "no-store");
        let again = browser.get("/me").await;
        assert_eq!((again.status.as_u16(), again.set_cookies().len()), (200, 0));
        for _ in 0..30 {
            bed.advance(2 * 24 * 3600).await;
            assert_eq!(browser.get("/maybe").await.json()["user"]["email"], "ada@example.com");
        }
        assert_eq!(bed.bed.watch.count(EventKind::Refreshed), 31);
    }

    async fn stale_or_malformed_access_cookie_is_renewed(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        bed.advance(900).await;
        assert_eq!(browser.get("/me").await.status, 200, "stale and still sent");
        browser.set_cookie("auth", "broken");
        assert_eq!(browser.get("/auth/session").await.set_cookies().len(), 2);
    }

    /// Rejections by guards and errors of handlers also set the new cookies.
    async fn rejected_request_sets_the_new_cookies(bed: &Bed) {
        let browser = returning_browser(bed).await;
        let answer = browser.get("/admin").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (403, 2));
        assert_eq!(browser.get("/me").await.set_cookies().len(), 0);
    }

    async fn public_route_does_not_renew_the_session(bed: &Bed) {
        let browser = returning_browser(bed).await;
        let before = bed.statements().await;
        assert!(browser.get("/public").await.set_cookies().is_empty());
        assert_eq!(bed.statements().await, before);
    }

    /// CK-06: cookies that a handler sets take precedence.
    async fn response_never_sets_two_cookies_of_the_same_name(bed: &Bed) {
        let browser = returning_browser(bed).await;
        let answer = sign_in(&browser, "ada@example.com", PASSWORD).await;
        assert_eq!(answer.set_cookies().len(), 2);
        bed.advance(900).await;
        browser.forget_cookie("auth");
        let out = browser.post("/auth/sign-out", json!({})).await;
        assert_eq!((out.status.as_u16(), out.set_cookies().len()), (204, 2));
        assert_eq!(browser.get("/me").await.status, 401);
    }

    /// Concurrent requests of one page converge on one lineage.
    async fn concurrent_requests_of_a_page_are_renewed_once(bed: &Bed) {
        let browser = returning_browser(bed).await;
        let refresh = browser.cookie("auth-refresh").unwrap();
        let mut burst = JoinSet::new();
        for _ in 0..20 {
            let tab = bed.client();
            tab.set_cookie("auth-refresh", &refresh);
            burst.spawn(async move {
                assert_eq!(tab.get("/me").await.status, 200);
                tab.cookie("auth-refresh").unwrap()
            });
        }
        let mut tokens = burst.join_all().await;
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 1);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    }

    async fn other_transports_and_cross_site_requests_are_not_renewed(bed: &Bed) {
        let browser = returning_browser(bed).await;
        let cross = browser.clone().with("sec-fetch-site", "cross-site");
        assert_eq!(cross.post("/note", json!({})).await.code(), "cross_origin");
        let bearer = browser.clone().bearer("aat_stale");
        assert_eq!(bearer.get("/me").await.status, 401);
        let (_, _, native) = bed.native("bob@example.com").await;
        let planted = bed.client();
        planted.set_cookie("auth-refresh", &native);
        assert_eq!(planted.get("/me").await.status, 401, "a session of another transport");
        let cookies = format!("auth-refresh={native}; auth-refresh={native}");
        assert_eq!(bed.client().with("cookie", cookies).get("/me").await.status, 401);
        assert_eq!(bed.bed.watch.count(EventKind::Refreshed), 0);
        assert_eq!(browser.send(Method::POST, "/note", &[], b"").await.status, 200, "same site");
    }

    async fn expired_refresh_token_does_not_authenticate(bed: &Bed) {
        let browser = returning_browser(bed).await;
        bed.advance(30 * 24 * 3600).await;
        let answer = browser.get("/me").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (401, 0));
        assert_eq!(browser.get("/maybe").await.json(), json!({ "user": null }));
    }
}
