//! What a request costs, in statements and hashes.

use serde_json::json;

use crate::support::{PASSWORD, id_of, on_our_stores, on_stores, sign_in};

on_our_stores! {
    async fn an_authenticated_request_costs_a_statement_once_and_a_public_one_none(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for (path, cost) in [("/public", 0), ("/me", 1), ("/auth/nowhere", 0)] {
            let before = bed.statements().await;
            browser.get(path).await;
            assert_eq!(bed.statements().await - before, cost, "{path}");
        }
        for path in ["/me", "/maybe", "/auth/session"] {
            bed.comes_to_cost_nothing(&browser, path).await;
        }
        let before = bed.statements().await;
        bed.client().get("/me").await;
        bed.client().bearer("aat_malformed").get("/me").await;
        assert_eq!(bed.statements().await, before);
    }

    async fn without_a_cache_it_costs_one_each_time(bed: &Bed, { "cache_ms": 0 }) {
        let browser = bed.browser("ada@example.com").await;
        for (path, cost) in [("/public", 0), ("/me", 1), ("/me", 1), ("/auth/session", 1)] {
            let before = bed.statements().await;
            browser.get(path).await;
            assert_eq!(bed.statements().await - before, cost, "{path}");
        }
    }

    /// What is refused is not kept: somebody else may bring it, and it may come true.
    async fn a_refusal_is_asked_for_each_time(bed: &Bed) {
        let (client, token, _) = bed.native("ada@example.com").await;
        client.post("/auth/sign-out", &json!({})).await;
        let before = bed.statements().await;
        for _ in 0..3 {
            assert_eq!(bed.client().bearer(&token).get("/me").await.status, 401);
        }
        assert_eq!(bed.statements().await - before, 3);
    }

    /// A guard of recent authentication reads the session and the credentials as they are.
    async fn a_guard_of_proofs_reads_through(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        bed.comes_to_cost_nothing(&browser, "/me").await;
        let before = bed.statements().await;
        assert_eq!(browser.get("/fresh").await.status, 200);
        assert_eq!(bed.statements().await - before, 2);
    }

    /// Two counters before and two after, the user, the password twice, the session.
    async fn a_sign_in_costs_eight_statements_and_one_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let (statements, hashes) = (bed.statements().await, bed.hashes().await);
        sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!((bed.statements().await - statements, bed.hashes().await - hashes), (8, 1));
    }

    async fn a_sign_up_costs_four_statements_and_one_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        assert_eq!((bed.statements().await, bed.hashes().await), (4, 1));
        let body = json!({ "email": "nobody@example.com", "password": "wrong password" });
        bed.client().post("/auth/sign-in", &body).await;
        assert_eq!((bed.statements().await, bed.hashes().await), (8, 2), "as for a known user");
    }
}

on_stores! {
    [
        sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
        postgres: Postgres, postgres_with_one_connection: PostgresOne,
        sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped
    ]

    /// The key is fetched together with its user.
    async fn request_with_api_key_costs_one_statement(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.change(&id_of(&ada).await, json!({ "scopes": ["notes:read"] })).await;
        let body = json!({ "name": "notes", "scopes": ["notes:read"] });
        let key = ada.post("/auth/api-keys", &body).await.json()["key"].clone();
        let program = bed.client().bearer(key.as_str().unwrap());
        for _ in 0..2 {
            let before = bed.statements().await;
            assert_eq!(program.get("/key").await.status, 200);
            assert_eq!(bed.statements().await - before, 1);
        }
    }
}

/// The status that is stored here for an external user is fetched together with the session.
#[tokio::test]
async fn a_request_of_an_external_user_costs_one_statement() {
    use crate::{
        places::Directory,
        support::{Bed, On},
    };
    for on in [On::Sqlite, On::Postgres] {
        let directory = Directory::default();
        let config = json!({ "cache_ms": 0 });
        let users = async |_: &_, _: &_| authlayer::Users::external(directory.clone());
        let bed = Bed::over(on, config, users).await;
        let ada = bed.browser("ada@example.com").await;
        for _ in 0..2 {
            let before = bed.statements().await;
            assert_eq!(ada.get("/me").await.status, 200);
            assert_eq!(bed.statements().await - before, 1, "{on:?}");
        }
        let id = ada.get("/me").await.json()["id"].as_str().unwrap().to_owned();
        let key = ada.post("/auth/api-keys", &json!({ "name": "x", "scopes": [] })).await.json();
        let program = bed.client().bearer(key["key"].as_str().unwrap());
        let before = bed.statements().await;
        assert_eq!(program.get("/who").await.status, 200, "{on:?}");
        assert_eq!(
            bed.statements().await - before,
            1,
            "{on:?}: the key with the status of its user"
        );
        bed.bed.auth.users().disable(&authlayer::UserId::new(id)).await.unwrap();
        assert_eq!(ada.get("/me").await.status, 401, "{on:?}");
        assert_eq!(program.get("/who").await.status, 401, "{on:?}");
        bed.remove().await;
    }
}
