//! `POST /refresh`: rotation, convergence, reuse.

use authlayer::{EventKind, crypto::token::RefreshToken, testing::Answer};
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{Bed, id_of, on_every_store};

async fn refresh(bed: &Bed, token: &str) -> Answer {
    bed.client().post("/auth/refresh", &json!({ "refresh_token": token })).await
}

/// The pair of an answer that must be one.
fn pair(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let tokens = answer.json()["tokens"].clone();
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

async fn next(bed: &Bed, token: &str) -> (String, String) {
    pair(&refresh(bed, token).await)
}

async fn is_good(bed: &Bed, access: &str) -> bool {
    bed.client().bearer(access).get("/me").await.status == 200
}

/// Uses an access token until its generation is confirmed, which happens off the path.
async fn confirm(bed: &Bed, access: &str) {
    let id = authlayer::crypto::token::AccessToken::parse(access).unwrap().session;
    assert!(is_good(bed, access).await);
    for _ in 0..10_000 {
        if bed.is_confirmed(id).await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the rotation was not confirmed");
}

async fn refused(bed: &Bed, token: &str) -> bool {
    let answer = refresh(bed, token).await;
    answer.status == 401 && answer.code() == "invalid_refresh_token"
}

on_every_store! {
    /// A1, RT-01
    async fn a_refresh_gives_a_new_pair(bed: &Bed) {
        let (_, a0, r0) = bed.native("ada@example.com").await;
        let answer = refresh(bed, &r0).await;
        let (a1, r1) = pair(&answer);
        assert!(a1 != a0 && r1 != r0);
        let body = answer.json();
        assert_eq!((&body["status"], &body["user"]["email"]), (&json!("complete"), &json!("ada@example.com")));
        assert_eq!(body["session"]["current"], true);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.set_cookies().is_empty());
        assert!(is_good(bed, &a1).await);
        assert!(is_good(bed, &a0).await, "good until its own expiry");
        bed.advance(900).await;
        assert!(!is_good(bed, &a0).await && !is_good(bed, &a1).await);
    }

    /// A2, RT-02, RT-12: at any age, and no other family of the user.
    async fn reuse_ends_the_family_and_no_other(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let body = json!({ "email": "ada@example.com", "password": crate::support::PASSWORD, "transport": "bearer" });
        let (other, _) = pair(&bed.client().post("/auth/sign-in", &body).await);
        let (_, r1) = next(bed, &r0).await;
        bed.advance(60).await;
        let (a2, r2) = next(bed, &r1).await;
        bed.advance(60).await;
        assert!(refused(bed, &r0).await);
        assert!(!is_good(bed, &a2).await);
        assert!(refused(bed, &r2).await);
        assert!(is_good(bed, &other).await);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 1);
    }

    /// RT-12, LG-06: the owner hears of a theft.
    async fn a_theft_is_told_by_mail(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        next(bed, &r0).await;
        bed.advance(900).await;
        assert!(refused(bed, &r0).await);
        while crate::codes::kinds(bed, "ada@example.com").await != ["notice_refresh_reuse"] {
            tokio::task::yield_now().await;
        }
    }

    /// RT-09
    async fn a_token_of_any_age_is_recognised(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let mut current = r0.clone();
        for _ in 0..40 {
            current = next(bed, &current).await.1;
        }
        assert!(refused(bed, &r0).await);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 1);
        assert!(refused(bed, &current).await);
    }

    /// A3, A8, RT-03: twenty tabs, one lineage; a replay inside the window has no sibling.
    async fn a_burst_converges_on_one_lineage(bed: &Bed) {
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
        assert!(is_good(bed, &pairs[0].0).await);
        next(bed, &pairs[0].1).await;
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    }

    /// A4: nobody has used the successor, so the answer was lost; until one lifetime.
    async fn a_lost_answer_is_given_again(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let lost = next(bed, &r0).await;
        bed.advance(899).await;
        assert_eq!(next(bed, &r0).await, lost);
        bed.advance(1).await;
        assert!(refused(bed, &r0).await);
        assert!(refused(bed, &lost.1).await, "by then it is theft");
    }

    /// RT-04: the first use of the successor ends the wait for a lost answer, not the grace.
    async fn a_used_successor_leaves_only_the_grace(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let first = next(bed, &r0).await;
        confirm(bed, &first.0).await;
        assert_eq!(next(bed, &r0).await, first, "another tab, a moment later");
        bed.advance(10).await;
        assert!(refused(bed, &r0).await);
        assert!(!is_good(bed, &first.0).await);
    }

    /// A5: only the direct predecessor has grace.
    async fn an_older_token_has_no_grace(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let (_, r1) = next(bed, &r0).await;
        let (a2, _) = next(bed, &r1).await;
        assert!(refused(bed, &r0).await);
        assert!(!is_good(bed, &a2).await);
    }

    /// A6: both windows at 0, one wins and the family ends.
    async fn without_windows_a_second_use_is_theft(bed: &Bed, { "grace_ms": 0, "lost_answer_ms": 0 }) {
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
        assert!(!is_good(bed, &access).await);
        assert!(refused(bed, &token).await);
    }

    /// Nobody ends another's session by guessing, and every refusal is the same (RT-10).
    async fn every_refusal_looks_alike_and_forgery_ends_nothing(bed: &Bed) {
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
        assert_eq!(bodies[0].2, bed.client().post("/auth/refresh", &json!({})).await.body);
        assert_eq!(native.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
        assert!(refused(bed, &access).await, "A13");
        assert_eq!(bed.client().bearer(&r1).get("/me").await.status, 401, "A13");
    }

    /// A9, A11, RT-07
    async fn an_ended_session_cannot_be_refreshed(bed: &Bed) {
        let (ada, _, r0) = bed.native("ada@example.com").await;
        ada.post("/auth/sign-out", &json!({})).await;
        assert!(refused(bed, &r0).await);
        let (bob, _, r0) = bed.native("bob@example.com").await;
        let id = id_of(&bob).await;
        for status in ["disabled", "active"] {
            bed.change(&id, json!({ "status": status })).await;
            assert!(refused(bed, &r0).await, "{status}");
        }
    }

    /// A12, SE-05, SE-06, RT-05
    async fn activity_extends_the_idle_end_and_never_the_absolute(bed: &Bed, { "refresh_ttl_s": 1000, "max_lifetime_s": 2500 }) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        bed.advance(999).await;
        let (_, r1) = next(bed, &r0).await;
        bed.advance(999).await;
        let (a2, r2) = next(bed, &r1).await;
        bed.advance(501).await;
        let (a3, r3) = next(bed, &r2).await;
        assert!(is_good(bed, &a2).await && is_good(bed, &a3).await);
        bed.advance(1).await;
        assert!(refused(bed, &r3).await && !is_good(bed, &a3).await);
        let (_, _, idle) = bed.native("bob@example.com").await;
        bed.advance(1000).await;
        assert!(refused(bed, &idle).await);
    }

    async fn a_session_rotates_so_often_and_no_more(bed: &Bed, { "max_rotations": 2 }) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let (_, r1) = next(bed, &r0).await;
        let (a2, r2) = next(bed, &r1).await;
        assert!(refused(bed, &r2).await);
        assert!(is_good(bed, &a2).await, "refused, not revoked");
    }

    /// CK-01, CK-06, RT-04: the transport is that of the session whichever way the token came.
    async fn a_cookie_session_is_answered_by_cookies(bed: &Bed) {
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
        let refused = loser.post("/auth/refresh", &json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.set_cookies().len()), (401, 0));
        let cross = browser.with("sec-fetch-site", "cross-site");
        assert_eq!(cross.post("/auth/refresh", &json!({})).await.code(), "cross_origin", "RT-11");
    }

    async fn a_body_wins_over_a_cookie(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let (_, _, token) = bed.native("bob@example.com").await;
        let answer = browser.post("/auth/refresh", &json!({ "refresh_token": token })).await;
        assert_eq!(answer.json()["user"]["email"], "bob@example.com");
        let garbage = browser.post("/auth/refresh", &json!({ "refresh_token": "art_x" })).await;
        assert_eq!(garbage.status, 401);
    }

    /// RT-06, SE-12: a refresh asks for nothing and gets what the user has.
    async fn a_refresh_widens_nothing(bed: &Bed) {
        let (_, _, token) = bed.native("ada@example.com").await;
        let body = json!({ "refresh_token": token, "scope": "admin", "scopes": ["admin"], "roles": ["admin"] });
        let answer = bed.client().post("/auth/refresh", &body).await;
        let (access, _) = pair(&answer);
        assert_eq!((&answer.json()["user"]["scopes"], &answer.json()["user"]["roles"]), (&json!([]), &json!([])));
        assert_eq!(bed.client().bearer(&access).get("/admin").await.status, 403);
    }

    /// RT-08: a write that fails leaves the token as it was.
    async fn a_refresh_that_cannot_be_written_changes_nothing(bed: &Bed) {
        let (native, _, token) = bed.native("ada@example.com").await;
        bed.refuse_rotations(true).await;
        let failed = refresh(bed, &token).await;
        assert_eq!((failed.status.as_u16(), failed.code()), (503, "unavailable".to_owned()));
        assert_eq!(native.get("/me").await.status, 200);
        bed.refuse_rotations(false).await;
        next(bed, &token).await;
    }

    /// One read and one write to rotate; one read to refuse; none for garbage.
    async fn a_refresh_costs_two_statements(bed: &Bed) {
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

    /// RT-07: whichever comes first, nothing of the session is left.
    async fn a_refresh_that_races_its_end_leaves_nothing(bed: &Bed) {
        for round in 0..10 {
            let (native, _, r0) = bed.native(&format!("u{round}@example.com")).await;
            let (ended, refreshed) = tokio::join!(
                async { native.post("/auth/sign-out", &json!({})).await },
                refresh(bed, &r0),
            );
            assert_eq!(ended.status, 204);
            if refreshed.status == 200 {
                let (access, token) = pair(&refreshed);
                assert!(!is_good(bed, &access).await, "round {round}");
                assert!(refused(bed, &token).await, "round {round}");
            }
        }
    }

    /// SE-02, F24
    async fn no_rotated_secret_is_in_a_dump(bed: &Bed) {
        let (_, _, r0) = bed.native("ada@example.com").await;
        let (a1, r1) = next(bed, &r0).await;
        let dump = String::from_utf8_lossy(&bed.dump().await).into_owned();
        for token in [r0, a1, r1] {
            assert!(!dump.contains(&token[40..62]), "a part of it is in the dump");
        }
    }
}
