//! The pages of administrators: access, lists, acts, and hostile values.

use authlayer::{
    EventKind, UserId,
    testing::{TestClient, TestResponse},
};
use serde_json::{Value, json};

use crate::{
    admin::{ADA, administrator},
    authenticator::enroll,
    codes::{kinds, mails},
    pages::{assert_refused, html, led, to, value},
    support::{PASSWORD, id_of, on_stores, sign_in},
};

const EVE: &str = "eve@example.com";
const ADMIN: &str = "/account/admin";
/// The forms of the page of a user, with inputs that would change something.
const FORMS: [(&str, &[(&str, &str)]); 10] = [
    ("profile", &[("display_name", "Mallory")]),
    ("email", &[("email", "mallory@example.com")]),
    ("verified", &[("verified", "true")]),
    ("access", &[("roles", "admin"), ("scopes", "all")]),
    ("status", &[("status", "disabled")]),
    ("sessions", &[("scope", "all")]),
    ("factors", &[("id", "x")]),
    ("password-reset", &[]),
    ("impersonate", &[("reason", "Ticket 4711")]),
    ("delete", &[("confirm", "true")]),
];

fn page_of(id: &str) -> String {
    format!("{ADMIN}/users/{id}")
}

async fn act(client: &TestClient, id: &str, form: &str, inputs: &[(&str, &str)]) -> TestResponse {
    client.post_form(&format!("{}/{form}", page_of(id)), inputs).await
}

async fn user(admin: &TestClient, id: &str) -> Value {
    admin.get(&format!("/auth/admin/users/{id}")).await.json()
}

/// Returns a return path as it is in a query.
fn escaped(path: &str) -> String {
    path.replace('/', "%2F").replace('?', "%3F").replace('=', "%3D")
}

/// Asserts that a page shows one error which names no input.
fn assert_page(answer: &TestResponse, status: u16, text: &str) {
    assert_refused(answer, status, None);
    assert!(html(answer).contains(text), "{}", html(answer));
}

