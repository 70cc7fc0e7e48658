//! API keys of users and services.

use authlayer::{
    AccessRule, Auth, AuthUser, Authorized, ConnectedUser, KeyOwner, Password, RequireUser, Rule,
    SqliteStore, UserId,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::api_keys::{ApiKeys, NewApiKey},
    testing::{TestApp, TestClient},
};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

use crate::support::{Bed, PASSWORD, id_of, on_every_store};

/// Signs up a user with the scope `read`.
async fn reader(bed: &Bed, email: &str) -> TestClient {
    let client = bed.browser(email).await;
    bed.change(&id_of(&client).await, json!({ "roles": ["admin"], "scopes": ["read", "write"] }))
        .await;
    client
}

async fn key(client: &TestClient, body: Value) -> (String, String) {
    let made = client.post("/auth/api-keys", &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert!(made.json()["scopes"].is_array(), "{}", made.json());
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

on_every_store! {
    async fn api_key_authenticates_with_its_scopes_until_revoked(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let (plain, id) = key(&ada, json!({ "name": "backup", "scopes": ["read"] })).await;
        assert!(plain.starts_with("aak_"));
        let program = bed.client().bearer(&plain);
        assert_eq!(program.get("/read").await.status, 200);
        let who = program.get("/who").await.json();
        assert_eq!((&who["kind"], &who["id"]), (&json!("user"), &json!(id_of(&ada).await)));
        assert_eq!((&who["scopes"], &who["roles"]), (&json!(["read"]), &json!([])));
        assert_eq!(who["session_id"], Value::Null);
        for path in ["/admin", "/fresh", "/strong", "/me", "/maybe", "/page", "/key"] {
            let refused = program.get(path).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "forbidden"), "{path}");
            assert_eq!(refused.json()["missing"], json!(["session"]), "{path}");
        }
        let listed = ada.get("/auth/api-keys").await.json();
        assert_eq!(listed["api_keys"][0]["name"], "backup");
        assert!(plain.starts_with(listed["api_keys"][0]["hint"].as_str().unwrap()));
        assert!(!String::from_utf8_lossy(&bed.dump().await).contains(&plain[4..]), "only a hash is stored");

        let path = format!("/auth/api-keys/{id}");
        let bob = bed.browser("bob@example.com").await;
        assert_eq!(bob.json(http::Method::DELETE, &path, json!({})).await.status, 404, "key of another user");
        assert_eq!(ada.json(http::Method::DELETE, &path, json!({})).await.status, 204);
        assert_eq!(program.get("/read").await.code(), "unauthenticated", "revoked");
    }

    /// C1: a user who signed up with the email address of another person leaves no API key behind
    /// when its owner claims the account.
    async fn claim_by_reset_revokes_api_keys_of_the_unverified_account(bed: &Bed) {
        let squatter = bed.browser("victim@example.com").await;
        let (plain, _) = key(&squatter, json!({ "name": "planted", "scopes": [] })).await;
        let program = bed.client().bearer(&plain);
        assert_eq!(program.get("/who").await.status, 200);
        crate::reset::forgot(bed, "victim@example.com").await;
        let token = crate::reset::token(bed, "victim@example.com").await;
        let body = json!({ "token": token, "new_password": "zq8 xw2v fig" });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        assert_eq!(program.get("/who").await.code(), "unauthenticated");
    }

    async fn api_key_never_exceeds_the_rights_of_its_user(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let id = id_of(&ada).await;
        let refused = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": ["read", "root"] })).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "invalid_request"));
        assert_eq!(refused.json()["members"], json!(["scopes"]));
        let (plain, _) = key(&ada, json!({ "name": "x", "scopes": ["read", "write"] })).await;
        let program = bed.client().bearer(&plain);
        assert_eq!(program.get("/read").await.status, 200);
        bed.change(&id, json!({ "scopes": ["write"] })).await;
        assert_eq!(program.get("/read").await.json()["missing"], json!(["session"]));
        assert_eq!(program.get("/who").await.json()["scopes"], json!(["write"]));
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(program.get("/who").await.status, 401);
        bed.change(&id, json!({ "status": "active" })).await;
        assert_eq!(program.get("/who").await.status, 200);
    }

    async fn api_key_expires(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let (plain, _) = key(&ada, json!({ "name": "x", "scopes": [], "expires_in": 120 })).await;
        let program = bed.client().bearer(&plain);
        bed.advance(119).await;
        assert_eq!(program.get("/who").await.status, 200);
        bed.advance(1).await;
        assert_eq!(program.get("/who").await.status, 401);
    }

    async fn invalid_members_of_a_new_api_key_are_named(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let long = "x".repeat(65);
        for (body, members) in [
            (json!({}), json!(["name", "scopes"])),
            (json!({ "name": "x" }), json!(["scopes"])),
            (json!({ "name": "x", "scopes": null }), json!(["scopes"])),
            (json!({ "name": "x", "scopes": "read" }), json!(["scopes"])),
            (json!({ "name": "x", "scopes": [1] }), json!(["scopes"])),
            (json!({ "name": "", "scopes": [] }), json!(["name"])),
            (json!({ "name": "  ", "scopes": [] }), json!(["name"])),
            (json!({ "name": long, "scopes": [] }), json!(["name"])),
            (json!({ "name": "a\nb", "scopes": [] }), json!(["name"])),
            (json!({ "name": 7, "scopes": [] }), json!(["name"])),
            (json!({ "name": "x", "scopes": [], "expires_in": 0 }), json!(["expires_in"])),
            (json!({ "name": "x", "scopes": [], "expires_in": -1 }), json!(["expires_in"])),
            (json!({ "name": "x", "scopes": [], "expires_in": "60" }), json!(["expires_in"])),
            (json!({ "name": "x", "scopes": [], "expires_in": 400 * 24 * 3600 }), json!(["expires_in"])),
            (json!({ "name": "x", "scopes": [], "expires_in": u64::MAX }), json!(["expires_in"])),
            (json!({ "name": "x", "scopes": ["root"] }), json!(["scopes"])),
        ] {
            let refused = ada.post("/auth/api-keys", &body).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "invalid_request"), "{body}");
            assert_eq!(refused.json()["members"], members, "{body}");
        }
        let name = "é".repeat(64);
        let (_, id) = key(&ada, json!({ "name": name, "scopes": ["read"] })).await;
        let listed = ada.get("/auth/api-keys").await.json();
        let mut members: Vec<_> = listed["api_keys"][0].as_object().unwrap().keys().collect();
        members.sort_unstable();
        assert_eq!(members, ["created_at", "expires_at", "hint", "id", "last_used_at", "name", "scopes"]);
        assert_eq!((&listed["api_keys"][0]["id"], &listed["api_keys"][0]["name"]), (&json!(id), &json!(name)));
    }

    async fn account_routes_reject_api_keys(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let (plain, _) = key(&ada, json!({ "name": "x", "scopes": ["read"] })).await;
        let program = bed.client().bearer(&plain);
        let bad = bed.client().bearer("aak_revoked");
        for path in ["/auth/session", "/auth/sessions", "/auth/api-keys", "/auth/passkeys"] {
            let refused = program.get(path).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "forbidden"), "{path}");
            assert_eq!(refused.json()["missing"], json!(["session"]), "{path}");
            assert_eq!(bad.get(path).await.code(), "unauthenticated", "{path}");
        }
        let change = json!({ "current_password": PASSWORD, "new_password": "zq8 xw2v fig", "name": "x", "scopes": [] });
        for path in ["/auth/api-keys", "/auth/ticket", "/auth/password/change"] {
            assert_eq!(program.post(path, &change).await.code(), "forbidden", "{path}");
            assert_eq!(bad.post(path, &change).await.code(), "unauthenticated", "{path}");
        }
        assert_eq!(program.json(http::Method::DELETE, "/auth/account", json!({})).await.code(), "forbidden");
        assert_eq!(program.json(http::Method::DELETE, "/auth/sessions", json!({})).await.code(), "forbidden");
        // A route that requires no user ignores the key.
        let bearer = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
        for client in [&program, &bad] {
            assert_eq!(client.post("/auth/sign-in", &bearer).await.status, 200);
            assert_eq!(client.post("/auth/sign-in", json!({})).await.status, 422);
            assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
        }
        assert_eq!(ada.get("/me").await.status, 200);
        let address = bed.app.address();
        let header = [("authorization", format!("Bearer {plain}"))];
        assert_eq!(crate::live::open(address, "/ws", &header).await.unwrap_err(), 403);
    }

    async fn creating_api_keys_requires_step_up_and_is_limited(bed: &Bed) {
        let ada = reader(bed, "ada@example.com").await;
        let all = (0..6).map(|number| {
            let ada = ada.clone();
            tokio::spawn(async move {
                ada.post("/auth/api-keys", json!({ "name": format!("k{number}"), "scopes": [] })).await.status.as_u16()
            })
        });
        let mut made = 0;
        for one in all.collect::<Vec<_>>() {
            made += u32::from(one.await.unwrap() == 201);
        }
        assert_eq!(made, 3, "max_per_user");
        let more = ada.post("/auth/api-keys", json!({ "name": "more", "scopes": [] })).await;
        assert_eq!((more.status.as_u16(), &more.json()["members"]), (422, &json!([])));
        bed.advance(601).await;
        assert_eq!(ada.post("/auth/api-keys", json!({ "name": "late", "scopes": [] })).await.code(), "step_up_required");
    }

    async fn malformed_api_keys_are_rejected_without_a_statement(bed: &Bed) {
        let before = bed.statements().await;
        for bad in ["aak_", "aak_x", "aak_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAK_x"] {
            assert_eq!(bed.client().bearer(bad).get("/who").await.status, 401, "{bad}");
        }
        assert_eq!(bed.statements().await, before);
    }

    async fn service_api_key_authenticates_as_a_service(bed: &Bed) {
        let service = bed.bed.auth.service::<ApiKeys>().unwrap();
        let mut new = NewApiKey::new(KeyOwner::Service("billing".to_owned()), "billing");
        new.scopes = vec!["read".to_owned()];
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

    /// The rule requires a scope. Every other route responds to a key as if it did not exist.
    async fn guard_accepts_an_api_key_if_its_rule_requires_a_scope(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.change(&id_of(&ada).await, json!({ "scopes": ["notes:read", "read"] })).await;
        let (plain, _) = key(&ada, json!({ "name": "notes", "scopes": ["notes:read"] })).await;
        let (other, _) = key(&ada, json!({ "name": "other", "scopes": ["read"] })).await;
        let (notes, other) = (bed.client().bearer(&plain), bed.client().bearer(&other));
        assert_eq!(notes.get("/key").await.status, 200);
        assert_eq!(ada.get("/key").await.status, 200);
        assert_eq!(other.get("/key").await.json()["missing"], json!(["session"]));
        assert_eq!(notes.post("/note", json!({})).await.json()["missing"], json!(["session"]));
        assert_eq!(notes.post("/maybe", json!({})).await.json()["missing"], json!(["session"]));
        assert_eq!(notes.get("/public").await.status, 200);
    }
}

