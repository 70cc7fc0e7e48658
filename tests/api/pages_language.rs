//! The language of pages and emails for clients and users whose languages do not exist.

use std::time::Duration;

use authlayer::{
    Auth, AuthBuilder, Pages, Password, PasswordReset, RequireUser, SqliteStore, Theme,
    crypto::password::{Argon2Params, PasswordHashing},
    testing::{Mailbox, TestApp, TestClient},
};
use axum::{Router, routing::get};
use http::Method;
use serde_json::json;

use crate::{pages::html, support::PASSWORD};

async fn builder(pages: Pages, mailbox: &Mailbox) -> AuthBuilder {
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .mailer(mailbox.clone())
        .flow(Password::new().insecure_scheme(cheap))
        .flow(PasswordReset::new())
        .flow(pages)
}

fn pages() -> Pages {
    Pages::new(Theme::new("Example"))
}

/// Returns the language of a page.
async fn language(client: &TestClient, path: &str) -> String {
    let text = html(&client.get(path).await);
    let from = text.split("<html lang=\"").nth(1).unwrap_or_else(|| panic!("{text}"));
    from.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn default_language_is_used_if_no_other_exists() {
    let mailbox = Mailbox::new();
    let own = pages().words("nl", "mail-reset-link-subject = Nieuw wachtwoord");
    let auth = builder(own.default_language("nl"), &mailbox).await.build().unwrap();
    let admin = get(async || "admin").route_layer(RequireUser::new().role("admin"));
    let router = Router::new()
        .route("/admin", admin)
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .layer(auth.layer());
    let app = TestApp::serve(router).await;
    for (accept, query, expected) in [
        ("", "", "nl"),
        ("xx", "", "nl"),
        ("*", "", "nl"),
        ("xx", "?lang=yy", "nl"),
        ("xx, fr;q=0.1", "", "fr"),
        ("xx", "?lang=de-AT", "de"),
        ("en-GB", "", "en"),
    ] {
        let client = app.client().with("accept-language", accept);
        let path = format!("/account/sign-in{query}");
        assert_eq!(language(&client, &path).await, expected, "{accept} {query}");
    }
    assert_eq!(language(&app.client(), "/account/nowhere").await, "nl");

    let client = app.client().with("accept-language", "xx").with("accept", "text/html");
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(client.post("/auth/sign-up", ada).await.status, 201);
    assert_eq!(language(&client, "/admin").await, "nl", "the page of a guard");
    for locale in ["xx-YY", "fr"] {
        let set = json!({ "locale": locale });
        assert_eq!(client.json(Method::PATCH, "/auth/account", set).await.status, 200);
        let shown = language(&client, "/account/security").await;
        assert_eq!(shown, if locale == "fr" { "fr" } else { "nl" });
        let forgot = json!({ "email": "ada@example.com" });
        assert_eq!(client.post("/auth/password/forgot", forgot).await.status, 202);
    }
    auth.shutdown(Duration::from_secs(60)).await;
    let mut sent: Vec<_> =
        mailbox.to("ada@example.com").into_iter().map(|own| own.subject).collect();
    sent.sort_unstable();
    assert_eq!(sent, ["Choisissez un nouveau mot de passe", "Nieuw wachtwoord"]);
}

#[tokio::test]
async fn default_language_must_exist() {
    let mailbox = Mailbox::new();
    let invalid = builder(pages().default_language("nl"), &mailbox).await.build();
    let error = invalid.err().unwrap().to_string();
    assert!(error.starts_with("pages: ") && error.contains("default_language `nl`"), "{error}");
    assert!(error.contains("en, de, fr, es, ja, ar"), "{error}");
    let own = pages().words("nl", "language-name = Nederlands").default_language("NL");
    assert!(builder(own, &mailbox).await.build().is_ok());
}

/// A misspelled value would be an error of the page at each request.
#[tokio::test]
async fn words_with_an_unknown_value_are_an_error_at_build() {
    let own = pages().words("de", "sign-in-lead = Willkommen bei { $name }.");
    let invalid = builder(own, &Mailbox::new()).await.build();
    let error = invalid.err().unwrap().to_string();
    assert!(error.contains("`de`") && error.contains("`sign-in-lead` uses `$name`"), "{error}");
}
