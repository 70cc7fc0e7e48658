//! Impersonation: an administrator acts as a user.

use authlayer::{
    Admin, Auth, EventKind, Password, Rule, SqliteStore, UserId, UserStatus,
    testing::{Mailbox, TestClient, TestResponse},
};
use axum::Router;
use http::Method;
use serde_json::{Value, json};

use crate::{
    admin::{ADA, administrator, code, expect, patch},
    codes::{kinds, mails},
    live::{closed, open, subject},
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in},
};

const EVE: &str = "eve@example.com";
const WHY: &str = "Ticket 4711";

/// A user who is signed in on another device, and the id.
async fn eve(bed: &Bed) -> (TestClient, String) {
    let eve = bed.browser(EVE).await;
    let id = id_of(&eve).await;
    (eve, id)
}

async fn impersonate(admin: &TestClient, id: &str, body: Value) -> TestResponse {
    admin.post(&format!("/auth/admin/users/{id}/impersonate"), body).await
}

async fn acting(admin: &TestClient, id: &str) -> Value {
    let begun = impersonate(admin, id, json!({ "reason": WHY })).await;
    assert_eq!(begun.status, 200, "{}", begun.json());
    begun.json()
}

fn html(answer: &TestResponse) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

async fn end(client: &TestClient) -> TestResponse {
    client.post("/auth/impersonation/end", json!({})).await
}

/// Signs in with tokens in the body, and returns a client with the access token.
async fn program(bed: &Bed, email: &str) -> TestClient {
    let client = bed.client();
    let body = json!({ "email": email, "password": PASSWORD, "transport": "bearer" });
    let signed_in = client.post("/auth/sign-in", &body).await.json();
    client.bearer(signed_in["tokens"]["access_token"].as_str().unwrap())
}

/// Returns the operations that reject impersonations, by the description of the API.
async fn rejecting(client: &TestClient) -> Vec<(Method, String)> {
    let document = client.get("/auth/openapi.json").await.json();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let rejects = operation["responses"]["403"].to_string().contains("impersonating");
            // It serves pending sign-ins too, so the body is read first.
            let is_open = path == "/passkeys/verify/start";
            if rejects && !is_open && !method.is_safe() {
                let parts =
                    path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
                all.push((method, format!("/auth{}", parts.collect::<Vec<_>>().join("/"))));
            }
        }
    }
    all
}

