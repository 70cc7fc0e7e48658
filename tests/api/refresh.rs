//! `POST /refresh`: rotation, convergence, reuse.

use authlayer::{EventKind, crypto::token::RefreshToken, testing::TestResponse};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Bed, id_of, on_every_store};

async fn refresh(bed: &Bed, token: &str) -> TestResponse {
    bed.client().post("/auth/refresh", json!({ "refresh_token": token })).await
}

/// Returns the tokens of a successful response.
fn pair(answer: &TestResponse) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let tokens = answer.json()["tokens"].clone();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

async fn next(bed: &Bed, token: &str) -> (String, String) {
    pair(&refresh(bed, token).await)
}

async fn is_valid(bed: &Bed, access: &str) -> bool {
    bed.client().bearer(access).get("/me").await.status == 200
}

/// Uses an access token until its generation is confirmed, which happens in the background.
async fn until_confirmed(bed: &Bed, access: &str) {
    let id = authlayer::crypto::token::AccessToken::parse(access).unwrap().session;
    assert!(is_valid(bed, access).await);
    for _ in 0..10_000 {
        if bed.is_confirmed(id).await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the rotation was not confirmed");
}

async fn is_rejected(bed: &Bed, token: &str) -> bool {
    let answer = refresh(bed, token).await;
    answer.status == 401 && answer.code() == "invalid_refresh_token"
}

on_every_store! {
    /// A1, RT-01
    async fn refresh_returns_a_new_token_pair(bed: &Bed) {
        let (_, a0, r0) = bed.native("ada@example.com").await;
        let answer = refresh(bed, &r0).await;
        let (a1, r1) = pair(&answer);
        assert!(a1 != a0 && r1 != r0);
        let body = answer.json();
        assert_eq!((&body["status"], &body["user"]["email"]), (&json!("complete"), &json!("ada@example.com")));
        assert_eq!(body["session"]["current"], true);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.set_cookies().is_empty());
        assert!(is_valid(bed, &a1).await);
        assert!(is_valid(bed, &a0).await, "valid until its own expiry");
        bed.advance(900).await;
        assert!(!is_valid(bed, &a0).await && !is_valid(bed, &a1).await);
    }

    /// A2, RT-02, RT-12: tokens of any age, but no other family of the user.
    async fn reuse_revokes_only_its_token_family(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let body = json!({ "email": "ada@example.com", "password": crate::support::PASSWORD, "transport": "bearer" });
        let (other, _) = pair(&bed.client().post("/auth/sign-in", &body).await);
        let (_, r1) = next(bed, &r0).await;
        bed.advance(60).await;
        let (a2, r2) = next(bed, &r1).await;
        bed.advance(60).await;
        assert!(is_rejected(bed, &r0).await);
        assert!(!is_valid(bed, &a2).await);
        assert!(is_rejected(bed, &r2).await);
        assert!(is_valid(bed, &other).await);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 1);
    }

    /// RT-12, LG-06: the owner is notified of a theft.
    async fn token_theft_is_notified_by_email(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        next(bed, &r0).await;
        bed.advance(900).await;
        assert!(is_rejected(bed, &r0).await);
        while crate::codes::kinds(bed, "ada@example.com").await != ["notice_refresh_reuse"] {
            tokio::task::yield_now().await;
        }
    }

    /// RT-09
    async fn reuse_of_a_token_of_any_age_is_detected(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let mut current = r0.clone();
        for _ in 0..40 {
            current = next(bed, &current).await.1;
        }
        assert!(is_rejected(bed, &r0).await);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 1);
        assert!(is_rejected(bed, &current).await);
    }

    /// A3, A8, RT-03: twenty tabs, one lineage; a replay inside the window has no sibling.
    async fn concurrent_refreshes_converge_on_one_lineage(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let mut burst = JoinSet::new();
        for _ in 0..20 {
            let (client, body) = (bed.client(), json!({ "refresh_token": r0 }));
            burst.spawn(async move { pair(&client.post("/auth/refresh", &body).await) });
        }
        let mut pairs = burst.join_all().await;
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), 1, "one pair for all");
        assert_eq!(RefreshToken::parse(&pairs[0].1).unwrap().generation, 1, "advanced once");
        assert!(is_valid(bed, &pairs[0].0).await);
        next(bed, &pairs[0].1).await;
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    }

    /// A4: an unused successor means that the response was lost, for one access token lifetime.
    async fn lost_refresh_response_can_be_repeated(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let lost = next(bed, &r0).await;
        bed.advance(899).await;
        assert_eq!(next(bed, &r0).await, lost);
        bed.advance(1).await;
        assert!(is_rejected(bed, &r0).await);
        assert!(is_rejected(bed, &lost.1).await, "the earlier reuse counts as theft");
    }

    /// RT-04: the first use of the successor ends the retry window, not the grace window.
    async fn used_successor_leaves_only_the_grace_window(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let first = next(bed, &r0).await;
        until_confirmed(bed, &first.0).await;
        assert_eq!(next(bed, &r0).await, first, "another tab, a moment later");
        bed.advance(10).await;
        assert!(is_rejected(bed, &r0).await);
        assert!(!is_valid(bed, &first.0).await);
    }

    /// A5
    async fn only_the_direct_predecessor_has_a_grace_window(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let (_, r1) = next(bed, &r0).await;
        let (a2, _) = next(bed, &r1).await;
        assert!(is_rejected(bed, &r0).await);
        assert!(!is_valid(bed, &a2).await);
    }

    /// A6: with both windows at 0, one request succeeds and the family is revoked.
    async fn without_windows_a_second_use_counts_as_theft(bed: &Bed, { "grace_ms": 0, "lost_answer_ms": 0 }) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let mut burst = JoinSet::new();
        for _ in 0..4 {
            let (client, body) = (bed.client(), json!({ "refresh_token": r0 }));
            burst.spawn(async move { client.post("/auth/refresh", &body).await });
        }
        let answers = burst.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 3));
        assert!(lost.iter().all(|answer| answer.status == 401));
        let (access, token) = pair(won[0]);
        assert!(!is_valid(bed, &access).await);
        assert!(is_rejected(bed, &token).await);
    }

    /// Guessed tokens revoke no session, and every rejection has the same response (RT-10).
    async fn rejections_are_identical_and_forged_tokens_revoke_nothing(bed: &Bed) {
        let (native, access, r0) = bed.native("ada@example.com").await;
        let (_, _, strange) = bed.native("eve@example.com").await;
        let (_, r1) = next(bed, &r0).await;
        let mine = RefreshToken::parse(&r1).unwrap();
        let forge = |generation: u32| {
            let secret = RefreshToken::parse(&strange).unwrap().secret;
            RefreshToken { session: mine.session, generation, secret }.encode().expose().to_owned()
        };
        let unknown = RefreshToken {
            session: authlayer::SessionId::from_bytes([7; 16]),
            ..RefreshToken::parse(&strange).unwrap()
        };
        let mut bodies = Vec::new();
        for token in [
            forge(0), forge(1), forge(2), forge(u32::MAX), unknown.encode().expose().to_owned(),
            "art_garbage".to_owned(), String::new(), access.clone(),
        ] {
            let answer = refresh(bed, &token).await;
            let mut headers = answer.headers.clone();
            headers.remove("date");
            bodies.push((answer.status, headers, answer.body));
        }
        assert_eq!(bodies[0].0, 401);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        assert_eq!(bodies[0].2, bed.client().post("/auth/refresh", json!({})).await.body);
        assert_eq!(native.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
        assert!(is_rejected(bed, &access).await, "A13");
        assert_eq!(bed.client().bearer(&r1).get("/me").await.status, 401, "A13");
    }

    /// A9, A11, RT-07
    async fn revoked_session_cannot_be_refreshed(bed: &Bed) {
        let (ada, _, r0) = bed.native("ada@example.com").await;
        ada.post("/auth/sign-out", json!({})).await;
        assert!(is_rejected(bed, &r0).await);
        let (bob, _, r0) = bed.native("bob@example.com").await;
        let id = id_of(&bob).await;
        for status in ["disabled", "active"] {
            bed.change(&id, json!({ "status": status })).await;
            assert!(is_rejected(bed, &r0).await, "{status}");
        }
    }

    /// A12, SE-05, SE-06, RT-05
    async fn activity_extends_the_idle_timeout_but_not_the_absolute_one(bed: &Bed, { "refresh_ttl_s": 1000, "max_lifetime_s": 2500 }) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        bed.advance(999).await;
        let (_, r1) = next(bed, &r0).await;
        bed.advance(999).await;
        let (a2, r2) = next(bed, &r1).await;
        bed.advance(501).await;
        let (a3, r3) = next(bed, &r2).await;
        assert!(is_valid(bed, &a2).await && is_valid(bed, &a3).await);
        bed.advance(1).await;
        assert!(is_rejected(bed, &r3).await && !is_valid(bed, &a3).await);
        let (_, _, idle) = bed.native("bob@example.com").await;
        bed.advance(1000).await;
        assert!(is_rejected(bed, &idle).await);
    }

    async fn session_rotates_at_most_max_rotations_times(bed: &Bed, { "max_rotations": 2 }) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let (_, r1) = next(bed, &r0).await;
        let (a2, r2) = next(bed, &r1).await;
        assert!(is_rejected(bed, &r2).await);
        assert!(is_valid(bed, &a2).await, "rejected, but not revoked");
    }

    /// CK-01, CK-06, RT-04: the response uses the transport of the session, not of the token.
    async fn refresh_of_a_cookie_session_sets_cookies(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let old = (browser.cookie("auth").unwrap(), browser.cookie("auth-refresh").unwrap());
        let answer = browser.send(http::Method::POST, "/auth/refresh", &[], b"").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.set_cookies().len(), 2);
        assert!(answer.json().get("tokens").is_none());
        let new = (browser.cookie("auth").unwrap(), browser.cookie("auth-refresh").unwrap());
        assert!(new.0 != old.0 && new.1 != old.1);
        assert_eq!(refresh(bed, &new.1).await.set_cookies().len(), 2);
        let loser = bed.client();
        loser.set_cookie("auth-refresh", &old.1);
        let refused = loser.post("/auth/refresh", json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.set_cookies().len()), (401, 0));
        let cross = browser.with("sec-fetch-site", "cross-site");
        assert_eq!(cross.post("/auth/refresh", json!({})).await.code(), "cross_origin", "RT-11");
    }

    async fn refresh_token_in_the_body_takes_precedence_over_the_cookie(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let (_, _, token) = bed.native("bob@example.com").await;
        let answer = browser.post("/auth/refresh", json!({ "refresh_token": token })).await;
        assert_eq!(answer.json()["user"]["email"], "bob@example.com");
        let garbage = browser.post("/auth/refresh", json!({ "refresh_token": "art_x" })).await;
        assert_eq!(garbage.status, 401);
    }

    /// RT-06, SE-12: a refresh returns the scopes and roles of the user, not those in the body.
    async fn refresh_grants_no_additional_rights(bed: &Bed) {
        let (_, _, token) = bed.native("ada@example.com").await;
        let body = json!({ "refresh_token": token, "scope": "admin", "scopes": ["admin"], "roles": ["admin"] });
        let answer = bed.client().post("/auth/refresh", &body).await;
        let (access, _) = pair(&answer);
        assert_eq!((&answer.json()["user"]["scopes"], &answer.json()["user"]["roles"]), (&json!([]), &json!([])));
        assert_eq!(bed.client().bearer(&access).get("/admin").await.status, 403);
    }

    /// RT-08: after a failed write the token is still valid.
    async fn failed_refresh_changes_nothing(bed: &Bed) {
        let (native, _, token) = bed.native("ada@example.com").await;
        bed.reject_rotations(true).await;
        let failed = refresh(bed, &token).await;
        assert_eq!((failed.status.as_u16(), failed.code()), (503, "unavailable".to_owned()));
        assert_eq!(native.get("/me").await.status, 200);
        bed.reject_rotations(false).await;
        next(bed, &token).await;
    }

    /// One read and one write for a rotation, one read for a rejection, none for a malformed token.
    async fn refresh_costs_two_statements(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let cost = async |token: &str| {
            let before = bed.statements().await;
            refresh(bed, token).await;
            bed.statements().await - before
        };
        assert_eq!(cost(&r0).await, 2);
        assert_eq!(cost(&r0).await, 1, "to converge");
        assert_eq!(cost("art_garbage").await, 0);
    }

    /// RT-07: the session is revoked in either order.
    async fn refresh_concurrent_with_a_revocation_leaves_no_session(bed: &Bed) {
        for round in 0..10 {
            let (native, _, r0) = bed.native(&format!("u{round}@example.com")).await;
            let (ended, refreshed) = tokio::join!(
                async { native.post("/auth/sign-out", json!({})).await },
                refresh(bed, &r0),
            );
            assert_eq!(ended.status, 204);
            if refreshed.status == 200 {
                let (access, token) = pair(&refreshed);
                assert!(!is_valid(bed, &access).await, "round {round}");
                assert!(is_rejected(bed, &token).await, "round {round}");
            }
        }
    }

    /// SE-02, F24
    async fn database_dump_contains_no_rotated_secret(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let (a1, r1) = next(bed, &r0).await;
        let dump = String::from_utf8_lossy(&bed.dump().await).into_owned();
        for token in [r0, a1, r1] {
            assert!(!dump.contains(&token[40..62]), "the dump contains a part of it");
        }
    }
}
