//! Forms of the pages that are refused, repeated, or sent from two tabs of a browser.

use authlayer::testing::TestResponse;

use crate::{
    authenticator::{Authenticator, enroll},
    codes::{last_code, verified_user, wrong},
    pages::{assert_refused, html, led, link, open, to, value},
    support::{PASSWORD, on_managed_stores},
};

const ADA: &str = "ada@example.com";
const SECURITY: &str = "/account/security";

/// Asserts that a form is shown again because of its return path, without it.
fn assert_without_return_path(answer: &TestResponse, page: &str) {
    assert_refused(answer, 400, None);
    assert_eq!(value(answer, "return_to"), None);
    let action = format!("action=\"/account/{page}\"");
    assert!(html(answer).contains(&action), "{}", html(answer));
}

/// Returns the secret of a page with an enrollment.
fn secret(answer: &TestResponse) -> String {
    let text = html(answer);
    let from = text.split("id=\"secret\"").nth(1).unwrap_or_else(|| panic!("{text}"));
    from.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
}

on_managed_stores! {
    async fn form_with_a_refused_return_path_is_shown_again(bed: &Bed, { "pages": true }) {
        let user = bed.browser(ADA).await;
        let client = bed.client();
        for targets in [&["https://evil.example/"][..], &["/a", "/b"]] {
            for page in ["sign-in", "sign-up", "email"] {
                let mut form = vec![("email", "bob@example.com"), ("password", PASSWORD), ("persistent", "false")];
                form.extend(targets.iter().map(|target| ("return_to", *target)));
                let answer = client.post_form(&format!("/account/{page}"), &form).await;
                assert_without_return_path(&answer, page);
                assert_eq!(value(&answer, "email").as_deref(), Some("bob@example.com"), "{page}");
                assert!(html(&answer).contains("value=\"false\" checked>"), "{page}");
                assert!(!html(&answer).contains(PASSWORD), "{page}");
            }
            let mut form = vec![("password", PASSWORD)];
            form.extend(targets.iter().map(|target| ("return_to", *target)));
            let answer = user.post_form("/account/step-up", &form).await;
            assert_without_return_path(&answer, "step-up");
            assert!(answer.set_cookies().is_empty(), "no step-up");
        }
        assert_eq!(client.get("/me").await.status, 401);
    }

    async fn wrong_code_is_kept_unless_it_is_a_recovery_code(bed: &Bed, { "pages": true, "verify_email": true }) {
        let client = bed.client();
        let form = [("email", ADA), ("password", PASSWORD)];
        client.post_form("/account/sign-up", &form).await;
        let typed = wrong(&last_code(bed, ADA).await);
        let refused = client.post_form("/account/verify", &[("code", &typed)]).await;
        assert_refused(&refused, 401, Some("code"));
        assert_eq!(value(&refused, "code"), Some(typed));
        let code = last_code(bed, ADA).await;
        assert_eq!(led(&client.post_form("/account/verify", &[("code", &code)]).await), to("/"));

        let (_, _) = enroll(bed, &client).await;
        bed.advance(601).await;
        let refused = client.post_form("/account/step-up", &[("code", "000000")]).await;
        assert_refused(&refused, 401, Some("code"));
        assert_eq!(value(&refused, "code").as_deref(), Some("000000"));
        let other = bed.client();
        other.post_form("/account/sign-in", &form).await;
        for (method, kept) in [("totp", "111111"), ("recovery_code", "")] {
            let answer = [("method", method), ("code", "111111")];
            let refused = other.post_form("/account/verify", &answer).await;
            assert_refused(&refused, 401, Some("code"));
            assert_eq!(value(&refused, "code").as_deref(), Some(kept), "{method}");
        }
    }

    /// An enrollment that one tab finishes does not end the change that another tab began later.
    async fn newer_tab_continues_after_the_older_one_finishes(bed: &Bed, { "pages": true, "verify_email": true }) {
        let client = verified_user(bed, ADA).await;
        let shown = client.post_form("/account/security/totp", &[]).await;
        let (challenge, app) = (value(&shown, "challenge").unwrap(), Authenticator::new(&secret(&shown)));
        let form = [("new_email", "new@example.com")];
        assert_eq!(led(&client.post_form("/account/security/email", &form).await), to("/account/verify"));

        let form = [("challenge", challenge.as_str()), ("code", &app.code(bed)), ("name", "")];
        let codes = client.post_form("/account/security/totp", &form).await;
        assert_eq!(codes.status, 200, "{}", html(&codes));
        assert_eq!(client.get("/account/verify").await.status, 200, "the change is still pending");
        let code = last_code(bed, "new@example.com").await;
        assert_eq!(led(&client.post_form("/account/verify", &[("code", &code)]).await), to(SECURITY));
        assert_eq!(client.get("/me").await.json()["email"], "new@example.com");
        assert!(client.cookie("auth-pending").is_none());

        // The cookie of the challenge that finished is cleared.
        let shown = client.post_form("/account/security/totp", &[]).await;
        let (challenge, app) = (value(&shown, "challenge").unwrap(), Authenticator::new(&secret(&shown)));
        assert!(client.cookie("auth-pending").is_some());
        let form = [("challenge", challenge.as_str()), ("code", &app.code(bed)), ("name", "Tablet")];
        let added = client.post_form("/account/security/totp", &form).await;
        assert!(added.status == 200 || added.status == 303, "{}", html(&added));
        assert!(client.cookie("auth-pending").is_none());
    }

    /// The second of two equal posts changes nothing, and the reset that the first one led to stays
    /// possible.
    async fn undo_that_is_sent_twice_restores_once(bed: &Bed, { "pages": true, "verify_email": true }) {
        let client = verified_user(bed, ADA).await;
        let form = [("new_email", "new@example.com")];
        client.post_form("/account/security/email", &form).await;
        let owner = bed.client();
        let digest = value(&open(&owner, &link(bed, ADA).await).await, "for").unwrap();
        let form = [("for", digest.as_str())];
        let page = "/account/undo-email-change";
        assert_eq!(led(&owner.post_form(page, &form).await), to("/account/reset"));
        assert_refused(&owner.post_form(page, &form).await, 409, None);
        let digest = value(&owner.get("/account/reset").await, "for").unwrap();
        let form = [("for", digest.as_str()), ("new_password", "another xw2v plum")];
        assert_eq!(led(&owner.post_form("/account/reset", &form).await), to("/account/sign-in"));
        assert_refused(&owner.post_form("/account/reset", &form).await, 401, None);
        let form = [("email", ADA), ("password", "another xw2v plum")];
        assert_eq!(led(&owner.post_form("/account/sign-in", &form).await), to("/"));
    }

    /// The back button shows a form again, whose second post is one more sign-in of this browser.
    async fn sign_in_that_is_sent_twice_leaves_one_session(bed: &Bed, { "pages": true }) {
        let client = bed.browser(ADA).await;
        client.post_form("/account/sign-out", &[]).await;
        let form = [("email", ADA), ("password", PASSWORD)];
        for _ in 0..2 {
            assert_eq!(led(&client.post_form("/account/sign-in", &form).await), to("/"));
        }
        let sessions = client.get("/auth/sessions").await.json()["sessions"].as_array().unwrap().len();
        assert_eq!(sessions, 1);
    }
}