on_every_store! {
    async fn administrator_acts_and_returns(bed: &Bed) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let own = id_of(&ada).await;
        let session = ada.get("/auth/session").await.json()["session"].clone();
        let begun = acting(&ada, &id).await;
        assert_eq!(begun["user"]["id"], id.as_str());
        assert_eq!(begun["session"]["impersonator"], json!({ "id": own }));
        assert_eq!(begun["session"]["factors"], json!([]));
        assert_eq!(begun["session"]["ip"], Value::Null, "the user does not learn from where");
        let seen = ada.get("/auth/session").await.json();
        assert_eq!(seen["user"]["id"], id.as_str());
        assert_eq!(seen["session"]["impersonator"], json!({ "id": own }));
        assert!(session.get("impersonator").is_none(), "{session}");
        let begun: jiff::Timestamp = seen["session"]["created_at"].as_str().unwrap().parse().unwrap();
        let ends: jiff::Timestamp = seen["session"]["expires_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(ends.duration_since(begun).as_secs(), 3600);
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(ada.post("/note", json!({})).await.status, 200, "routes of the application");

        let ended = end(&ada).await;
        assert_eq!(ended.status, 200, "{}", ended.json());
        let (user, back) = (ended.json()["user"]["id"].clone(), ended.json()["session"].clone());
        assert_eq!((user, &back["id"]), (json!(own), &session["id"]));
        assert_eq!(ada.cookie("auth-impersonator"), None, "cleared");
        assert_eq!(ada.get("/auth/admin/users").await.status, 200);
        assert_eq!(code(&end(&ada).await), expect(404, "not_found"), "there is none any more");
    }

    async fn impersonation_is_an_event_and_a_message(bed: &Bed) {
        let (ada, (eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let own = id_of(&ada).await;
        let session = acting(&ada, &id).await["session"]["id"].clone();
        end(&ada).await;
        let all = ada.get(&format!("/auth/admin/events?user_id={id}")).await.json();
        let of = |kind: &str| {
            let mut own = all["events"].as_array().unwrap().iter().filter(|own| own["kind"] == kind);
            let event = own.next().unwrap_or_else(|| panic!("{kind}: {all}")).clone();
            assert!(own.next().is_none(), "once: {all}");
            event
        };
        let began = of("impersonation_began");
        assert_eq!((&began["actor_id"], &began["session_id"]), (&json!(own), &session));
        assert_eq!(began["detail"], json!({ "reason": WHY }));
        assert_eq!(of("impersonation_ended")["actor_id"], own.as_str());
        let shown = eve.get("/auth/account/events").await.json();
        let shown = shown["events"].as_array().unwrap().iter().find(|own| own["kind"] == "impersonation_began");
        let shown = shown.unwrap();
        assert_eq!(shown["by"], "administrator");
        assert!(!shown.to_string().contains(&own), "{shown}");
        assert_eq!(kinds(bed, EVE).await, ["notice_impersonated"]);
        assert_eq!(mails(bed, ADA).await.len(), 0);
        let user = ada.get(&format!("/auth/admin/users/{id}")).await.json();
        assert_eq!(user["last_seen_at"], user["created_at"], "the user did not use the session");
    }

    async fn impersonation_changes_no_credential_and_no_account(bed: &Bed) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        acting(&ada, &id).await;
        let before = ada.get("/auth/session").await.json()["user"].clone();
        let rejecting = rejecting(&ada).await;
        assert!(rejecting.len() > 25, "{rejecting:?}");
        for (method, path) in rejecting {
            let refused = ada.json(method.clone(), &path, json!({})).await;
            assert_eq!(code(&refused), expect(403, "impersonating"), "{method} {path}: {}", refused.json());
            let text = [("content-type", "text/plain")];
            let refused = ada.send(method.clone(), &path, &text, b"x").await;
            assert_eq!(code(&refused), expect(403, "impersonating"), "{method} {path}, before the body");
        }
        // These serve pending sign-ins too.
        for (path, body) in [
            ("/auth/totp/verify", json!({ "code": "123456" })),
            ("/auth/passkeys/verify/start", json!({})),
            ("/auth/email/verify", json!({})),
        ] {
            let refused = ada.post(path, body).await;
            assert_eq!(code(&refused), expect(403, "impersonating"), "{path}: {}", refused.json());
        }
        assert_eq!(ada.get("/auth/session").await.json()["user"], before);
        assert_eq!(code(&ada.get("/fresh").await), expect(403, "step_up_required"));
        assert_eq!(ada.get("/fresh").await.json()["methods"], json!([]), "no method helps");
        for path in ["/auth/sessions", "/auth/account/events", "/auth/passkeys"] {
            assert_ne!(ada.get(path).await.status, 403, "{path}");
        }
        assert_eq!(ada.post("/auth/ticket", json!({})).await.status, 200);
        assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 200);
        assert_eq!(ada.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(end(&ada).await.status, 200, "also after a sign-out");
    }

    async fn impersonation_never_administers(bed: &Bed) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        acting(&ada, &id).await;
        bed.change(&id, json!({ "roles": ["admin"] })).await;
        assert_eq!(ada.get("/auth/session").await.json()["user"]["roles"], json!(["admin"]));
        assert_eq!(code(&ada.get("/auth/admin/users").await), expect(403, "impersonating"));
        assert_eq!(code(&patch(&ada, &id, json!({})).await), expect(403, "impersonating"));
    }

    async fn other_users_cannot_be_impersonated(bed: &Bed) {
        let (ada, (eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let own = id_of(&ada).await;
        for (body, status, name) in [
            (json!({}), 422, "invalid_request"),
            (json!({ "reason": "" }), 422, "invalid_request"),
            (json!({ "reason": 1 }), 422, "invalid_request"),
            (json!({ "reason": "a\u{0}b" }), 422, "invalid_request"),
            (json!({ "reason": "x".repeat(256) }), 422, "invalid_request"),
            (json!({ "reason": WHY, "transport": "x" }), 422, "invalid_request"),
        ] {
            let refused = impersonate(&ada, &id, body.clone()).await;
            assert_eq!(code(&refused), expect(status, name), "{body}");
        }
        let why = || json!({ "reason": WHY });
        assert_eq!(code(&impersonate(&ada, &own, why()).await), expect(403, "forbidden"), "oneself");
        assert_eq!(code(&impersonate(&ada, "nobody", why()).await), expect(404, "not_found"));
        assert_eq!(code(&impersonate(&eve, &own, why()).await), expect(403, "forbidden"));
        assert_eq!(code(&impersonate(&bed.client(), &id, why()).await), expect(401, "unauthenticated"));
        bed.change(&id, json!({ "roles": ["admin"] })).await;
        assert_eq!(code(&impersonate(&ada, &id, why()).await), expect(403, "forbidden"), "an administrator");
        bed.change(&id, json!({ "roles": [] })).await;
        bed.bed.auth.users().disable(&UserId::new(id.clone())).await.unwrap();
        assert_eq!(code(&impersonate(&ada, &id, why()).await), expect(403, "account_disabled"));
        bed.advance(700).await;
        assert_eq!(code(&impersonate(&ada, &id, why()).await), expect(403, "step_up_required"));
        assert_eq!(bed.bed.watch.count(EventKind::ImpersonationBegan), 0);
    }

    async fn impersonation_ends_with_the_administrator(bed: &Bed) {
        for how in ["sign-out", "role", "disabled", "deleted", "expired"] {
            let (name, other) = (format!("{how}@example.com"), format!("user-{how}@example.com"));
            let ada = administrator(bed, &name).await;
            // Another one, so that this one is not the last.
            administrator(bed, &format!("other-{how}@example.com")).await;
            let victim = bed.browser(&other).await;
            let id = id_of(&victim).await;
            let own = id_of(&ada).await;
            let aside = bed.client();
            ada.cookies().into_iter().for_each(|(name, value)| aside.set_cookie(&name, &value));
            acting(&ada, &id).await;
            let cookie = format!("auth={}", ada.cookie("auth").unwrap());
            let mut socket = open(bed.app.address(), "/ws", &[("cookie", cookie)]).await.unwrap();
            assert_eq!(subject(&mut socket).await["impersonator"], json!({ "id": own }));
            assert_eq!(ada.get("/me").await.status, 200, "{how}");
            match how {
                "sign-out" => assert_eq!(aside.post("/auth/sign-out", json!({})).await.status, 204),
                "role" => bed.change(&own, json!({ "roles": [] })).await,
                "disabled" => bed.change(&own, json!({ "status": "disabled" })).await,
                "deleted" => {
                    bed.bed.auth.users().delete(&UserId::new(own.clone())).await.unwrap();
                }
                _ => bed.advance(3600).await,
            }
            assert_eq!(ada.get("/me").await.status, 401, "{how}");
            assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 401, "{how}");
            assert_eq!(closed(&mut socket).await, 4401, "{how}");
            let ended = end(&ada).await;
            match how {
                "role" | "expired" => assert_eq!(ended.status, 200, "{how}: the session remains"),
                _ => {
                    assert_eq!(code(&ended), expect(401, "unauthenticated"), "{how}");
                    assert_eq!(ada.cookies().len(), 0, "{how}: {:?}", ada.cookies());
                }
            }
            if how == "expired" {
                assert_eq!(victim.post("/auth/refresh", json!({})).await.status, 200);
            }
            assert_eq!(victim.get("/me").await.status, 200, "{how}: the user stays signed in");
        }
    }

    async fn tokens_of_an_impersonation_are_in_the_body(bed: &Bed) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let begun = impersonate(&ada, &id, json!({ "reason": WHY, "transport": "bearer" })).await;
        assert!(begun.set_cookies().is_empty(), "{:?}", begun.set_cookies());
        let access = begun.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        let acting = bed.client().bearer(&access);
        assert_eq!(acting.get("/auth/session").await.json()["user"]["id"], id.as_str());
        assert_eq!(ada.get("/auth/admin/users").await.status, 200, "the browser is still the administrator's");
        assert_eq!(end(&acting).await.status, 204);
        assert_eq!(acting.get("/me").await.status, 401);
        assert_eq!(end(&acting).await.status, 401, "a bearer token that has ended");

        let ada = program(bed, ADA).await;
        let begun = impersonate(&ada, &id, json!({ "reason": WHY })).await;
        assert!(begun.json()["tokens"].is_object(), "as the session of the administrator");
        let refused = impersonate(&ada, &id, json!({ "reason": WHY, "transport": "cookie" })).await;
        assert_eq!(code(&refused), expect(422, "transport_disabled"));
        assert_eq!(code(&end(&ada).await), expect(404, "not_found"), "no impersonation");
        assert_eq!(code(&end(&bed.client()).await), expect(404, "not_found"), "no credential");
    }

    async fn cookie_of_another_session_brings_none(bed: &Bed) {
        let (ada, (eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let stolen = bed.client();
        stolen.set_cookie("auth-impersonator", &eve.cookie("auth-refresh").unwrap());
        let refused = end(&stolen).await;
        assert_eq!(code(&refused), expect(404, "not_found"));
        assert!(refused.set_cookies().is_empty(), "{:?}", refused.set_cookies());
        stolen.set_cookie("auth-impersonator", "art_x");
        assert_eq!(code(&end(&stolen).await), expect(404, "not_found"));
        // From another site, the cookie has no effect.
        acting(&ada, &id).await;
        let refused = ada.clone().with("origin", "https://evil.example").post("/auth/impersonation/end", json!({})).await;
        assert_eq!(code(&refused), expect(403, "cross_origin"));
        assert_eq!(end(&ada).await.status, 200);
    }

    /// Neither a refresh nor the end of the administrator's session lengthens it.
    async fn impersonation_is_not_lengthened(bed: &Bed, { "max_lifetime_s": 1200, "refresh_ttl_s": 1200 }) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let own = ada.get("/auth/session").await.json()["session"]["expires_at"].clone();
        bed.advance(300).await;
        assert_eq!(acting(&ada, &id).await["session"]["expires_at"], own);
        bed.advance(600).await;
        let refreshed = ada.post("/auth/refresh", json!({})).await;
        assert_eq!(refreshed.json()["session"]["expires_at"], own, "{}", refreshed.json());
        assert!(ada.cookie("auth-device").is_none(), "no device is remembered");
        bed.advance(301).await;
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 401);
    }

    async fn sign_in_forgets_the_administrator(bed: &Bed) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        bed.browser("bob@example.com").await;
        let aside = bed.client();
        ada.cookies().into_iter().for_each(|(name, value)| aside.set_cookie(&name, &value));
        acting(&ada, &id).await;
        assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 200);
        assert!(ada.cookie("auth-impersonator").is_some(), "a refresh is no sign-in");
        assert_eq!(sign_in(&ada, "bob@example.com", PASSWORD).await.status, 200);
        assert_eq!(ada.cookie("auth-impersonator"), None);
        assert_eq!(aside.get("/auth/admin/users").await.status, 200, "the administrator stays signed in");
        // Also after the impersonation was signed out.
        let ada = administrator(bed, "eva@example.com").await;
        acting(&ada, &id).await;
        assert_eq!(ada.post("/auth/sign-out", json!({})).await.status, 204);
        assert!(ada.cookie("auth-impersonator").is_some());
        assert_eq!(sign_in(&ada, "bob@example.com", PASSWORD).await.status, 200);
        assert_eq!(ada.cookie("auth-impersonator"), None);
    }

    async fn every_page_has_the_form_that_ends_it(bed: &Bed, { "pages": true }) {
        let (ada, (_eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        let own = id_of(&ada).await;
        let form = "action=\"/account/end-impersonation\"";
        for path in ["/account/security", "/account/sign-out"] {
            assert!(!html(&ada.get(path).await).contains(form), "{path}");
        }
        acting(&ada, &id).await;
        for path in ["/account/security", "/account/sign-out", "/account/nowhere"] {
            let page = html(&ada.get(path).await);
            assert!(page.contains(form) && page.contains("You are signed in as another user."), "{path}: {page}");
        }
        let refused = ada.post_form("/account/security/two-step", &[("enabled", "true")]).await;
        assert_eq!(refused.status, 403);
        assert!(html(&refused).contains("Not possible while signed in as another user."));
        let ended = ada.post_form("/account/end-impersonation", &[]).await;
        assert_eq!((ended.status.as_u16(), ended.header("location")), (303, "/".to_owned()));
        assert_eq!(id_of(&ada).await, own);
        assert_eq!(ada.post_form("/account/end-impersonation", &[]).await.status, 404);
    }

    async fn impersonation_ends_no_session_and_no_limit(bed: &Bed) {
        let (ada, (eve, id)) = (administrator(bed, ADA).await, eve(bed).await);
        for _ in 0..99 {
            let user = UserId::new(id.clone());
            let user = bed.bed.auth.users().find(&user).await.unwrap().unwrap();
            assert_eq!(user.status, UserStatus::Active);
            assert_eq!(sign_in(&bed.client(), EVE, PASSWORD).await.status, 200);
        }
        acting(&ada, &id).await;
        assert_eq!(eve.get("/me").await.status, 200, "the oldest session remains");
    }
}

#[tokio::test]
async fn user_is_not_notified_if_the_application_turns_it_off() {
    let mailbox = Mailbox::new();
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .mailer(mailbox.clone())
        .flow(Password::new())
        .flow(Admin::new(Rule::role("admin")).notify_impersonated(false))
        .build()
        .unwrap();
    let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let sign_up = async |email: &str| {
        let client = TestClient::new(app.clone());
        let body = json!({ "email": email, "password": PASSWORD });
        let made = client.post("/auth/sign-up", &body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        (client, made.json()["user"]["id"].as_str().unwrap().to_owned())
    };
    let ((ada, own), (_, id)) = (sign_up(ADA).await, sign_up(EVE).await);
    let promote = |user: &mut authlayer::User| user.roles = vec!["admin".to_owned()];
    auth.users().edit(&UserId::new(own), promote).await.unwrap();
    acting(&ada, &id).await;
    auth.shutdown(std::time::Duration::from_secs(10)).await;
    let kinds: Vec<_> = mailbox.all().iter().map(|message| message.kind).collect();
    assert!(!kinds.contains(&authlayer::MessageKind::Impersonated), "{kinds:?}");
}