struct Reader;

impl AccessRule for Reader {
    fn rule() -> Rule {
        Rule::scope("read")
    }
}

struct Anyone;

impl AccessRule for Anyone {
    fn rule() -> Rule {
        Rule::registered()
    }

    fn allow_api_keys() -> bool {
        true
    }
}

struct Known;

impl AccessRule for Known {
    fn rule() -> Rule {
        Rule::registered()
    }
}

/// Every guard and extractor, with an API key of a user and of a service.
#[tokio::test]
async fn api_keys_pass_only_routes_that_allow_them() {
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .flow(Password::new().insecure_scheme(cheap))
        .flow(ApiKeys::new())
        .build()
        .unwrap();
    let read = || Rule::scope("read");
    let rules = [
        ("/read", read(), true),
        ("/write", Rule::scope("write"), false),
        ("/any-scope", Rule::any_scope(["write", "read"]), true),
        ("/all-scopes", Rule::all_scopes(["write", "read"]), false),
        ("/anyone", Rule::authenticated(), false),
        ("/verified", Rule::verified_email(), false),
        ("/role", Rule::role("editor"), false),
        ("/role-and-scope", Rule::role("editor").and(read()), false),
        ("/role-or-scope", Rule::role("editor").or(read()), true),
        ("/known-or-write", Rule::registered().or(Rule::scope("write")), false),
        ("/known-or-both", Rule::registered().or(read().and(Rule::role("editor"))), false),
        ("/no-role", Rule::without_role(["suspended"]).and(read()), false),
        ("/no-other-role", Rule::without_role(["intern"]).and(read()), true),
        ("/not-role", Rule::role("suspended").not(), false),
        ("/not-scope", Rule::scope("trial").not().and(read()), false),
        ("/not-not-scope", read().not().not(), false),
        ("/neither", Rule::role("suspended").or(Rule::scope("trial")).not().and(read()), false),
        ("/fresh", Rule::max_auth_age(std::time::Duration::from_secs(60)).and(read()), false),
    ];
    let ok = || get(async || "ok");
    let app = rules.iter().fold(Router::new(), |app, (path, rule, _)| {
        app.route(path, ok().route_layer(RequireUser::new().rule(rule.clone())))
    });
    let app = app
        .route("/plain", get(async |_: AuthUser| "ok"))
        .route("/option", get(async |_: Option<AuthUser>| "ok"))
        .route("/live", get(async |_: ConnectedUser| "ok"))
        .route("/require-known", get(async |_: Authorized<Known>| "ok"))
        .route("/require", get(async |_: Authorized<Reader>, user: AuthUser| Json(user.subject())))
        .route("/require-any", get(async |user: Authorized<Anyone>| Json(user.subject())))
        .route(
            "/handler",
            get({
                let auth = auth.clone();
                async move |user: AuthUser| {
                    auth.authorize(&user, &Rule::without_role(["suspended"])).await.map(|()| "ok")
                }
            })
            .route_layer(RequireUser::new().scope("read")),
        )
        .route(
            "/live-read",
            get(async |_: ConnectedUser| "ok").route_layer(RequireUser::new().scope("read")),
        )
        .route(
            "/twice",
            ok().route_layer(RequireUser::new()).route_layer(RequireUser::new().scope("read")),
        )
        .route(
            "/option-read",
            get(async |user: Option<AuthUser>| Json(user))
                .route_layer(RequireUser::new().scope("read")),
        )
        .nest("/auth", auth.router())
        .layer(auth.layer());
    let app = TestApp::serve(app).await;
    let ada = app.client();
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let id = ada.post("/auth/sign-up", &body).await.json()["user"]["id"].clone();
    let id = UserId::new(id.as_str().unwrap());
    let edit = |user: &mut authlayer::User| {
        user.roles = vec!["editor".to_owned(), "suspended".to_owned()];
        user.scopes = ["read", "write", "trial"].map(ToOwned::to_owned).to_vec();
        user.email_verified_at = Some(user.created_at);
    };
    auth.users().edit(&id, edit).await.unwrap();
    let service = auth.service::<ApiKeys>().unwrap();
    let created = async |owner| {
        let mut new = NewApiKey::new(owner, "key");
        new.scopes = vec!["read".to_owned()];
        app.client().bearer(service.create(new).await.unwrap().1.expose())
    };
    let users = created(KeyOwner::User(id)).await;
    let services = created(KeyOwner::Service("billing".to_owned())).await;
    // A service has no roles and no scopes beyond those of its key.
    let services_only = ["/no-role", "/not-scope", "/neither", "/handler"];
    let extractors = [
        ("/plain", false),
        ("/option", false),
        ("/live", false),
        ("/live-read", false),
        ("/require-known", false),
        ("/require", true),
        ("/require-any", true),
        ("/handler", false),
        ("/twice", false),
        ("/option-read", true),
    ];
    for (path, expected) in rules.iter().map(|(path, _, passes)| (*path, *passes)).chain(extractors)
    {
        for (client, is_service) in [(&users, false), (&services, true)] {
            let answer = client.get(path).await;
            let passes = expected || (is_service && services_only.contains(&path));
            assert_eq!(
                answer.status.as_u16(),
                if passes { 200 } else { 403 },
                "{path} {is_service}"
            );
            let expected = if path == "/handler" { "not role:suspended" } else { "session" };
            assert!(passes || answer.json()["missing"] == json!([expected]), "{path}");
        }
    }
    let who = users.get("/require").await.json();
    assert_eq!((&who["roles"], &who["scopes"]), (&json!([]), &json!(["read"])));
    let mut members: Vec<_> = who.as_object().unwrap().keys().collect();
    members.sort_unstable();
    assert_eq!(members, ["attributes", "id", "kind", "roles", "scopes", "session_id", "tenant_id"]);
    assert_eq!(users.get("/option-read").await.json()["roles"], json!([]));
}
