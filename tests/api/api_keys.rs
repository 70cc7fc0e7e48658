//! Keys by which programs come.

use authlayer::{
    KeyOwner,
    flow::api_keys::{ApiKeyService, NewApiKey},
    testing::Client,
};
use serde_json::{Value, json};

use crate::support::{Bed, id_of, on_every_store};

/// A user with the scope to read, freshly signed up.
async fn reader(bed: &Bed, email: &str) -> Client {
    let client = bed.browser(email).await;
    bed.change(&id_of(&client).await, json!({ "roles": ["admin"], "scopes": ["read", "write"] }))
        .await;
    client
}

async fn key(client: &Client, body: Value) -> (String, String) {
    let made = client.post("/auth/api-keys", &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

on_every_store! {
    async fn a_program_comes_with_a_key(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let (plain, id) = key(&ada, json!({ "name": "backup", "scopes": ["read"] })).await;
        assert!(plain.starts_with("aak_"));
        let program = bed.client().bearer(&plain);
        assert_eq!(program.get("/read").await.status, 200);
        let who = program.get("/who").await.json();
        assert_eq!((&who["kind"], &who["id"]), (&json!("user"), &json!(id_of(&ada).await)));
        assert_eq!((&who["scopes"], &who["roles"]), (&json!(["read"]), &json!([])));
        assert_eq!(who["session_id"], Value::Null);
        for (path, code) in [("/admin", "forbidden"), ("/fresh", "step_up_required"), ("/strong", "step_up_required")] {
            assert_eq!(program.get(path).await.code(), code, "{path}: a key has no role and proves nothing");
        }
        let listed = ada.get("/auth/api-keys").await.json();
        assert_eq!(listed["api_keys"][0]["name"], "backup");
        assert!(plain.starts_with(listed["api_keys"][0]["hint"].as_str().unwrap()));
        assert!(!String::from_utf8_lossy(&bed.dump().await).contains(&plain[4..]), "only a hash is kept");

        let path = format!("/auth/api-keys/{id}");
        let bob = bed.browser("bob@example.com").await;
        assert_eq!(bob.json(http::Method::DELETE, &path, &json!({})).await.status, 404, "not his");
        assert_eq!(ada.json(http::Method::DELETE, &path, &json!({})).await.status, 204);
        assert_eq!(program.get("/read").await.code(), "unauthenticated", "revoked");
    }

    /// C1: whoever signed up with an address that is not theirs leaves no key behind when its
    /// owner comes.
    async fn a_key_from_before_the_proof_of_the_address_goes_with_it(bed: &Bed) {
        let squatter = bed.browser("victim@example.com").await;
        let (plain, _) = key(&squatter, json!({ "name": "planted" })).await;
        let program = bed.client().bearer(&plain);
        assert_eq!(program.get("/me").await.status, 200);
        crate::reset::forgot(bed, "victim@example.com").await;
        let token = crate::reset::token(bed, "victim@example.com").await;
        let body = json!({ "token": token, "new_password": "zq8 xw2v fig" });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        assert_eq!(program.get("/me").await.code(), "unauthenticated");
    }

    async fn a_key_is_good_for_no_more_than_its_user(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let id = id_of(&ada).await;
        let refused = ada.post("/auth/api-keys", &json!({ "name": "x", "scopes": ["read", "root"] })).await;
        assert_eq!(refused.json()["missing"], json!(["scope:root"]));
        let (plain, _) = key(&ada, json!({ "name": "x", "scopes": ["read", "write"] })).await;
        let program = bed.client().bearer(&plain);
        assert_eq!(program.get("/read").await.status, 200);
        bed.change(&id, json!({ "scopes": ["write"] })).await;
        assert_eq!(program.get("/read").await.json()["missing"], json!(["scope:read"]));
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(program.get("/who").await.status, 401);
        bed.change(&id, json!({ "status": "active" })).await;
        assert_eq!(program.get("/who").await.status, 200);
    }

    async fn a_key_ends(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let (plain, _) = key(&ada, json!({ "name": "x", "expires_in": 120 })).await;
        let program = bed.client().bearer(&plain);
        bed.advance(119).await;
        assert_eq!(program.get("/who").await.status, 200);
        bed.advance(1).await;
        assert_eq!(program.get("/who").await.status, 401);
        let long = json!({ "name": "x", "expires_in": 400 * 24 * 3600 });
        assert_eq!(ada.post("/auth/api-keys", &long).await.status, 422);
    }

    async fn a_key_opens_no_route_of_an_account(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let (plain, _) = key(&ada, json!({ "name": "x", "scopes": ["read"] })).await;
        let program = bed.client().bearer(&plain);
        for path in ["/auth/session", "/auth/sessions", "/auth/api-keys", "/auth/passkeys", "/auth/identities"] {
            assert_eq!(program.get(path).await.code(), "forbidden", "{path}");
        }
        for path in ["/auth/api-keys", "/auth/ticket", "/auth/password/change", "/auth/sign-in"] {
            assert_eq!(program.post(path, &json!({})).await.code(), "forbidden", "{path}");
        }
        assert_eq!(program.json(http::Method::DELETE, "/auth/account", &json!({})).await.code(), "forbidden");
        let address = bed.app.address();
        let header = [("authorization", format!("Bearer {plain}"))];
        assert_eq!(crate::live::open(address, "/ws", &header).await.unwrap_err(), 403);
    }

    async fn a_key_wants_a_fresh_proof_and_there_are_not_many(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let all = (0..6).map(|number| {
            let ada = ada.clone();
            tokio::spawn(async move {
                ada.post("/auth/api-keys", &json!({ "name": format!("k{number}") })).await.status.as_u16()
            })
        });
        let mut made = 0;
        for one in all.collect::<Vec<_>>() {
            made += u32::from(one.await.unwrap() == 201);
        }
        assert_eq!(made, 3, "as many as there may be");
        assert_eq!(ada.post("/auth/api-keys", &json!({ "name": "more" })).await.status, 422);
        bed.advance(601).await;
        assert_eq!(ada.post("/auth/api-keys", &json!({ "name": "late" })).await.code(), "step_up_required");
    }

    async fn garbage_is_no_key(bed: &Bed) {
        let before = bed.statements().await;
        for bad in ["aak_", "aak_x", "aak_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAK_x"] {
            assert_eq!(bed.client().bearer(bad).get("/who").await.status, 401, "{bad}");
        }
        assert_eq!(bed.statements().await, before);
    }

    async fn a_service_is_no_user(bed: &Bed) {
        let service = bed.bed.auth.flow::<ApiKeyService>().unwrap();
        let new = NewApiKey {
            owner: KeyOwner::Service("billing".to_owned()),
            name: "billing".to_owned(),
            scopes: vec!["read".to_owned()],
            lifetime: None,
        };
        let (made, plain) = service.create(new).await.unwrap();
        let program = bed.client().bearer(plain.expose());
        let who = program.get("/who").await.json();
        assert_eq!((&who["kind"], &who["id"]), (&json!("service"), &json!("billing")));
        assert_eq!(program.get("/read").await.status, 200);
        let listed = service.list(None).await.unwrap();
        assert_eq!((listed.len(), listed[0].id), (1, made.id));
        service.revoke(made.id, None).await.unwrap();
        assert_eq!(program.get("/who").await.status, 401);
    }
}