on_stores! {
    [sqlite: Sqlite, postgres: Postgres]
    /// Every page and every form, for each caller that must not have them.
    async fn only_administrators_have_the_pages(bed: &Bed, { "pages": true }) {
        let (ada, eve) = (administrator(bed, ADA).await, bed.browser(EVE).await);
        let id = id_of(&eve).await;
        let key = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
        let program = bed.client().bearer(key["key"].as_str().unwrap());
        let acting = bed.client();
        sign_in(&acting, ADA, PASSWORD).await;
        assert_eq!(led(&act(&acting, &id, "impersonate", &[("reason", "x")]).await), to("/"));
        let pages = [ADMIN.to_owned(), format!("{ADMIN}/new"), format!("{ADMIN}/events?kind=signed_in"), page_of(&id)];
        let mut forms = vec![(format!("{ADMIN}/new"), vec![("email", "mallory@example.com")])];
        forms.extend(FORMS.map(|(form, inputs)| (format!("{}/{form}", page_of(&id)), inputs.to_vec())));
        let before = user(&ada, &id).await;

        for page in &pages {
            for client in [&bed.client(), &program] {
                let place = format!("/account/sign-in?return_to={}", escaped(page));
                assert_eq!(led(&client.get(page).await), to(&place), "{page}");
            }
            let answer = eve.get(page).await;
            assert_page(&answer, 403, "You are not allowed to do this.");
            let impersonated = acting.get(page).await;
            assert_page(&impersonated, 403, "Not possible while signed in as another user.");
            assert!(html(&impersonated).contains("action=\"/account/end-impersonation\""));
            for refused in [answer, impersonated] {
                assert!(!html(&refused).contains("<nav") && !html(&refused).contains(ADA));
            }
            assert_eq!(ada.get(page).await.status, 200, "{page}");
        }
        for (path, inputs) in &forms {
            for client in [&bed.client(), &program] {
                assert_eq!(led(&client.post_form(path, inputs).await), to("/account/sign-in"), "{path}");
            }
            assert_page(&eve.post_form(path, inputs).await, 403, "You are not allowed to do this.");
            let impersonated = acting.post_form(path, inputs).await;
            assert_page(&impersonated, 403, "Not possible while signed in as another user.");
            // The rule comes before the body.
            let text = [("content-type", "text/plain")];
            assert_refused(&eve.send(http::Method::POST, path, &text, b"x").await, 403, None);
            for (origin, site) in [("https://evil.example", "cross-site"), ("null", "cross-site")] {
                let other = ada.clone().with("origin", origin).with("sec-fetch-site", site);
                assert_page(&other.post_form(path, inputs).await, 403, "another site");
            }
        }
        // Without recent authentication an administrator reads, and verifies again before an act.
        bed.advance(601).await;
        for page in [&pages[0], &pages[2], &pages[3]] {
            assert_eq!(ada.get(page).await.status, 200, "{page}");
        }
        let step_up = |page: &str| to(&format!("/account/step-up?return_to={}", escaped(page)));
        assert_eq!(led(&ada.get(&pages[1]).await), step_up(&pages[1]));
        for (path, inputs) in &forms {
            let page = if path.ends_with("new") { &pages[1] } else { &pages[3] };
            assert_eq!(led(&ada.post_form(path, inputs).await), step_up(page), "{path}");
            let htmx = ada.clone().with("hx-request", "true");
            let htmx = htmx.with("hx-current-url", format!("http://localhost:3000{page}"));
            let answer = htmx.post_form(path, inputs).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (403, "step_up_required".to_owned()));
            assert_eq!(answer.header("hx-redirect"), format!("/account/step-up?return_to={page}"));
        }
        let after = user(&ada, &id).await;
        assert_eq!((&after["updated_at"], &after["roles"]), (&before["updated_at"], &json!([])));
        assert_eq!(mails(bed, "mallory@example.com").await.len(), 0);
        assert_eq!(ada.get("/auth/admin/users?query=mallory").await.json()["users"], json!([]));
    }

    async fn rule_of_the_application_applies(bed: &Bed, { "pages": true, "admin": false }) {
        let ada = administrator(bed, ADA).await;
        for page in [ADMIN, "/account/admin/new", "/account/admin/events", "/account/admin/users/x"] {
            assert_page(&ada.get(page).await, 404, "There is nothing here.");
        }
        assert!(!html(&ada.get("/account/security").await).contains(ADMIN));
    }

    async fn navigation_lists_them_for_administrators(bed: &Bed, { "pages": true }) {
        let (ada, eve) = (administrator(bed, ADA).await, bed.browser(EVE).await);
        let link = "href=\"/account/admin\"";
        let security = async |client: &TestClient| html(&client.get("/account/security").await);
        assert!(security(&ada).await.contains(link));
        assert!(!security(&eve).await.contains(link));
        bed.change(&id_of(&eve).await, json!({ "roles": ["admin"] })).await;
        assert!(security(&eve).await.contains(link));
        bed.change(&id_of(&eve).await, json!({ "roles": [] })).await;
        act(&ada, &id_of(&eve).await, "impersonate", &[("reason", "x")]).await;
        bed.change(&id_of(&eve).await, json!({ "roles": ["admin"] })).await;
        assert!(!security(&ada).await.contains(link), "an impersonation never administers");
        let shown = html(&eve.get("/account/admin?lang=ar").await);
        assert!(shown.contains("<html lang=\"ar\" dir=\"rtl\">"), "{shown}");
        assert!(shown.contains("href=\"/account/admin/new?lang=ar\""), "{shown}");
    }

    async fn lists_are_filtered_and_paged(bed: &Bed, { "pages": true }) {
        let ada = administrator(bed, ADA).await;
        for number in 0..60 {
            let body = json!({ "email": format!("user{number:02}@example.com"), "roles": ["editor"] });
            assert_eq!(ada.post("/auth/admin/users", &body).await.status, 201);
        }
        let (mut path, mut found, mut pages) = (format!("{ADMIN}?query=user&role=editor&status=&lang=en"), 0, 0);
        loop {
            let shown = ada.get(&path).await;
            let text = html(&shown);
            assert!(text.len() < 30_000, "{} bytes", text.len());
            found += text.matches("<bdi>user").count();
            pages += 1;
            assert_eq!(value(&shown, "query").as_deref(), Some("user"));
            assert_eq!(text.contains(">First page<"), pages > 1);
            let Some(next) = text.split("rel=\"next\" href=\"").nth(1) else { break };
            path = next.split('"').next().unwrap().replace("&amp;", "&");
            assert!(path.ends_with("&lang=en"), "{path}");
        }
        assert_eq!((found, pages), (60, 2));
        let count = async |query: &str| html(&ada.get(&format!("{ADMIN}{query}")).await).matches("<bdi>user").count();
        assert_eq!(count("?query=user0&role=").await, 10);
        assert_eq!(count("?status=disabled").await, 0);
        assert_eq!(count("?role=none").await, 0);
        for bad in ["?cursor=x", "?status=x"] {
            let refused = ada.get(&format!("{ADMIN}{bad}")).await;
            assert_refused(&refused, 400, None);
            assert!(value(&refused, "query").is_some(), "the form remains");
        }
        assert_refused(&ada.get("/account/admin?role=a&role=b").await, 400, None);

        let id = id_of(&ada).await;
        let events = async |query: &str| html(&ada.get(&format!("{ADMIN}/events{query}")).await);
        let all = events("?kind=user_created").await;
        assert_eq!(all.matches(">user_created<").count(), 50);
        assert!(all.contains("rel=\"next\""));
        assert!(all.contains(&format!("href=\"/account/admin/users/{id}\"")), "the actor: {all}");
        let own = events(&format!("?user_id={id}&kind=signed_up")).await;
        assert_eq!(own.matches(">signed_up<").count(), 1, "{own}");
        assert!(events("?kind=none").await.contains("Nothing was found."));
        assert!(events("?user_id=%00").await.contains("Nothing was found."));
        assert_refused(&ada.get("/account/admin/events?cursor=x").await, 400, None);
    }

    /// A text that a user wrote neither becomes markup nor changes the order of other text.
    async fn hostile_values_are_shown_harmlessly(bed: &Bed, { "pages": true }) {
        let (ada, eve) = (administrator(bed, ADA).await, bed.browser(EVE).await);
        let id = id_of(&eve).await;
        let name = "<b>\"'&\u{202e}nimda\u{200b}";
        let profile = json!({ "display_name": name });
        assert_eq!(eve.json(http::Method::PATCH, "/auth/account", &profile).await.status, 200);
        bed.change(&id, json!({ "roles": ["<i>", "x\nadmin"], "scopes": ["</textarea><script>"] })).await;
        let agent = bed.client().with("user-agent", "<script>alert(1)</script>\" onload=x");
        sign_in(&agent, EVE, PASSWORD).await;
        let wrong = agent.post("/auth/sign-in", json!({ "email": EVE, "password": "x" })).await;
        assert_eq!(wrong.status, 401);
        let reason = [("reason", "<script>\u{202e}")];
        assert_eq!(led(&act(&ada, &id, "impersonate", &reason).await), to("/"));
        ada.post_form("/account/end-impersonation", &[]).await;
        let query = "?query=%3Cscript%3E%22%27&role=%3Ci%3E&user_id=%22%3E%3Cscript%3E&kind=%3Cscript%3E";
        for path in [ADMIN.to_owned(), format!("{ADMIN}{query}"), page_of(&id), format!("{ADMIN}/events"),
            format!("{ADMIN}/events{query}"), format!("{ADMIN}/events?user_id={id}")] {
            let text = html(&ada.get(&path).await);
            for markup in ["<b>", "<i>", "<script>", "\" onload", "</textarea><script"] {
                assert!(!text.contains(markup), "{path} {markup}: {text}");
            }
            // In an input the value is as it was written.
            let outside = text.split("value=\"").map(|own| own.split_once('"').map_or(own, |own| own.1));
            assert!(!outside.collect::<String>().contains('\u{202e}'), "{path}: {text}");
        }
        let text = html(&ada.get(&page_of(&id)).await);
        let heading = "<h1><bdi>&lt;b&gt;&quot;&#39;&amp;⟨U+202E⟩nimda⟨U+200B⟩</bdi></h1>";
        assert!(text.contains(heading), "{text}");
        assert!(text.contains("&lt;i&gt;\nx\u{fffd}admin</textarea>"), "{text}");
        // A line break in a role does not make two of it.
        let roles = "<i>\r\nx\u{fffd}admin";
        let saved = act(&ada, &id, "access", &[("roles", roles)]).await;
        assert_eq!(led(&saved), to(&page_of(&id)));
        assert_eq!(user(&ada, &id).await["roles"], json!(["<i>", "x\u{fffd}admin"]));
        for path in ["/account/admin/users/%00", "/account/admin/users/%ff", "/account/admin/users/%2F..%2F",
            "/account/admin/users/none", "/account/admin/users/none/x/y"] {
            assert_page(&ada.get(path).await, 404, "There is nothing here.");
        }
        let path = format!("{}/nothing", page_of(&id));
        assert_page(&ada.post_form(&path, &[]).await, 404, "There is nothing here.");
        assert_eq!(led(&ada.get(&path).await), to(&page_of(&id)));
        let twice = b"status=disabled&status=active";
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let path = format!("{}/status", page_of(&id));
        assert_refused(&ada.send(http::Method::POST, &path, &form, twice).await, 400, None);
    }
}

