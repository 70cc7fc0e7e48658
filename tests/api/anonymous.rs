//! Anonymous users and their conversion into registered users.

use authlayer::testing::TestClient;
use serde_json::json;

use crate::{
    codes::{handle, last_code, verify},
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in, sign_up},
};

async fn anonymous_user(bed: &Bed) -> (TestClient, String) {
    let client = bed.client();
    let answer = client.post("/auth/anonymous", json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    assert_eq!(answer.json()["user"]["is_anonymous"], true);
    let id = id_of(&client).await;
    (client, id)
}

on_every_store! {
    async fn sign_up_of_an_anonymous_user_keeps_the_id(bed: &Bed) {
        // SE-04
        let (client, id) = anonymous_user(bed).await;
        let before = client.cookie("auth").unwrap();
        bed.change(&id, json!({ "attributes": { "cart": [1, 2] } })).await;
        let answer = sign_up(&client, "ada@example.com").await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let user = client.get("/me").await.json();
        assert_eq!((&user["id"], &user["is_anonymous"]), (&json!(id), &json!(false)));
        assert_eq!((&user["email"], &user["attributes"]), (&json!("ada@example.com"), &json!({ "cart": [1, 2] })));
        assert_eq!(bed.client().bearer(&before).get("/me").await.status, 401, "the session from before");
        let again = bed.client();
        assert_eq!(sign_in(&again, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(id_of(&again).await, id);
    }

    async fn sign_up_with_a_taken_email_leaves_the_anonymous_user_unchanged(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let (client, id) = anonymous_user(bed).await;
        assert_eq!(sign_up(&client, "ada@example.com").await.code(), "email_taken");
        let user = client.get("/me").await.json();
        assert_eq!((&user["id"], &user["is_anonymous"]), (&json!(id), &json!(true)));
        assert_ne!(id_of(&ada).await, id);
    }

    async fn anonymous_session_cannot_step_up(bed: &Bed) {
        let (client, _) = anonymous_user(bed).await;
        assert_eq!(client.get("/fresh").await.code(), "step_up_required");
        assert_eq!(client.get("/admin").await.status, 403);
        let session = client.get("/auth/session").await.json();
        assert_eq!(session["session"]["factors"], json!([]));
        let body = json!({ "new_email": "someone@example.com" });
        assert_eq!(client.post("/auth/email/change", &body).await.code(), "step_up_required");
    }

    async fn concurrent_sign_ups_convert_the_anonymous_user_once(bed: &Bed) {
        let (client, id) = anonymous_user(bed).await;
        let token = client.cookie("auth").unwrap();
        let all = (0..8).map(|number| {
            let client = bed.client().bearer(&token);
            tokio::spawn(async move {
                let email = format!("ada-{number}@example.com");
                let body = json!({ "email": email, "password": PASSWORD, "transport": "bearer" });
                client.post("/auth/sign-up", &body).await
            })
        });
        let mut ids = Vec::new();
        for answer in all.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            assert_eq!(answer.status, 201, "{}", answer.json());
            ids.push(answer.json()["user"]["id"].as_str().unwrap().to_owned());
        }
        assert_eq!(ids.iter().filter(|own| **own == id).count(), 1, "the others get new users");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 8);
    }

    async fn sign_up_from_a_registered_session_creates_a_separate_user(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let id = id_of(&ada).await;
        assert_eq!(sign_up(&ada, "bob@example.com").await.status, 201);
        assert_ne!(id_of(&ada).await, id);
    }

    async fn anonymous_user_is_converted_after_email_verification(bed: &Bed, { "verify_email": true }) {
        let (client, id) = anonymous_user(bed).await;
        let begun = sign_up(&client, "ada@example.com").await;
        assert_eq!(begun.status, 202, "{}", begun.json());
        assert_eq!(client.get("/me").await.json()["is_anonymous"], true, "not yet");
        let mail = bed.client().get("/testbed/mail?to=ada@example.com").await.json();
        let code = mail["messages"][0]["code"].as_str().unwrap().to_owned();
        let body = json!({ "challenge": begun.json()["challenge"], "code": code });
        let done = client.post("/auth/verify", &body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let user = client.get("/me").await.json();
        assert_eq!((&user["id"], &user["is_anonymous"], &user["email_verified"]), (&json!(id), &json!(false), &json!(true)));
    }

    /// Two sign-ups from one anonymous session: the first to be verified gets the user, and the
    /// second creates another user and revokes no session of the first.
    async fn second_sign_up_of_an_anonymous_session_keeps_sessions_of_the_first(bed: &Bed, { "verify_email": true }) {
        let (client, id) = anonymous_user(bed).await;
        let one = handle(&sign_up(&client, "ada@example.com").await);
        let two = handle(&sign_up(&client, "bob@example.com").await);
        let (ada, bob, phone) = (bed.client(), bed.client(), bed.client());
        assert_eq!(verify(&ada, &one, &last_code(bed, "ada@example.com").await).await.status, 200);
        assert_eq!(sign_in(&phone, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(verify(&bob, &two, &last_code(bed, "bob@example.com").await).await.status, 200);
        for own in [&ada, &phone] {
            assert_eq!(own.get("/me").await.status, 200);
            assert_eq!(id_of(own).await, id);
        }
        assert_ne!(id_of(&bob).await, id);
        assert_eq!(client.get("/me").await.status, 401, "the anonymous session");
    }

    /// A pending sign-up converts no user whose session was signed out.
    async fn sign_up_of_a_signed_out_anonymous_session_creates_a_new_user(bed: &Bed, { "verify_email": true }) {
        let (client, id) = anonymous_user(bed).await;
        let challenge = handle(&sign_up(&client, "ada@example.com").await);
        assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
        let ada = bed.client();
        let code = last_code(bed, "ada@example.com").await;
        assert_eq!(verify(&ada, &challenge, &code).await.status, 200);
        assert_ne!(id_of(&ada).await, id);
    }
}
