//! Malformed credentials, and secrets that must not appear in the database or in logs.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::{PASSWORD, id_of, on_every_store, sign_in};

on_every_store! {
    /// CK-04, CK-05, EH-03, EH-04, A13, A20: rejected without a statement.
    async fn malformed_credentials_are_rejected_without_a_statement(bed: &Bed) {
        let (_, access, refresh) = bed.native("ada@example.com").await;
        let long = "x".repeat(7000);
        let altered = access.replace("aat_", "aat_A");
        let before = bed.statements().await;
        let twice = format!("auth={access}; auth={access}");
        for (name, value) in [
            ("authorization", ""), ("authorization", "Bearer"), ("authorization", "Bearer "),
            ("authorization", "Bearer x y"), ("authorization", &format!("Bearer {altered}")),
            ("authorization", &format!("Bearer {long}")),
            ("authorization", &format!("Bearer {refresh}")),
            ("authorization", &format!("Basic {access}")),
            ("cookie", "auth="), ("cookie", &format!("auth={altered}")), ("cookie", &twice),
            ("cookie", &format!("auth={refresh}")), ("cookie", &format!("auth={long}")),
            ("cookie", &format!("Auth={access}")), ("cookie", &format!("$Version=1,auth={access}")),
            ("cookie", ";;;=;auth"), ("x-access-token", &access),
        ] {
            assert_eq!(bed.client().with(name, value).get("/me").await.status, 401, "{name}: {value}");
        }
        let bytes = bed.client().with("authorization", b"Bearer \xff\xfe".to_vec());
        assert_eq!(bytes.get("/me").await.status, 401);
        let good = format!("Bearer {access}");
        let two = bed.client().with("authorization", good.clone()).with("authorization", good);
        assert_eq!(two.get("/me").await.status, 401);
        let query = format!("/me?access_token={access}");
        assert_eq!(bed.client().get(&query).await.status, 401, "the query is not read");
        assert_eq!(bed.statements().await, before);
    }

    /// CK-14
    async fn invalid_bearer_token_never_falls_back_to_a_cookie(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        assert_eq!(browser.clone().bearer("nonsense").get("/me").await.status, 401);
        assert_eq!(browser.clone().bearer("nonsense").get("/maybe").await.status, 401);
        assert_eq!(browser.with("authorization", "Basic dTpw").get("/me").await.status, 200);
    }

    /// `Option<AuthUser>`: `None` for a stale or ambiguous cookie, 401 for an invalid bearer token.
    async fn optional_user_is_none_for_stale_cookies_and_fails_for_bad_bearers(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let access = browser.cookie("auth").unwrap();
        assert_eq!(browser.get("/maybe").await.json()["user"]["email"], "ada@example.com");
        assert_eq!(bed.client().get("/maybe").await.json(), json!({ "user": null }));
        for cookie in ["auth=stale".to_owned(), format!("auth={access}; auth={access}")] {
            let answer = bed.client().with("cookie", cookie).get("/maybe").await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "user": null })));
        }
        let two_lines = bed.client().with("cookie", "a=b").with("cookie", format!("auth={access}"));
        assert!(two_lines.get("/maybe").await.json()["user"].is_object());
    }

    /// SE-01, SE-02, F24: neither tokens, nor parts of them, nor passwords.
    async fn database_dump_contains_no_secret(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let (_, access, refresh) = bed.native("bob@example.com").await;
        let tokens = [access, refresh, browser.cookie("auth").unwrap(), browser.cookie("auth-refresh").unwrap()];
        let dump = bed.dump().await;
        // Users of the application's own store are in none of our tables, but their sessions are.
        let id = id_of(&browser).await;
        assert!(contains(&dump, id.as_bytes()), "the dump is of this database");
        assert!(!contains(&dump, PASSWORD.as_bytes()));
        for token in &tokens {
            let encoded = token.split_once('_').unwrap().1;
            let payload = URL_SAFE_NO_PAD.decode(encoded).unwrap();
            let secret = &payload[20..payload.len() - 4];
            for part in secret.chunks(16) {
                let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!contains(&dump, part) && !contains(&dump, hex.as_bytes()));
                let text = URL_SAFE_NO_PAD.encode(part);
                assert!(!contains(&dump, text.as_bytes()));
            }
            assert!(!contains(&dump, token.as_bytes()) && !contains(&dump, &encoded.as_bytes()[40..]));
        }
    }

    /// LG-03, F23: no secret in any line at TRACE, and no raw user name of a failure (LG-05).
    async fn no_secret_is_logged_at_any_level(bed: &Bed) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE)
            .with_writer({ let log = log.clone(); move || log.clone() }).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let browser = bed.browser("ada@example.com").await;
        let (native, access, refresh) = bed.native("bob@example.com").await;
        let cookie = browser.cookie("auth").unwrap();
        native.get("/me").await;
        browser.get("/me").await;
        sign_in(&bed.client(), "typed-my-password-here@x.example", "another secret").await;
        browser.post("/auth/sign-out", json!({})).await;
        bed.bed.store.close().await;
        sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        let text = log.0.lock().unwrap().clone();
        assert!(contains(&text, b"unavailable"), "the log was captured");
        for secret in [&access, &refresh, &cookie, PASSWORD, "another secret", "typed-my-password-here"] {
            let part = &secret[secret.len().saturating_sub(24)..];
            assert!(!contains(&text, part.as_bytes()), "{part}");
        }
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
