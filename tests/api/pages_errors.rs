//! Errors as pages, in the language of the user: of guards, and of sign-ins at a provider.

use authlayer::{
    AccessRule, Auth, AuthUser, Authorized, Pages, Password, Policies, PolicyRequest,
    RequirePolicy, Rule, SqliteStore, Theme, testing::TestApp,
};
use axum::{Router, routing::get};
use serde_json::json;

use crate::{
    pages::{assert_refused, html, led, to},
    providers::with_providers,
    support::{id_of, on_managed_stores, sign_up},
};

const ADA: &str = "ada@example.com";

with_providers! {
    async fn error_of_a_callback_is_a_page_for_browsers(world: &World, { "pages": true }) {
        let browser = world.client().with("accept", "text/html").with("accept-language", "de");
        let unknown = "/auth/oauth/fake/callback?code=x&state=%3Cscript%3E&error=%3Cscript%3E";
        let answer = browser.get(unknown).await;
        assert_refused(&answer, 400, None);
        let text = html(&answer);
        assert!(text.contains("<html lang=\"de\"") && !text.contains("<script>"), "{text}");
        assert!(text.contains("href=\"/account/sign-in\""), "{text}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");

        world.idp.error(Some("access_denied"));
        let callback = world.to_callback(&browser, "").await;
        let denied = browser.get(&callback).await;
        assert_refused(&denied, 403, None);
        assert!(denied.set_cookies().iter().any(|line| line.contains("Max-Age=0")), "the ceremony ends");
        let client = world.client();
        let callback = world.to_callback(&client, "").await;
        assert_eq!(client.get(&callback).await.code(), "provider_denied", "others get the problem");
    }

    async fn configured_error_page_has_priority(world: &World, { "pages": true, "error_page": "/oops" }) {
        let browser = world.client().with("accept", "text/html");
        let answer = browser.get("/auth/oauth/fake/callback?code=x&state=y").await;
        assert_eq!(led(&answer), to("/oops?error=invalid_state"));
    }
}

on_managed_stores! {
    async fn page_of_a_guard_is_in_the_language_of_the_user(bed: &Bed, { "pages": true }) {
        let client = bed.browser(ADA).await.with("accept", "text/html").with("accept-language", "es");
        let language = async |path: &str| {
            let text = html(&client.get(path).await);
            text.split("<html lang=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_eq!(language("/admin").await, "es");
        let answer = client.json(http::Method::PATCH, "/auth/account", json!({ "locale": "fr" })).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!(language("/admin").await, "fr");
        assert_eq!(language("/admin?lang=ja").await, "ja");
        assert_eq!(language("/admin?lang=xx").await, "fr");
    }

    async fn page_is_shown_if_html_is_preferred(bed: &Bed, { "pages": true }) {
        for (accept, is_page) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json;q=0.5, text/html", true),
            ("text/html, application/json", true),
            ("application/json, text/html;q=0.9", false),
            ("text/html;q=0.1, application/problem+json", false),
            ("text/html;q=0", false),
            ("*/*", false),
        ] {
            let answer = bed.client().with("accept", accept).get("/me").await;
            assert_eq!(answer.status == 303, is_page, "{accept}");
        }
    }
}

struct Editor;

impl AccessRule for Editor {
    fn rule() -> Rule {
        Rule::role("editor")
    }
}

const POLICIES: &str = r#"
    permit (principal, action == Action::"read", resource == Note::"public");
    permit (principal in Role::"editor", action == Action::"read", resource is Note);
"#;

/// Returns an application with the pages and the other guards.
async fn app() -> (Auth, TestApp) {
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .flow(Password::new())
        .flow(Pages::new(Theme::new("Example")))
        .build()
        .unwrap();
    let policies = Policies::parse(POLICIES).unwrap();
    let note = |id: &'static str| {
        RequirePolicy::new(
            &policies,
            move |_| async move { Ok(PolicyRequest::new("read", "Note", id)) },
        )
    };
    let router = Router::new()
        .route("/public", get(async || "ok").route_layer(note("public")))
        .route("/note", get(async || "ok").post(async || "ok").route_layer(note("1")))
        .route("/own", get(async || "ok").route_layer(note("1").or_redirect("/my-sign-in")))
        .route("/extracted", get(async |user: Authorized<Editor>| user.id.to_string()))
        .route("/me", get(async |user: AuthUser| axum::Json(user)))
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .layer(auth.layer());
    (auth, TestApp::serve(router).await)
}

#[tokio::test]
async fn policies_and_extractors_redirect_browsers() {
    let (auth, app) = app().await;
    let browser = app.client().with("accept", "text/html");
    assert_eq!(browser.get("/public").await.status, 200);
    for path in ["/note", "/extracted"] {
        let place = format!("/account/sign-in?return_to={path}%3Fa%3D1");
        assert_eq!(led(&browser.get(&format!("{path}?a=1")).await), to(&place));
        assert_eq!(app.client().get(path).await.code(), "unauthenticated", "{path}");
        let htmx = app.client().with("hx-request", "true").get(path).await;
        assert_eq!((htmx.status.as_u16(), &*htmx.header("hx-redirect")), (401, "/account/sign-in"));
    }
    assert_eq!(led(&browser.get("/own").await), to("/my-sign-in?return_to=/own"));
    assert_eq!(led(&browser.post_form("/note", &[]).await), to("/account/sign-in"));

    assert_eq!(sign_up(&browser, ADA).await.status, 201);
    for path in ["/note", "/extracted"] {
        assert_refused(&browser.get(path).await, 403, None);
    }
    let id = authlayer::UserId::new(id_of(&browser).await);
    let edit = |user: &mut authlayer::User| user.roles = vec!["editor".to_owned()];
    auth.users().edit(&id, edit).await.unwrap();
    for path in ["/note", "/extracted"] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
}
