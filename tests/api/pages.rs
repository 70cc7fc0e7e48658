//! The pages without JavaScript: what a browser posts, and what it gets.

use authlayer::testing::{TestClient, TestResponse};
use serde_json::json;

use crate::{
    authenticator::{Authenticator, enroll},
    codes::{last_code, mails, verified_user, wrong},
    support::{Bed, PASSWORD, id_of, on_every_store, on_managed_stores},
};

const ADA: &str = "ada@example.com";
const SECURITY: &str = "/account/security";

pub(crate) fn html(answer: &TestResponse) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// Returns status and location.
pub(crate) fn led(answer: &TestResponse) -> (u16, String) {
    (answer.status.as_u16(), answer.header("location"))
}

pub(crate) fn to(place: &str) -> (u16, String) {
    (303, place.to_owned())
}

/// Asserts that a page shows one error, and marks this field.
pub(crate) fn assert_refused(answer: &TestResponse, status: u16, field: Option<&str>) {
    let text = html(answer);
    assert_eq!(answer.status.as_u16(), status, "{text}");
    assert!(answer.header("content-type").starts_with("text/html"), "{text}");
    assert_eq!(text.matches("role=\"alert\"").count(), 1, "{text}");
    let marked: Vec<_> = text
        .split("<input")
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .filter(|(input, _)| input.contains("aria-invalid=\"true\""))
        .map(|(input, _)| input.split("name=\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert_eq!(marked, Vec::from_iter(field), "{text}");
}

/// Returns the value of an input.
pub(crate) fn value(answer: &TestResponse, name: &str) -> Option<String> {
    let text = html(answer);
    let input = text.split("<input").skip(1).find(|rest| {
        rest.split_once('>').is_some_and(|(input, _)| input.contains(&format!("name=\"{name}\"")))
    })?;
    Some(input.split("value=\"").nth(1)?.split('"').next()?.to_owned())
}

/// Returns the path of the last link to an email address.
pub(crate) async fn link(bed: &Bed, email: &str) -> String {
    let mails = mails(bed, email).await;
    let link = mails.iter().rev().find_map(|mail| mail["link"].as_str()).expect("a link");
    link.strip_prefix("http://localhost:3000").unwrap().to_owned()
}

/// Opens a link, and returns its page.
pub(crate) async fn open(client: &TestClient, link: &str) -> TestResponse {
    let moved = client.get(link).await;
    let page = link.split('?').next().unwrap();
    assert_eq!(led(&moved), to(page));
    client.get(page).await
}

async fn is_signed_in(client: &TestClient) -> bool {
    client.get("/me").await.status == 200
}

/// Returns a browser that is signed in with a password.
async fn browser(bed: &Bed) -> TestClient {
    bed.browser(ADA).await
}

/// Enrolls an authenticator app by the forms of the page.
async fn enroll_by_form(bed: &Bed, client: &TestClient) -> (Authenticator, TestResponse) {
    let shown = client.post_form("/account/security/totp", &[]).await;
    assert_eq!(shown.status, 200, "{}", html(&shown));
    assert!(html(&shown).contains("<svg"));
    let secret = html(&shown).split("id=\"secret\"").nth(1).unwrap().to_owned();
    let secret = secret.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned();
    let app = Authenticator::new(&secret);
    let challenge = value(&shown, "challenge").unwrap();
    // As a browser, which also sends the input that was left empty.
    let form = [("challenge", challenge.as_str()), ("code", &app.code(bed)), ("name", "")];
    let codes = client.post_form("/account/security/totp", &form).await;
    (app, codes)
}

on_every_store! {
    async fn user_signs_up_signs_in_and_signs_out(bed: &Bed, { "pages": true }) {
        let client = bed.client();
        let form = [("email", ADA), ("password", PASSWORD), ("display_name", "Ada"), ("return_to", "/public")];
        assert_eq!(led(&client.post_form("/account/sign-up", &form).await), to("/public"));
        assert_eq!(client.get("/me").await.json()["display_name"], "Ada");
        assert_eq!(led(&client.post_form("/account/sign-out", &[]).await), to("/"));
        assert!(!is_signed_in(&client).await);
        assert!(client.cookies().is_empty());

        let refused = client
            .post_form("/account/sign-in", &[("email", ADA), ("password", "not <it>"), ("return_to", "/public")])
            .await;
        assert_refused(&refused, 401, Some("password"));
        assert_eq!(value(&refused, "email").as_deref(), Some(ADA), "what was typed is kept");
        assert_eq!(value(&refused, "password").as_deref(), Some(""), "but no password");
        assert_eq!(value(&refused, "return_to").as_deref(), Some("/public"));
        assert!(!html(&refused).contains("not <it>") && !html(&refused).contains("not &lt;it"));

        let form = [("email", ADA), ("password", PASSWORD)];
        assert_eq!(led(&client.post_form("/account/sign-in", &form).await), to("/"));
        assert!(is_signed_in(&client).await);
        let shared = bed.client();
        let form = [("email", ADA), ("password", PASSWORD), ("persistent", "false")];
        let answer = shared.post_form("/account/sign-in", &form).await;
        assert!(answer.set_cookies().iter().all(|line| !line.starts_with("auth=") || !line.contains("Max-Age")));
    }

    async fn sign_up_with_verification_asks_for_the_code(bed: &Bed, { "pages": true, "verify_email": true }) {
        let client = bed.client();
        let form = [("email", ADA), ("password", PASSWORD), ("return_to", "/public?a=1")];
        let pending = client.post_form("/account/sign-up", &form).await;
        assert_eq!(led(&pending), to("/account/verify"));
        let cookie = pending.set_cookies().into_iter().find(|line| line.starts_with("auth-pending=")).unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=600"));
        let shown = client.get("/account/verify").await;
        assert_eq!(shown.status, 200);
        assert!(html(&shown).contains("a•••@example.com"));
        let code = last_code(bed, ADA).await;
        let refused = client.post_form("/account/verify", &[("code", &wrong(&code))]).await;
        assert_refused(&refused, 401, Some("code"));
        assert_eq!(led(&client.post_form("/account/verify/resend", &[]).await), to("/account/verify"));
        let code = last_code(bed, ADA).await;
        assert_eq!(led(&client.post_form("/account/verify", &[("code", &code)]).await), to("/public?a=1"));
        assert!(is_signed_in(&client).await);
        assert!(client.cookie("auth-pending").is_none());
        // Back button and double submit.
        assert_refused(&client.post_form("/account/verify", &[("code", &code)]).await, 401, Some("code"));
        assert_refused(&client.post_form("/account/verify/resend", &[]).await, 401, Some("code"));
        assert_eq!(led(&client.get("/account/verify").await), to("/account/sign-in"));
    }

    async fn second_factor_is_asked_for_and_leads_back(bed: &Bed, { "pages": true }) {
        let client = browser(bed).await;
        let (app, codes) = enroll_by_form(bed, &client).await;
        assert_eq!(codes.status, 200, "{}", html(&codes));
        let recovery = html(&codes).split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        assert_eq!(html(&codes).matches("<code>").count(), 10);

        let other = bed.client();
        let form = [("email", ADA), ("password", PASSWORD), ("return_to", "/public")];
        assert_eq!(led(&other.post_form("/account/sign-in", &form).await), to("/account/verify"));
        let shown = html(&other.get("/account/verify").await);
        assert!(shown.contains("value=\"totp\"") && shown.contains("value=\"recovery_code\""), "{shown}");
        let refused = other.post_form("/account/verify", &[("code", "000000"), ("method", "totp")]).await;
        assert_refused(&refused, 401, Some("code"));
        let code = app.next(bed).await;
        let form = [("code", code.as_str()), ("method", "totp"), ("remember", "true")];
        assert_eq!(led(&other.post_form("/account/verify", &form).await), to("/public"));
        assert!(is_signed_in(&other).await && other.cookie("auth-device").is_some());

        let third = bed.client();
        let form = [("email", ADA), ("password", PASSWORD)];
        assert_eq!(led(&third.post_form("/account/sign-in", &form).await), to("/account/verify"));
        let form = [("code", recovery.as_str()), ("method", "recovery_code")];
        assert_eq!(led(&third.post_form("/account/verify", &form).await), to("/"));
    }

    /// The newer of two pending sign-ins of a browser finishes.
    async fn older_tab_gets_its_page_again(bed: &Bed, { "pages": true, "sign_in_code": true, "code_interval_s": 1 }) {
        browser(bed).await;
        let client = bed.client();
        let form = [("email", ADA), ("password", PASSWORD)];
        client.post_form("/account/sign-in", &form).await;
        let older = last_code(bed, ADA).await;
        bed.advance(60).await;
        client.post_form("/account/sign-in", &form).await;
        let newer = last_code(bed, ADA).await;
        if older != newer {
            assert_refused(&client.post_form("/account/verify", &[("code", &older)]).await, 401, Some("code"));
        }
        assert_eq!(led(&client.post_form("/account/verify", &[("code", &newer)]).await), to("/"));
    }

    async fn password_is_reset_by_the_link(bed: &Bed, { "pages": true }) {
        browser(bed).await;
        let client = bed.client();
        for email in [ADA, "unregistered@example.com"] {
            let sent = client.post_form("/account/forgot", &[("email", email)]).await;
            assert_eq!(led(&sent), to("/account/forgot?sent=1"));
        }
        assert_refused(&client.post_form("/account/forgot", &[("email", "x")]).await, 422, Some("email"));
        let link = link(bed, ADA).await;
        assert!(link.starts_with("/account/reset?token="));
        let shown = open(&client, &link).await;
        assert!(html(&shown).contains("a•••@example.com"));
        assert!(!html(&shown).contains(link.split('=').nth(1).unwrap()), "no token in the page");
        let digest = value(&shown, "for").unwrap();
        let weak = client.post_form("/account/reset", &[("for", &digest), ("new_password", "short")]).await;
        assert_refused(&weak, 422, Some("new_password"));
        let form = [("for", digest.as_str()), ("new_password", "another xw2v plum")];
        assert_eq!(led(&client.post_form("/account/reset", &form).await), to("/account/sign-in"));
        assert!(client.cookie("auth-link").is_none());
        open(&client, &link).await;
        assert_refused(&client.post_form("/account/reset", &form).await, 401, None);
        let form = [("email", ADA), ("password", "another xw2v plum")];
        assert_eq!(led(&client.post_form("/account/sign-in", &form).await), to("/"));
    }

    /// A link that an attacker opens in the browser of a victim does not replace the one that the
    /// form was shown for.
    async fn form_of_another_link_changes_nothing(bed: &Bed, { "pages": true }) {
        browser(bed).await;
        bed.browser("bob@example.com").await;
        let client = bed.client();
        client.post_form("/account/forgot", &[("email", ADA)]).await;
        client.post_form("/account/forgot", &[("email", "bob@example.com")]).await;
        let digest = value(&open(&client, &link(bed, ADA).await).await, "for").unwrap();
        open(&client, &link(bed, "bob@example.com").await).await;
        let form = [("for", digest.as_str()), ("new_password", "another xw2v plum")];
        let other = client.post_form("/account/reset", &form).await;
        assert_refused(&other, 409, None);
        assert!(html(&other).contains("b•••@example.com"));
        assert_eq!(client.post_form("/account/reset", &[("new_password", "another xw2v plum")]).await.status, 409);
        let form = [("email", "bob@example.com"), ("password", PASSWORD)];
        assert_eq!(led(&bed.client().post_form("/account/sign-in", &form).await), to("/"), "unchanged");
        // A link for another page is rejected when its page is opened.
        let moved = link(bed, ADA).await.replace("/reset", "/undo-email-change");
        assert_refused(&open(&client, &moved).await, 401, None);
        // Garbage is rejected when the form is posted.
        let garbage = open(&client, "/account/reset?token=garbage").await;
        assert_eq!(garbage.status, 200);
        let digest = value(&garbage, "for").unwrap();
        let form = [("for", digest.as_str()), ("new_password", "another xw2v plum")];
        assert_refused(&client.post_form("/account/reset", &form).await, 401, None);
    }

    /// A query that no link of a message has is removed from the URL too.
    async fn tokens_stay_in_no_url(bed: &Bed, { "pages": true }) {
        browser(bed).await;
        let client = bed.client();
        client.post_form("/account/forgot", &[("email", ADA)]).await;
        let link = link(bed, ADA).await;
        let token = link.split('=').nth(1).unwrap();
        for page in ["reset", "sign-in-link", "undo-email-change", "cancel-recovery"] {
            let page = format!("/account/{page}");
            for query in ["token=other", "lang=de&lang=fr", "return_to=/a&return_to=/b", "token="] {
                let answer = client.get(&format!("{page}?token={token}&{query}")).await;
                assert_eq!(led(&answer), to(&page), "{query}");
            }
            let answer = client.get(&format!("{page}?token={token}&token={token}&lang=de")).await;
            assert_eq!(led(&answer), to(&format!("{page}?lang=de")));
            assert!(!answer.set_cookies().concat().contains(token), "two tokens are no link");
        }
        let shown = client.get("/account/reset").await;
        let digest = value(&shown, "for").unwrap();
        let form = [("for", digest.as_str()), ("new_password", "another xw2v plum")];
        assert_refused(&client.post_form("/account/reset", &form).await, 401, None);
        assert!(html(&open(&client, &link).await).contains("a•••@example.com"), "and consume none");
    }

    async fn link_of_an_email_signs_in_and_asks_elsewhere(bed: &Bed, { "pages": true }) {
        browser(bed).await;
        let client = bed.client();
        let form = [("email", ADA), ("return_to", "/public")];
        assert_eq!(led(&client.post_form("/account/email", &form).await), to("/account/verify"));
        let path = link(bed, ADA).await;
        let elsewhere = bed.client();
        let digest = value(&open(&elsewhere, &path).await, "for").unwrap();
        let asked = elsewhere.post_form("/account/sign-in-link", &[("for", &digest)]).await;
        assert_refused(&asked, 409, None);
        assert!(html(&asked).contains("a•••@example.com"));
        assert_eq!(value(&asked, "confirm").as_deref(), Some("true"));
        assert!(!is_signed_in(&elsewhere).await);
        let form = [("for", digest.as_str()), ("confirm", "true")];
        let confirmed = elsewhere.post_form("/account/sign-in-link", &form).await;
        assert_eq!(led(&confirmed), to("/public"));
        assert!(is_signed_in(&elsewhere).await);

        bed.advance(60).await;
        client.post_form("/account/email", &[("email", ADA), ("return_to", "/public")]).await;
        let digest = value(&open(&client, &link(bed, ADA).await).await, "for").unwrap();
        let same = client.post_form("/account/sign-in-link", &[("for", &digest)]).await;
        assert_eq!(led(&same), to("/public"));
        bed.advance(60).await;
        let code = bed.client();
        code.post_form("/account/email", &[("email", ADA), ("return_to", "/public")]).await;
        let sent = last_code(bed, ADA).await;
        assert_eq!(led(&code.post_form("/account/verify", &[("code", &sent)]).await), to("/public"));
    }

    async fn account_is_changed_by_forms(bed: &Bed, { "pages": true }) {
        let client = browser(bed).await;
        let shown = client.get(SECURITY).await;
        assert_eq!(shown.status, 200, "{}", html(&shown));
        assert_eq!(led(&client.get("/account/security/password").await), to(SECURITY));

        let form = [("display_name", "Ada <b>"), ("locale", "de")];
        assert_eq!(led(&client.post_form("/account/security/profile", &form).await), to(SECURITY));
        let shown = html(&client.get(SECURITY).await);
        assert!(shown.contains("Ada &lt;b&gt;") && !shown.contains("Ada <b>"));
        assert!(shown.contains("<html lang=\"de\""), "the locale of the user");
        assert!(html(&client.get("/account/security?lang=fr").await).contains("<html lang=\"fr\""));

        let form = [("current_password", "wrong"), ("new_password", "another xw2v plum")];
        let refused = client.post_form("/account/security/password", &form).await;
        assert_refused(&refused, 403, Some("current_password"));
        let form = [("current_password", PASSWORD), ("new_password", "short")];
        assert_refused(&client.post_form("/account/security/password", &form).await, 422, Some("new_password"));
        let form = [("current_password", PASSWORD), ("new_password", "another xw2v plum")];
        assert_eq!(led(&client.post_form("/account/security/password", &form).await), to(SECURITY));
        assert!(is_signed_in(&client).await);

        let other = bed.client();
        other.post_form("/account/sign-in", &[("email", ADA), ("password", "another xw2v plum")]).await;
        assert_eq!(led(&client.post_form("/account/security/sessions", &[("scope", "others")]).await), to(SECURITY));
        assert!(!is_signed_in(&other).await && is_signed_in(&client).await);

        let user = id_of(&client).await;
        bed.change(&user, json!({ "scopes": ["notes:read", "notes:write"] })).await;
        let form = [("name", "Laptop"), ("scopes", "notes:read"), ("scopes", "notes:write")];
        let key = client.post_form("/account/security/api-keys", &form).await;
        assert_eq!(key.status, 200, "{}", html(&key));
        assert!(html(&key).contains("aak_"));
        let keys = client.get("/auth/api-keys").await.json();
        assert_eq!(keys["api_keys"][0]["scopes"], json!(["notes:read", "notes:write"]));
        let id = keys["api_keys"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(led(&client.post_form("/account/security/api-keys", &[("id", &id)]).await), to(SECURITY));
        let refused = client.post_form("/account/security/api-keys", &[("name", "X"), ("scopes", "other")]).await;
        assert_eq!(refused.status, 422, "{}", html(&refused));

        let step_up = "/account/step-up?return_to=%2Faccount%2Fsecurity";
        bed.advance(601).await;
        assert_eq!(led(&client.post_form("/account/security/delete", &[]).await), to(step_up));
        let shown = client.get(step_up).await;
        assert_eq!(value(&shown, "return_to").as_deref(), Some(SECURITY));
        let form = [("password", "wrong"), ("return_to", SECURITY)];
        assert_refused(&client.post_form("/account/step-up", &form).await, 403, Some("password"));
        let form = [("password", "another xw2v plum"), ("return_to", SECURITY)];
        assert_eq!(led(&client.post_form("/account/step-up", &form).await), to(SECURITY));
        assert_eq!(led(&client.post_form("/account/security/delete", &[]).await), to(SECURITY));
        assert!(!is_signed_in(&client).await);
        assert_eq!(led(&client.post_form("/account/security/delete", &[]).await), to("/account/sign-in"));
    }

    async fn email_address_is_changed_and_restored(bed: &Bed, { "pages": true, "verify_email": true }) {
        let client = verified_user(bed, ADA).await;
        let form = [("new_email", "not an address")];
        assert_refused(&client.post_form("/account/security/email", &form).await, 422, Some("new_email"));
        let form = [("new_email", "new@example.com")];
        assert_eq!(led(&client.post_form("/account/security/email", &form).await), to("/account/verify"));
        let code = last_code(bed, "new@example.com").await;
        assert_eq!(led(&client.post_form("/account/verify", &[("code", &code)]).await), to(SECURITY));
        assert_eq!(client.get("/me").await.json()["email"], "new@example.com");
        let path = link(bed, ADA).await;
        assert!(path.starts_with("/account/undo-email-change?token="), "{path}");
        let owner = bed.client();
        let shown = open(&owner, &path).await;
        assert!(html(&shown).contains("a•••@example.com"), "{}", html(&shown));
        let digest = value(&shown, "for").unwrap();
        let undone = owner.post_form("/account/undo-email-change", &[("for", &digest)]).await;
        assert_eq!(led(&undone), to("/account/reset"));
        let digest = value(&owner.get("/account/reset").await, "for").unwrap();
        let form = [("for", digest.as_str()), ("new_password", "another xw2v plum")];
        assert_eq!(led(&owner.post_form("/account/reset", &form).await), to("/account/sign-in"));
        let form = [("email", ADA), ("password", "another xw2v plum")];
        assert_eq!(led(&owner.post_form("/account/sign-in", &form).await), to("/"));
    }

    async fn user_signs_in_by_form_with_a_username(bed: &Bed, { "pages": true, "usernames": true }) {
        let client = browser(bed).await;
        let form = [("display_name", ""), ("username", "ada_l"), ("locale", "")];
        assert_eq!(led(&client.post_form("/account/security/profile", &form).await), to(SECURITY));
        let shown = client.get(SECURITY).await;
        assert_eq!(value(&shown, "username"), Some("ada_l".to_owned()));
        assert_eq!(led(&client.post_form("/account/sign-out", &[]).await), to("/"));
        let shown = client.get("/account/sign-in").await;
        assert!(html(&shown).contains("Email address or username"), "{}", html(&shown));
        for name in ["ada_l", ADA] {
            let form = [("email", name), ("password", PASSWORD)];
            assert_eq!(led(&client.post_form("/account/sign-in", &form).await), to("/"));
        }
        let form = [("email", "ada_x"), ("password", PASSWORD)];
        assert_refused(&client.post_form("/account/sign-in", &form).await, 401, Some("password"));
    }

    async fn authenticator_apps_are_managed_by_forms(bed: &Bed, { "pages": true }) {
        let client = browser(bed).await;
        let shown = client.post_form("/account/security/totp", &[]).await;
        let challenge = value(&shown, "challenge").unwrap();
        let form = [("challenge", challenge.as_str()), ("code", "000000")];
        assert_refused(&client.post_form("/account/security/totp", &form).await, 401, Some("code"));
        let (_, codes) = enroll_by_form(bed, &client).await;
        assert_eq!(codes.status, 200);
        let again = client.post_form("/account/security/recovery-codes", &[]).await;
        assert_eq!((again.status.as_u16(), html(&again).matches("<code>").count()), (200, 10));
        let refused = client.post_form("/account/security/two-step", &[("enabled", "false")]).await;
        assert_refused(&refused, 409, None);
        let id = client.get("/auth/totp").await.json()["totp"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(led(&client.post_form("/account/security/totp", &[("id", &id)]).await), to(SECURITY));
        assert_eq!(client.get("/auth/totp").await.json()["totp"], json!([]));
        assert_refused(&client.post_form("/account/security/totp", &[("id", &id)]).await, 404, None);
    }

    async fn step_up_uses_the_authenticator_app_or_a_code_by_email(bed: &Bed, { "pages": true, "verify_email": true }) {
        let client = verified_user(bed, ADA).await;
        let (app, _) = enroll(bed, &client).await;
        bed.advance(601).await;
        let place = "/account/step-up?return_to=/fresh";
        let shown = html(&client.get(place).await);
        assert!(shown.contains("name=\"code\""), "{shown}");
        let form = [("code", "000000"), ("return_to", "/fresh")];
        assert_refused(&client.post_form("/account/step-up", &form).await, 401, Some("code"));
        let form = [("code", app.code(bed)), ("return_to", "/fresh".to_owned())];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(led(&client.post_form("/account/step-up", &form).await), to("/fresh"));
        assert_eq!(client.get("/fresh").await.status, 200);

        let guest = bed.client();
        guest.post_form("/account/email", &[("email", "bob@example.com")]).await;
        let code = last_code(bed, "bob@example.com").await;
        guest.post_form("/account/verify", &[("code", &code)]).await;
        bed.advance(601).await;
        let sent = guest.post_form("/account/step-up", &[("return_to", "/fresh")]).await;
        assert_eq!(led(&sent), to("/account/verify"));
        let code = last_code(bed, "bob@example.com").await;
        assert_eq!(led(&guest.post_form("/account/verify", &[("code", &code)]).await), to("/fresh"));
        assert_eq!(guest.get("/fresh").await.status, 200);
    }

    async fn guards_lead_to_the_pages(bed: &Bed, { "pages": true }) {
        let client = bed.client().with("accept", "text/html,application/json;q=0.9");
        let answer = client.get("/me?a=1&b=%2F").await;
        assert_eq!(led(&answer), to("/account/sign-in?return_to=/me%3Fa%3D1%26b%3D%252F"));
        let shown = client.get(&answer.header("location")).await;
        assert_eq!(value(&shown, "return_to").as_deref(), Some("/me?a=1&amp;b=%2F"));
        assert_eq!(led(&client.post_form("/note", &[]).await), to("/account/sign-in"));
        assert_eq!(led(&client.get("/page").await), to("/sign-in?return_to=/page"), "its own page");
        assert_eq!(bed.client().get("/me").await.code(), "unauthenticated");
        let long = format!("/me?{}", "x".repeat(2048));
        assert_eq!(led(&client.get(&long).await), to("/account/sign-in"));

        let user = browser(bed).await.with("accept", "text/html");
        let refused = user.get("/admin").await;
        assert_refused(&refused, 403, None);
        assert_eq!(refused.header("cache-control"), "private");
        bed.advance(601).await;
        assert_eq!(led(&user.get("/fresh").await), to("/account/step-up?return_to=/fresh"));

        let htmx = bed.client().with("hx-request", "true");
        let with = |url: &str| htmx.clone().with("hx-current-url", url);
        for (url, back) in [
            ("http://localhost:3000/inbox?x=1#y", "?return_to=/inbox%3Fx%3D1"),
            ("https://evil.example/inbox", ""),
            ("javascript:alert(1)", ""),
        ] {
            for answer in [with(url).get("/me").await, with(url).post("/note", json!({})).await] {
                assert_eq!((answer.status.as_u16(), answer.code()), (401, "unauthenticated".to_owned()));
                assert_eq!(answer.header("hx-redirect"), format!("/account/sign-in{back}"), "{url}");
            }
        }
    }

    async fn return_path_is_checked(bed: &Bed, { "pages": true, "redirect_allow": ["https://app.example"] }) {
        browser(bed).await;
        let client = bed.client();
        let long = format!("/{}", "x".repeat(2048));
        for bad in ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", &long] {
            let encoded: String = bad.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let shown = client.get(&format!("/account/sign-in?return_to={encoded}")).await;
            assert_eq!((shown.status.as_u16(), value(&shown, "return_to")), (200, None), "{bad}");
            for page in ["sign-in", "sign-up", "email"] {
                let form = [("email", ADA), ("password", PASSWORD), ("return_to", bad)];
                let answer = client.post_form(&format!("/account/{page}"), &form).await;
                assert_refused(&answer, 400, None);
            }
            assert!(!is_signed_in(&client).await, "nothing happened");
        }
        let form = [("email", ADA), ("password", PASSWORD), ("return_to", "/a"), ("return_to", "/b")];
        assert_refused(&client.post_form("/account/sign-in", &form).await, 400, None);
        assert_refused(&client.get("/account/sign-in?return_to=/a&return_to=/b").await, 400, None);
        let shown = client.get("/account/sign-in?return_to=https%3A%2F%2Fapp.example%2Fx").await;
        let policy = shown.header("content-security-policy");
        assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
        let form = [("email", ADA), ("password", PASSWORD), ("return_to", "https://app.example/x")];
        assert_eq!(led(&client.post_form("/account/sign-in", &form).await), to("https://app.example/x"));
    }
}

on_managed_stores! {
    async fn every_page_has_its_headers(bed: &Bed, { "pages": true }) {
        let user = browser(bed).await;
        let stranger = bed.client();
        let pages = ["sign-in", "sign-up", "email", "forgot", "sign-out", "step-up", "security", "nowhere"];
        for page in pages {
            for lang in ["en", "de", "fr", "es", "ja", "ar", "xx\"><script>"] {
                let client = if ["step-up", "security"].contains(&page) { &user } else { &stranger };
                let encoded: String = lang.bytes().map(|byte| format!("%{byte:02x}")).collect();
                let answer = client.get(&format!("/account/{page}?lang={encoded}")).await;
                let text = html(&answer);
                let status = if page == "nowhere" { 404 } else { 200 };
                assert_eq!(answer.status.as_u16(), status, "{page}: {text}");
                let policy = answer.header("content-security-policy");
                assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
                assert!(policy.contains("form-action 'self'") && !policy.contains("unsafe"));
                for (name, value) in [
                    ("x-content-type-options", "nosniff"),
                    ("referrer-policy", "same-origin"),
                    ("cache-control", "no-store"),
                    ("content-type", "text/html; charset=utf-8"),
                ] {
                    assert_eq!(answer.header(name), value, "{page}");
                }
                let lang = if lang.len() > 2 { "en" } else { lang };
                let dir = if lang == "ar" { "rtl" } else { "ltr" };
                assert!(text.starts_with("<!doctype html>"), "{text}");
                assert!(text.contains(&format!("<html lang=\"{lang}\" dir=\"{dir}\">")), "{page} {lang}");
                for one in ["<h1>", "<main", "<title>"] {
                    assert_eq!(text.matches(one).count(), 1, "{page}: {one}");
                }
                assert!(!text.contains("style=") && !text.contains("onclick"), "{page}");
                assert!(text.len() < 30_000, "{page} has {} bytes", text.len());
            }
        }
        let text = html(&stranger.get("/account/sign-in?lang=de").await);
        assert!(text.contains("action=\"/account/sign-in?lang=de\""), "posts keep the language");
        let style = text.split("href=\"").find(|rest| rest.contains("style.css")).unwrap();
        let style = stranger.get(style.split('"').next().unwrap()).await;
        assert_eq!(style.status, 200);
        assert!(style.header("cache-control").contains("immutable"));
        for lang in [("ja-JP,en;q=0.1", "ja"), ("fr;q=0.2, es", "es"), ("xx", "en")] {
            let client = bed.client().with("accept-language", lang.0);
            let text = html(&client.get("/account/sign-in").await);
            assert!(text.contains(&format!("lang=\"{}\"", lang.1)), "{lang:?}");
        }
    }

    async fn foreign_and_malformed_forms_are_rejected(bed: &Bed, { "pages": true }) {
        browser(bed).await;
        let form = [("email", ADA), ("password", PASSWORD)];
        for (origin, site, passes) in [
            ("https://evil.example", "cross-site", false),
            ("null", "cross-site", false),
            ("null", "same-origin", true),
            ("http://localhost:3000", "same-origin", true),
        ] {
            let client = bed.client().with("origin", origin).with("sec-fetch-site", site);
            let answer = client.post_form("/account/sign-in", &form).await;
            if passes {
                assert_eq!(led(&answer), to("/"), "{origin} {site}");
            } else {
                assert_refused(&answer, 403, None);
                assert!(answer.set_cookies().is_empty());
            }
        }
        let client = bed.client();
        let long = format!("email={}", "x".repeat(17_000));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let post = http::Method::POST;
        let path = "/account/sign-in";
        assert_refused(&client.send(post.clone(), path, &form, long.as_bytes()).await, 413, None);
        for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
            let answer = client.send(post.clone(), path, &[("content-type", kind)], b"{}").await;
            assert_refused(&answer, 415, None);
        }
        assert_refused(&client.send(post.clone(), path, &form, b"email=a%40b.example").await, 422, Some("password"));
        let answer = client.json(http::Method::PUT, path, json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD,POST".to_owned()));
        assert!(html(&answer).contains("<h1>"));
        let script = [("email", "\"><script>alert(1)</script>"), ("password", "x")];
        let answer = client.post_form(path, &script).await;
        assert!(!html(&answer).contains("<script>alert"), "{}", html(&answer));
    }

    async fn bearer_tokens_are_not_read(bed: &Bed, { "pages": true }) {
        let (client, _, _) = bed.native(ADA).await;
        let place = "/account/sign-in?return_to=%2Faccount%2Fsecurity";
        assert_eq!(led(&client.get(SECURITY).await), to(place));
    }

    async fn pages_of_flows_that_are_missing_do_not_exist(bed: &Bed, { "pages": true, "email_sign_in": false }) {
        assert_eq!(bed.client().get("/account/email").await.status, 404);
        assert!(!html(&bed.client().get("/account/sign-in").await).contains("/account/email"));
    }

    async fn password_managers_find_the_form(bed: &Bed, { "pages": true }) {
        let answer = bed.client().get("/.well-known/change-password").await;
        assert_eq!(led(&answer), to("http://localhost:3000/account/security#password"));
    }
}
