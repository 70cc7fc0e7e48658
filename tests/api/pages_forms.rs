//! The forms of the pages: what they keep, what they require, and what they reject.

use authlayer::{
    Auth, Pages, Password, SqliteStore, Theme, crypto::password::PasswordPolicy, testing::TestApp,
};
use axum::Router;
use serde_json::json;

use crate::{
    authenticator::{Authenticator, enroll},
    pages::{assert_refused, html, led, to, value},
    support::{PASSWORD, id_of, on_managed_stores},
};

const ADA: &str = "ada@example.com";
const SECURITY: &str = "/account/security";

/// Returns the text of the element with an id.
fn element(text: &str, id: &str) -> String {
    let from = text.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("{text}"));
    from.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// Returns the QR code of a page.
fn qr(text: &str) -> &str {
    let from = text.find("<svg").unwrap_or_else(|| panic!("{text}"));
    &text[from..text[from..].find("</svg>").unwrap() + from]
}

/// Returns the `option` that is selected.
fn selected(text: &str) -> Option<&str> {
    let option =
        text.split("<option ").find(|own| own.split('>').next().unwrap().contains(" selected"))?;
    option.split("value=\"").nth(1)?.split('"').next()
}

on_managed_stores! {
    async fn wrong_code_keeps_the_secret_and_the_qr_code(bed: &Bed, { "pages": true }) {
        let client = bed.browser(ADA).await;
        let page = "/account/security/totp";
        let shown = client.post_form(page, &[]).await;
        let (text, challenge) = (html(&shown), value(&shown, "challenge").unwrap());
        let form = [("challenge", challenge.as_str()), ("code", "000000"), ("name", "My <phone>")];
        let refused = client.post_form(page, &form).await;
        assert_refused(&refused, 401, Some("code"));
        let again = html(&refused);
        assert_eq!(element(&again, "secret"), element(&text, "secret"));
        assert_eq!(qr(&again), qr(&text));
        assert_eq!(value(&refused, "challenge").as_deref(), Some(&*challenge));
        assert!(again.contains("value=\"My &lt;phone&gt;\""), "the name is kept: {again}");

        let (app, name) = (Authenticator::new(&element(&again, "secret")), ("name", "Phone"));
        let form = [("challenge", challenge.as_str()), ("code", &app.code(bed)), name];
        let codes = client.post_form(page, &form).await;
        assert_eq!((codes.status.as_u16(), html(&codes).matches("<code>").count()), (200, 10));
        // A finished enrollment, and that of another session, are not shown again.
        assert_refused(&client.post_form(page, &form).await, 401, None);
        let other = bed.browser("bob@example.com").await;
        let shown = other.post_form(page, &[]).await;
        let foreign = value(&shown, "challenge").unwrap();
        let form = [("challenge", foreign.as_str()), ("code", "000000")];
        let refused = client.post_form(page, &form).await;
        assert_refused(&refused, 401, None);
        assert!(!html(&refused).contains("<svg"));
    }

    async fn checked_boxes_and_choices_are_kept(bed: &Bed, { "pages": true }) {
        let client = bed.browser(ADA).await;
        let user = id_of(&client).await;
        bed.change(&user, json!({ "scopes": ["notes:read", "notes:write"] })).await;
        let form = [("name", ""), ("scopes", "notes:write")];
        let refused = client.post_form("/account/security/api-keys", &form).await;
        assert_refused(&refused, 422, Some("name"));
        let text = html(&refused);
        assert!(text.contains("value=\"notes:write\" checked>"), "{text}");
        assert!(text.contains("value=\"notes:read\">"), "{text}");

        let long = "x".repeat(201);
        let form = [("display_name", long.as_str()), ("locale", "fr")];
        let refused = client.post_form("/account/security/profile", &form).await;
        assert_refused(&refused, 422, Some("display_name"));
        assert_eq!(selected(&html(&refused)), Some("fr"));

        let (_, _) = enroll(bed, &client).await;
        let other = bed.client();
        other.post_form("/account/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
        let form = [("code", "000000"), ("method", "totp"), ("remember", "true")];
        let refused = other.post_form("/account/verify", &form).await;
        assert_refused(&refused, 401, Some("code"));
        assert!(html(&refused).contains("name=\"remember\" value=\"true\" checked>"));
    }

    /// The page offers the locale that the user has, so that saving the profile does not change it.
    async fn locale_of_another_language_is_kept(bed: &Bed, { "pages": true }) {
        let client = bed.browser(ADA).await;
        let set = json!({ "locale": "de-AT" });
        assert_eq!(client.json(http::Method::PATCH, "/auth/account", set).await.status, 200);
        let text = html(&client.get(SECURITY).await);
        assert!(text.contains("<html lang=\"de\""));
        assert_eq!(selected(&text), Some("de-AT"));
    }

    async fn forms_without_their_input_change_nothing(bed: &Bed, { "pages": true }) {
        let client = bed.browser(ADA).await;
        for form in ["sessions", "devices", "passkeys"] {
            let path = format!("/account/security/{form}");
            assert_refused(&client.post_form(&path, &[]).await, 404, None);
            assert_refused(&client.post_form(&path, &[("scope", "all")]).await, 404, None);
        }
        assert_eq!(client.get("/me").await.status, 200);
        let answer = client.post_form("/account/security/sessions", &[("scope", "others")]).await;
        assert_eq!(led(&answer), to(SECURITY));
    }

    async fn new_password_has_the_length_of_the_policy(bed: &Bed, { "pages": true, "min_length_alone": 15 }) {
        let shown = html(&bed.client().get("/account/sign-up").await);
        assert!(shown.contains("minlength=\"15\""), "{shown}");
        assert!(shown.contains("passwordrules=\"minlength: 15; maxlength: 128;\""), "{shown}");
        assert!(shown.contains("At least \u{2068}15\u{2069} characters."), "{shown}");
        let client = bed.client();
        let form = [("email", ADA), ("password", "zq8 xw2v plum tree")];
        assert_eq!(led(&client.post_form("/account/sign-up", &form).await), to("/"));
        // A user with a second factor can have a shorter one.
        let shown = html(&client.get(SECURITY).await);
        assert!(shown.contains("minlength=\"8\"") && shown.contains("minlength: 15;"), "{shown}");
    }
}

#[tokio::test]
async fn languages_and_password_rules_are_those_of_the_application() {
    let policy =
        PasswordPolicy::new().with_min_length(10).require_number(true).require_symbol(true);
    let pages = Pages::new(Theme::new("Example"))
        .words("nl", "language-name = Nederlands\nsign-in-title = Inloggen")
        .words("cy", "sign-in-title = Mewngofnodi");
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .flow(Password::new().policy(policy))
        .flow(pages)
        .build()
        .unwrap();
    let router = Router::new()
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .layer(auth.layer());
    let app = TestApp::serve(router).await;
    let client = app.client();
    let shown = html(&client.get("/account/sign-up").await);
    let rules =
        "passwordrules=\"minlength: 10; maxlength: 128; required: digit; required: special;\"";
    assert!(shown.contains("minlength=\"10\"") && shown.contains(rules), "{shown}");

    let form = [("email", ADA), ("password", "zq8 xw2v plum")];
    assert_eq!(led(&client.post_form("/account/sign-up", &form).await), to("/"));
    let shown = html(&client.get(SECURITY).await);
    for (tag, name) in [("en", "English"), ("ar", "العربية"), ("nl", "Nederlands"), ("cy", "cy")]
    {
        let option = format!("<option value=\"{tag}\" lang=\"{tag}\">{name}</option>");
        assert!(shown.contains(&option), "{tag}: {shown}");
    }
    let form = [("display_name", ""), ("locale", "nl")];
    assert_eq!(led(&client.post_form("/account/security/profile", &form).await), to(SECURITY));
    assert_eq!(selected(&html(&client.get(SECURITY).await)), Some("nl"));
    let shown = html(&client.get("/account/sign-in").await);
    assert!(shown.contains("<html lang=\"nl\"") && shown.contains("<h1>Inloggen</h1>"), "{shown}");
}
