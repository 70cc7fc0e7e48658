//! A table of guards and users, with the response for each pair.

use std::time::Duration;

use authlayer::{
    AccessRule, Auth, AuthError, AuthUser, Authorized, ErrorKind, EventKind, Factor, Password,
    Public, RequireUser, Rule, SqliteStore, Undecided, User, UserId,
    crypto::password::{Argon2Params, PasswordHashing},
    testing::{EventRecorder, ManualClock, TestApp, TestClient},
};
use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::support::PASSWORD;

struct Editor;

impl AccessRule for Editor {
    fn rule() -> Rule {
        Rule::role("editor").or(Rule::scope("edit"))
    }
}

async fn app_with_guards() -> (TestApp, Auth, ManualClock) {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 19_456, t: 2, p: 1 });
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .clock(clock.clone())
        .flow(Password::new().scheme(cheap))
        .build()
        .unwrap();
    let ok = || get(async || "ok");
    let minute = Duration::from_secs(60);
    let in_handler = {
        let auth = auth.clone();
        get(async move |user: AuthUser| -> Result<&'static str, AuthError> {
            auth.authorize(&user, &Rule::tenant("acme")).await?;
            Ok("ok")
        })
    };
    let own = |error: &AuthError, _: &http::request::Parts| -> Option<Response> {
        let teapot = http::StatusCode::IM_A_TEAPOT;
        (error.kind() == ErrorKind::Forbidden).then(|| (teapot, Json(json!({}))).into_response())
    };
    let app = Router::new()
        .route("/any", ok().route_layer(RequireUser::new().any_role(["admin", "editor"])))
        .route("/all", ok().route_layer(RequireUser::new().role("admin").scope("write")))
        .route("/none", ok().route_layer(RequireUser::new().without_role(["intern"])))
        .route("/tenant", ok().route_layer(RequireUser::new().tenant("acme")))
        .route("/verified", ok().route_layer(RequireUser::new().verified_email()))
        .route("/known", ok().route_layer(RequireUser::new().registered()))
        .route(
            "/either",
            ok().route_layer(RequireUser::new().rule(Rule::role("admin").or(Rule::scope("ops")))),
        )
        .route("/fresh", ok().route_layer(RequireUser::new().max_auth_age(minute)))
        .route(
            "/strong",
            ok().route_layer(RequireUser::new().max_auth_age(minute).factor(Factor::Passkey)),
        )
        .route("/both", ok().route_layer(RequireUser::new().role("admin").max_auth_age(minute)))
        .route("/own", ok().route_layer(RequireUser::new().role("admin").on_rejection(own)))
        .route("/extracted", get(async |user: Authorized<Editor>| user.id.to_string()))
        .route("/handler", in_handler)
        .nest("/auth", auth.router())
        .layer(auth.layer());
    (TestApp::serve(app).await, auth, clock)
}

async fn response_of(client: &TestClient, path: &str) -> (u16, Value) {
    let answer = client.get(path).await;
    let status = answer.status.as_u16();
    match status {
        200 => (status, Value::Null),
        418 => (status, json!("teapot")),
        _ => {
            let body = answer.json();
            let members: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
            let known =
                ["code", "detail", "methods", "missing", "required", "status", "title", "type"];
            assert!(members.iter().all(|name| known.contains(&name.as_str())), "{members:?}");
            let lacks = body.get("missing").or_else(|| body.get("required"));
            (status, lacks.cloned().unwrap_or(body["code"].clone()))
        }
    }
}

