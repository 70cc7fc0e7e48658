//! What a request costs, in statements and hashes.

use serde_json::json;

use crate::support::{PASSWORD, on_our_stores, sign_in};

on_our_stores! {
    async fn an_authenticated_request_costs_one_statement_and_a_public_one_none(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for (path, cost) in [
            ("/public", 0), ("/me", 1), ("/maybe", 1), ("/auth/session", 1), ("/auth/nowhere", 0),
        ] {
            let before = bed.statements().await;
            browser.get(path).await;
            assert_eq!(bed.statements().await - before, cost, "{path}");
        }
        let before = bed.statements().await;
        bed.client().get("/me").await;
        bed.client().bearer("aat_malformed").get("/me").await;
        assert_eq!(bed.statements().await, before);
    }

    /// Two counters before and two after, the user, the password twice, the session.
    async fn a_sign_in_costs_eight_statements_and_one_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let (statements, hashes) = (bed.statements().await, bed.hashes().await);
        sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!((bed.statements().await - statements, bed.hashes().await - hashes), (8, 1));
    }

    async fn a_sign_up_costs_three_statements_and_one_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        assert_eq!((bed.statements().await, bed.hashes().await), (3, 1));
        let body = json!({ "email": "nobody@example.com", "password": "wrong password" });
        bed.client().post("/auth/sign-in", &body).await;
        assert_eq!((bed.statements().await, bed.hashes().await), (7, 2), "as for a known user");
    }
}