on_stores! {
    [sqlite: Sqlite, postgres: Postgres, sqlite_mapped: SqliteMapped, postgres_custom: PostgresCustom]
    async fn administrator_helps_a_user(bed: &Bed, { "pages": true, "usernames": true }) {
        let (ada, eve) = (administrator(bed, ADA).await, bed.browser(EVE).await);
        let id = id_of(&eve).await;
        let (back, own) = (to(&page_of(&id)), id_of(&ada).await);
        let done = async |form: &str, inputs: &[(&str, &str)]| {
            assert_eq!(led(&act(&ada, &id, form, inputs).await), back, "{form} {inputs:?}");
        };
        done("profile", &[("display_name", "Eve"), ("username", "Eve")]).await;
        done("verified", &[("verified", "true")]).await;
        done("access", &[("roles", "editor\r\nauthor\r\n"), ("scopes", "notes:read")]).await;
        let now = user(&ada, &id).await;
        for (member, expected) in [
            ("display_name", json!("Eve")), ("username", json!("eve")), ("email_verified", json!(true)),
            ("roles", json!(["editor", "author"])), ("scopes", json!(["notes:read"])),
        ] {
            assert_eq!(now[member], expected, "{member}");
        }
        done("profile", &[("display_name", ""), ("username", "")]).await;
        assert_eq!(user(&ada, &id).await["username"], Value::Null);

        let taken = act(&ada, &id, "email", &[("email", ADA)]).await;
        assert_refused(&taken, 409, Some("email"));
        assert_eq!(value(&taken, "email").as_deref(), Some(ADA), "what was typed is kept");
        let long = "x".repeat(201);
        assert_refused(&act(&ada, &id, "profile", &[("display_name", &long)]).await, 422, Some("display_name"));
        let refused = act(&ada, &id, "access", &[("roles", &long)]).await;
        assert_eq!(refused.status, 422);
        assert!(html(&refused).contains(&format!("aria-invalid=\"true\" aria-describedby=\"roles-error\">{long}</textarea>")));
        done("email", &[("email", "eva@example.com")]).await;
        assert_eq!(user(&ada, &id).await["email_verified"], false);
        assert_eq!(kinds(bed, EVE).await.last().unwrap(), "notice_email_changed");

        // A factor, a session, all sessions.
        enroll(bed, &eve).await;
        let shown = html(&ada.get(&page_of(&id)).await);
        let factor = shown.split("/factors\"><input type=\"hidden\" name=\"id\" value=\"").nth(1).unwrap();
        let factor = factor.split('"').next().unwrap().to_owned();
        done("factors", &[("id", &factor)]).await;
        assert_eq!(user(&ada, &id).await["totp"], 0);
        assert_refused(&act(&ada, &id, "factors", &[("id", &factor)]).await, 404, None);
        let other = bed.client();
        assert_eq!(sign_in(&other, "eva@example.com", PASSWORD).await.status, 200);
        let session = other.get("/auth/session").await.json()["session"]["id"].as_str().unwrap().to_owned();
        done("sessions", &[("id", &session)]).await;
        assert_eq!(other.get("/me").await.status, 401);
        assert_refused(&act(&ada, &id, "sessions", &[]).await, 404, None);
        sign_in(&other, "eva@example.com", PASSWORD).await;
        done("sessions", &[("scope", "all")]).await;
        assert_eq!(other.get("/me").await.status, 401);

        // A password, by a link that is not shown.
        let sent = act(&ada, &id, "password-reset", &[]).await;
        assert_eq!(led(&sent), to(&format!("{}?sent=1", page_of(&id))));
        assert!(html(&ada.get(&format!("{}?sent=1", page_of(&id))).await).contains("role=\"status\""));
        assert_eq!(kinds(bed, "eva@example.com").await.last().unwrap(), "reset_link");

        done("status", &[("status", "disabled")]).await;
        assert_eq!(sign_in(&other, "eva@example.com", PASSWORD).await.status, 401);
        assert!(!html(&ada.get(&page_of(&id)).await).contains("/impersonate"));
        assert_page(&act(&ada, &id, "impersonate", &[("reason", "x")]).await, 403, "This account is disabled.");
        done("status", &[("status", "active")]).await;
        assert_refused(&act(&ada, &id, "status", &[("status", "x")]).await, 422, None);

        // An impersonation, with a reason.
        assert_refused(&act(&ada, &id, "impersonate", &[("reason", "")]).await, 422, Some("reason"));
        assert_eq!(led(&act(&ada, &id, "impersonate", &[("reason", "Ticket 4711")]).await), to("/"));
        assert_eq!(id_of(&ada).await, id);
        assert_eq!(bed.bed.watch.count(EventKind::ImpersonationBegan), 1);
        assert_eq!(led(&ada.post_form("/account/end-impersonation", &[]).await), to("/"));
        assert_eq!(id_of(&ada).await, own);
        assert_refused(&act(&ada, &own, "impersonate", &[("reason", "x")]).await, 403, None);

        // The last administrator remains.
        for (form, inputs) in [("access", [("roles", "editor")]), ("status", [("status", "disabled")]),
            ("delete", [("confirm", "true")])] {
            assert_page(&act(&ada, &own, form, &inputs).await, 409, "Make another user an administrator first.");
        }
        assert_refused(&act(&ada, &id, "delete", &[]).await, 422, Some("confirm"));
        assert_eq!(user(&ada, &id).await["id"], json!(id));
        assert_eq!(led(&act(&ada, &id, "delete", &[("confirm", "true")]).await), to(ADMIN));
        assert!(bed.bed.auth.users().find(&UserId::new(id.clone())).await.unwrap().is_none());
        assert_refused(&ada.get(&page_of(&id)).await, 404, None);
    }

    async fn users_are_created_and_invited(bed: &Bed, { "pages": true }) {
        let ada = administrator(bed, ADA).await;
        let path = "/account/admin/new";
        let form = [("email", "Grace@example.com"), ("verified", "true"), ("display_name", ""), ("credential", "password"),
            ("password", PASSWORD), ("roles", "editor"), ("scopes", "")];
        let made = ada.post_form(path, &form).await;
        let id = made.header("location").rsplit('/').next().unwrap().to_owned();
        assert_eq!(led(&made), to(&page_of(&id)));
        let now = user(&ada, &id).await;
        assert_eq!((&now["roles"], &now["email_verified"], &now["display_name"]), (&json!(["editor"]), &json!(true), &Value::Null));
        assert_eq!(sign_in(&bed.client(), "grace@example.com", PASSWORD).await.status, 200);

        let weak = [("email", "joan@example.com"), ("credential", "password"), ("password", "short"), ("roles", "a\r\nb")];
        let refused = ada.post_form(path, &weak).await;
        assert_refused(&refused, 422, Some("password"));
        assert_eq!(value(&refused, "password").as_deref(), Some(""), "a password is not kept");
        assert_eq!(value(&refused, "email").as_deref(), Some("joan@example.com"));
        assert!(html(&refused).contains("value=\"password\" checked>") && html(&refused).contains("a\r\nb</textarea>"));
        assert_refused(&ada.post_form(path, &[("email", ADA)]).await, 409, Some("email"));
        assert_refused(&ada.post_form(path, &[("email", "x")]).await, 422, Some("email"));
        assert_refused(&ada.post_form(path, &[]).await, 422, Some("email"));

        let invite = [("email", "joan@example.com"), ("credential", "invitation"), ("password", "")];
        assert_eq!(ada.post_form(path, &invite).await.status, 303);
        assert_eq!(kinds(bed, "joan@example.com").await, ["invitation"]);
        let none = [("email", "mary@example.com"), ("credential", "none")];
        assert_eq!(ada.post_form(path, &none).await.status, 303);
        assert_eq!(mails(bed, "mary@example.com").await.len(), 0);
    }
}