#[tokio::test]
async fn every_rejection_names_only_the_missing_requirements() {
    let (app, auth, clock) = app_with_guards().await;
    let client = app.client();
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let made = client.post("/auth/sign-up", &body).await;
    let id = UserId::new(made.json()["user"]["id"].as_str().unwrap());
    let paths = [
        "/any",
        "/all",
        "/none",
        "/tenant",
        "/verified",
        "/known",
        "/either",
        "/fresh",
        "/strong",
        "/both",
        "/own",
        "/extracted",
        "/handler",
    ];
    for path in paths {
        assert_eq!(
            response_of(&app.client(), path).await,
            (401, json!("unauthenticated")),
            "{path}"
        );
    }

    let passkey = json!({ "within_seconds": 60, "factor": "passkey" });
    let ok = || (200, Value::Null);
    let expect = async |table: [(u16, Value); 13], who: &str| {
        for (path, expected) in paths.into_iter().zip(table) {
            assert_eq!(response_of(&client, path).await, expected, "{who}: {path}");
        }
    };
    expect(
        [
            (403, json!(["role:admin or role:editor"])),
            (403, json!(["role:admin", "scope:write"])),
            ok(),
            (403, json!(["tenant:acme"])),
            (403, json!(["verified_email"])),
            ok(),
            (403, json!(["role:admin or scope:ops"])),
            ok(),
            (403, passkey.clone()),
            (403, json!(["role:admin"])),
            (418, json!("teapot")),
            (403, json!(["role:editor or scope:edit"])),
            (403, json!(["tenant:acme"])),
        ],
        "a new user",
    )
    .await;

    let change = |user: &mut User| {
        user.roles = vec!["admin".to_owned(), "intern".to_owned()];
        user.scopes = vec!["edit".to_owned()];
        user.tenant_id = Some("acme".to_owned());
        user.email_verified_at = Some(user.created_at);
        user.is_anonymous = true;
    };
    auth.users().edit(&id, change).await.unwrap();
    clock.advance(Duration::from_secs(60));
    expect(
        [
            ok(),
            (403, json!(["scope:write"])),
            (403, json!(["not role:intern"])),
            ok(),
            ok(),
            (403, json!(["known"])),
            ok(),
            (403, json!({ "within_seconds": 60 })),
            (403, passkey),
            (403, json!({ "within_seconds": 60 })),
            ok(),
            ok(),
            ok(),
        ],
        "an admin, a minute later",
    )
    .await;
}

/// `require_decision` reports a route without an authorization decision, and withholds its
/// response.
#[tokio::test]
async fn undecided_route_is_reported_or_its_response_withheld() {
    for (undecided, status) in [(Undecided::Report, 200), (Undecided::Reject, 500)] {
        let watch = EventRecorder::default();
        let auth = Auth::builder(SqliteStore::memory().await.unwrap())
            .origin("http://localhost:3000")
            .event_sink(watch.clone())
            .flow(Password::new())
            .build()
            .unwrap();
        let app = Router::new()
            .route("/forgotten/{id}", get(async || "secret"))
            .route("/home", get(async || "home").layer(Public))
            .route("/maybe", get(async |_: Option<AuthUser>| "maybe"))
            .route("/guarded", get(async || "guarded").route_layer(RequireUser::new()))
            .nest("/auth", auth.router())
            .fallback(async || "page")
            .layer(auth.layer().require_decision(undecided));
        let app = TestApp::serve(app).await;
        let client = app.client();
        for (path, expected) in [
            ("/home", 200),
            ("/maybe", 200),
            ("/guarded", 401),
            ("/elsewhere", 200),
            ("/auth/client.js", 200),
            ("/auth/nothing", 404),
        ] {
            assert_eq!(client.get(path).await.status, expected, "{path}");
        }
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        assert_eq!(client.post("/auth/sign-up", &body).await.status, 201);
        assert_eq!(client.get("/guarded").await.status, 200);
        assert_eq!(watch.count(EventKind::UndecidedRoute), 0);
        let forgotten = client.get("/forgotten/7").await;
        assert_eq!(forgotten.status, status);
        assert_eq!(forgotten.body.is_empty(), status == 500);
        let events = watch.all().into_iter().filter(|own| own.kind == EventKind::UndecidedRoute);
        let routes: Vec<_> = events.map(|own| own.detail["route"].clone()).collect();
        assert_eq!(routes, [json!("/forgotten/{id}")]);
    }
}
