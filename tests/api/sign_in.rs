//! `POST /sign-in`.

use authlayer::{Auth, EventKind, Password, RateLimits, SqliteStore, User};
use serde_json::json;

use crate::support::{Bed, PASSWORD, id_of, on_every_store, sign_in, uuid};

/// Imports a user whose hash is slow enough for requests to overlap.
pub(crate) async fn imported(bed: &Bed) -> User {
    let hash = "$pbkdf2-sha256$i=200000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$DIQs/TBaG0tSNRYrAwEzGozUzk6oTN2ZNtJU7USMGho";
    let mut user = User::new(uuid("old"), "2026-01-01T00:00:00Z".parse().unwrap());
    user.email = Some("old@example.com".parse().unwrap());
    let passwords = bed.bed.auth.service::<Password>().unwrap();
    passwords.import(&user, hash).await.unwrap();
    user
}

on_every_store! {
    /// B2, B3, PW-12, PW-13, B16: the same status, body, headers and amount of hashing.
    async fn every_failure_has_the_response_of_an_unknown_user(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.browser("off@example.com").await;
        let off = bed.client();
        sign_in(&off, "off@example.com", PASSWORD).await;
        bed.change(&id_of(&off).await, json!({ "status": "disabled" })).await;
        let bare = User::new(uuid("bare"), ada.get("/me").await.json()["created_at"]
            .as_str().unwrap().parse().unwrap());
        let mut bare = bare;
        bare.email = Some("bare@example.com".parse().unwrap());
        bed.bed.auth.users().create(&bare).await.unwrap();

        let mut answers = Vec::new();
        for (email, password) in [
            ("nobody@example.com", PASSWORD), ("ada@example.com", "wrong password"),
            ("off@example.com", PASSWORD), ("not an address", PASSWORD),
            ("bare@example.com", PASSWORD), ("bare@example.com", ""),
        ] {
            let before = bed.hashes().await;
            let answer = sign_in(&bed.client(), email, password).await;
            assert_eq!(bed.hashes().await - before, 1, "{email}");
            let mut headers = answer.headers.clone();
            headers.remove("date");
            answers.push((answer.status, headers, answer.body));
        }
        assert_eq!(answers[0].0, 401);
        assert_eq!(answers[0].1["www-authenticate"], "Bearer");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(bed.bed.watch.count(EventKind::SignInFailed), 6);
    }

    /// B3, DS-01
    async fn too_long_password_costs_no_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let (statements, hashes) = (bed.statements().await, bed.hashes().await);
        for email in ["ada@example.com", "nobody@example.com"] {
            let answer = sign_in(&bed.client(), email, &"x".repeat(4097)).await;
            assert_eq!(answer.code(), "invalid_credentials");
        }
        assert_eq!(bed.hashes().await, hashes);
        assert_eq!(bed.statements().await - statements, 4, "counted like any attempt");
    }

    /// CK-01, CK-02, CK-03, A18
    async fn cookies_are_host_bound_and_http_only(bed: &Bed, { "origin": "https://app.example.com" }) {
        let client = bed.browser("ada@example.com").await;
        let answer = sign_in(&client, "ada@example.com", PASSWORD).await;
        let cookies = answer.set_cookies();
        assert_eq!(cookies.len(), 2, "one cookie per name");
        for (cookie, name, age) in
            [(&cookies[0], "__Host-auth=aat_", 900), (&cookies[1], "__Host-auth-refresh=art_", 2_592_000)]
        {
            assert!(cookie.starts_with(name), "{cookie}");
            for attribute in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
                assert!(cookie.split("; ").any(|part| part == attribute), "{attribute} in {cookie}");
            }
            assert!(cookie.ends_with(&format!("Max-Age={age}")), "{cookie}");
            assert!(!cookie.contains("Domain"));
        }
        let body = String::from_utf8(answer.body).unwrap();
        assert!(!body.contains("aat_") && !body.contains("art_"));
        assert_eq!(client.get("/me").await.status, 200);
    }

    /// CK-09
    async fn development_origin_uses_other_cookie_names(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        assert!(client.cookie("auth").is_some() && client.cookie("auth-refresh").is_some());
        let planted = bed.client();
        planted.set_cookie("__Host-auth", &client.cookie("auth").unwrap());
        assert_eq!(planted.get("/me").await.status, 401);
    }

    async fn native_client_receives_tokens_and_no_cookie(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
        let answer = bed.client().post("/auth/sign-in", &body).await;
        let tokens = answer.json()["tokens"].clone();
        assert!(answer.set_cookies().is_empty());
        assert_eq!(answer.json()["session"]["transport"], "bearer");
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["expires_in"], 900);
        assert_eq!(tokens["refresh_expires_in"], 2_592_000);
        let access = tokens["access_token"].as_str().unwrap();
        assert!(access.starts_with("aat_"));
        assert!(tokens["refresh_token"].as_str().unwrap().starts_with("art_"));
        assert_eq!(bed.client().bearer(access).get("/me").await.status, 200);
    }

    async fn disabled_transport_is_neither_issued_nor_accepted(bed: &Bed, { "session_mode": "bearer" }) {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "cookie" });
        let answer = bed.client().post("/auth/sign-up", &body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "transport_disabled".to_owned()));
        let (native, access, _) = bed.native("ada@example.com").await;
        assert_eq!(native.get("/me").await.status, 200);
        let browser = bed.client();
        browser.set_cookie("auth", &access);
        assert_eq!(browser.get("/me").await.status, 401);
        assert!(native.post("/auth/sign-out", &json!({})).await.set_cookies().is_empty());
    }

    /// SE-04, A15, CK-06
    async fn sign_in_replaces_the_session_of_the_request(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        let old = client.cookie("auth").unwrap();
        let answer = sign_in(&client, "ada@example.com", PASSWORD).await;
        assert_eq!(answer.set_cookies().len(), 2);
        assert_ne!(client.cookie("auth").unwrap(), old);
        let former = bed.client();
        former.set_cookie("auth", &old);
        assert_eq!(former.get("/me").await.status, 401);
    }

    /// A16
    async fn sign_in_does_not_adopt_a_planted_cookie(bed: &Bed) {
        let attacker = bed.browser("eve@example.com").await;
        bed.browser("ada@example.com").await;
        let planted = attacker.cookie("auth").unwrap();
        let victim = bed.client();
        victim.set_cookie("auth", &planted);
        sign_in(&victim, "ada@example.com", PASSWORD).await;
        assert_eq!(victim.get("/me").await.json()["email"], "ada@example.com");
        assert_ne!(victim.cookie("auth").unwrap(), planted);
        attacker.set_cookie("auth", &planted);
        assert_ne!(attacker.get("/me").await.json()["email"], "ada@example.com");
    }

    /// PW-17, CR-03
    async fn imported_hash_signs_in_and_is_rehashed(bed: &Bed) {
        let hash = "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M";
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut user = User::new(uuid("old"), now);
        user.email = Some("old@example.com".parse().unwrap());
        let passwords = bed.bed.auth.service::<Password>().unwrap();
        passwords.import(&user, hash).await.unwrap();
        for _ in 0..2 {
            assert_eq!(sign_in(&bed.client(), "old@example.com", "correct horse").await.status, 200);
        }
        assert_eq!(bed.bed.watch.count(EventKind::PasswordRehashed), 1);
        let dump = String::from_utf8_lossy(&bed.dump().await).into_owned();
        assert!(dump.contains("$argon2id$v=19$m=64,t=1,p=1$"));
    }

    /// A rehash is not a password change: concurrent sign-ins are not rejected.
    async fn concurrent_sign_ins_with_an_outdated_hash_succeed(bed: &Bed, { "limits": false }) {
        imported(bed).await;
        bed.advance(60).await;
        let mut burst = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let client = bed.client();
            burst.spawn(async move { sign_in(&client, "old@example.com", PASSWORD).await.status.as_u16() });
        }
        assert_eq!(burst.join_all().await, [200; 6]);
        assert_eq!(bed.bed.watch.count(EventKind::PasswordRehashed), 1);
    }

    /// CR-03: the response of any failed sign-in, and an event.
    async fn unreadable_hash_does_not_sign_in(bed: &Bed) {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let passwords = bed.bed.auth.service::<Password>().unwrap();
        for (id, hash) in [("x", "$x$"), ("y", "$argon2id$v=19$m=4194304,t=9,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg")] {
            let email = Some(format!("{id}@example.com").parse().unwrap());
            let mut user = User::new(uuid(id), now);
            user.email = email;
            passwords.import(&user, hash).await.unwrap();
            let answer = sign_in(&bed.client(), &format!("{id}@example.com"), "correct horse").await;
            assert_eq!(answer.code(), "invalid_credentials");
        }
        assert_eq!(bed.bed.watch.count(EventKind::PasswordHashUnusable), 2);
    }
}

/// The number of concurrent hashes is the number of cores.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn hash_pool_has_one_worker_per_core() {
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .rate_limits(RateLimits::disabled())
        .flow(Password::new())
        .build()
        .unwrap();
    let cores = std::thread::available_parallelism().unwrap().get();
    let service = auth.service::<Password>().unwrap();
    let guess = |number: usize| {
        let (email, service) = (format!("p{number}@example.com"), service.clone());
        let client = crate::support::client_of(&auth);
        async move { service.sign_in(&client, &email, "guess").await }
    };
    let refused = futures_util::future::join_all((0..cores * 4).map(guess)).await;
    assert!(refused.iter().all(Result::is_err));
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")));
    let hashing = names.filter(|name| name.as_ref().unwrap().starts_with("authlayer-hash"));
    assert_eq!(hashing.count(), cores);
}
