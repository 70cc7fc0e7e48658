//! Programs that sign in by the device authorization grant (RFC 8628).

use authlayer::{
    Auth, DeviceGrant, SessionOptions, SqliteStore, TokenTransports,
    clock::Clock,
    services::SessionTag,
    testing::{TestClient, TestResponse, VirtualDevice},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    admin::administrator,
    codes::mails,
    dpop::proof_of,
    pages::{assert_refused, html, led, to, value},
    providers::with_providers,
    support::{Bed, PASSWORD, id_of, on_every_store},
};

const ADA: &str = "ada@example.com";
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const PAGE: &str = "https://app.example.com/device?tenant=a";

/// Sends a form as a program.
async fn send(bed: &Bed, path: &str, form: &[(&str, &str)]) -> TestResponse {
    let client = bed.client().with("user-agent", "notes-cli/1.0");
    let answer = client.post_form(path, form).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.set_cookies().is_empty());
    answer
}

/// Returns status and code of an error of OAuth.
fn error(answer: &TestResponse) -> (u16, String) {
    let body = answer.json();
    (answer.status.as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

/// A request of a program.
pub(crate) struct Asked {
    pub(crate) device_code: String,
    user_code: String,
}

pub(crate) async fn start(bed: &Bed) -> Asked {
    let answer = send(bed, "/auth/device-authorization", &[("client_id", "cli")]).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Asked { device_code: text("device_code"), user_code: text("user_code") }
}

pub(crate) async fn poll(bed: &Bed, asked: &Asked) -> TestResponse {
    poll_as(bed, "cli", &asked.device_code).await
}

async fn poll_as(bed: &Bed, client: &str, code: &str) -> TestResponse {
    let form = [("grant_type", DEVICE_CODE), ("client_id", client), ("device_code", code)];
    send(bed, "/auth/token", &form).await
}

async fn refresh(bed: &Bed, client: &str, token: &str) -> TestResponse {
    let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
    send(bed, "/auth/token", &form).await
}

async fn claim(user: &TestClient, code: &str) -> TestResponse {
    user.post("/auth/device-authorization/request", json!({ "user_code": code })).await
}

async fn decide(user: &TestClient, code: &str, approve: bool) -> TestResponse {
    let body = json!({ "user_code": code, "approve": approve });
    user.post("/auth/device-authorization/decide", body).await
}

/// Claims and approves a request.
pub(crate) async fn approve(user: &TestClient, asked: &Asked) {
    let claimed = claim(user, &asked.user_code).await;
    assert_eq!(claimed.status, 200, "{}", claimed.json());
    let decided = decide(user, &asked.user_code, true).await;
    assert_eq!(decided.status, 204, "{}", decided.json());
}

fn token(answer: &TestResponse, name: &str) -> String {
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()[name].as_str().unwrap().to_owned()
}

/// Returns the client of a program that a user approved, and its refresh token.
pub(crate) async fn program(bed: &Bed, user: &TestClient) -> (TestClient, String) {
    let asked = start(bed).await;
    approve(user, &asked).await;
    let delivered = poll(bed, &asked).await;
    let client = bed.client().bearer(&token(&delivered, "access_token"));
    (client, token(&delivered, "refresh_token"))
}

async fn events(bed: &Bed, kind: &str) -> Vec<Value> {
    let all = bed.client().get("/testbed/events").await.json();
    let all = all["events"].as_array().unwrap().iter();
    all.filter(|own| own["kind"] == kind).cloned().collect()
}

fn not_found(answer: &TestResponse) -> bool {
    answer.status == 404 && answer.code() == "not_found"
}

macro_rules! programs {
    ($($(#[$doc:meta])* async fn $name:ident($bed:ident: &Bed) $body:block)*) => {
        on_every_store! {$(
            $(#[$doc])*
            async fn $name($bed: &Bed, {
                "device_grant": {
                    "clients": [{ "id": "cli", "name": "Notes" }, { "id": "tv", "name": "Notes for TV" }],
                    "verification_uri": PAGE
                }
            }) $body
        )*}
    };
}

programs! {
    async fn impersonation_decides_nothing(bed: &Bed) {
        let (ada, eve) = (administrator(bed, ADA).await, bed.browser("eve@example.com").await);
        let asked = start(bed).await;
        let path = format!("/auth/admin/users/{}/impersonate", id_of(&eve).await);
        assert_eq!(ada.post(&path, json!({ "reason": "Ticket 4711" })).await.status, 200);
        for answer in [
            claim(&ada, &asked.user_code).await,
            decide(&ada, &asked.user_code, true).await,
            decide(&ada, &asked.user_code, false).await,
        ] {
            assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "impersonating"));
        }
        assert_eq!(claim(&eve, &asked.user_code).await.status, 200, "nothing was claimed");
        assert_eq!(error(&poll(bed, &asked).await), refused("authorization_pending"));
    }

    async fn approved_program_gets_a_session(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let answer = send(bed, "/auth/device-authorization", &[("client_id", "cli"), ("scope", "x")]).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        let body = answer.json();
        let user_code = body["user_code"].as_str().unwrap().to_owned();
        let device_code = body["device_code"].as_str().unwrap().to_owned();
        assert_eq!(body, json!({
            "device_code": device_code, "user_code": user_code, "verification_uri": PAGE,
            "verification_uri_complete": format!("{PAGE}&user_code={user_code}"),
            "expires_in": 600, "interval": 5,
        }));
        let letters = user_code.replace('-', "");
        assert!(letters.len() == 8 && user_code.find('-') == Some(4), "{user_code}");
        assert!(letters.chars().all(|own| "BCDFGHJKLMNPQRSTVWXZ".contains(own)), "{user_code}");
        let asked = Asked { device_code, user_code };
        assert_eq!(error(&poll(bed, &asked).await), refused("authorization_pending"));

        let typed = format!(" {} ", letters.to_lowercase());
        let claimed = claim(&ada, &typed).await.json();
        let at = bed.bed.clock.now();
        assert_eq!(claimed, json!({
            "client_id": "cli", "client_name": "Notes", "ip": "127.0.0.1",
            "user_agent": "notes-cli/1.0", "created_at": at.to_string(),
            "expires_at": (at + authlayer::jiff::SignedDuration::from_secs(600)).to_string(),
        }));
        assert_eq!(claim(&ada, &asked.user_code).await.json(), claimed, "again");
        bed.advance(5).await;
        assert_eq!(error(&poll(bed, &asked).await), refused("authorization_pending"));
        let decided_at = bed.bed.clock.now().to_string();
        assert_eq!(decide(&ada, &asked.user_code, true).await.status, 204);
        assert!(not_found(&decide(&ada, &asked.user_code, true).await), "decided once");
        assert!(not_found(&claim(&ada, &asked.user_code).await));
        bed.advance(5).await;
        let delivered = poll(bed, &asked).await;
        let access = token(&delivered, "access_token");
        assert_eq!(delivered.json(), json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 900,
            "refresh_token": token(&delivered, "refresh_token"),
        }));
        assert_eq!(error(&poll(bed, &asked).await), refused("invalid_grant"), "delivered once");

        let own = bed.client().bearer(&access).get("/auth/session").await.json();
        assert_eq!(own["user"]["email"], ADA);
        assert_eq!(own["session"]["transport"], "bearer");
        assert_eq!(own["session"]["user_agent"], "notes-cli/1.0");
        assert_eq!(own["session"]["factors"], json!([{ "method": "device_grant", "at": decided_at }]));

        let decided = events(bed, "device_grant_decided").await;
        assert_eq!(decided.len(), 1);
        assert_eq!(decided[0]["detail"], json!({ "client_id": "cli", "approved": true }));
        assert_eq!(decided[0]["user_id"], own["user"]["id"]);
        let told = mails(bed, ADA).await;
        let told: Vec<_> = told.iter().filter(|own| own["kind"] == "notice_program_signed_in").collect();
        assert_eq!(told.len(), 1);
        assert!(told[0]["text"].as_str().unwrap().contains("Notes"), "{}", told[0]["text"]);
    }

    async fn denied_program_gets_no_session(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let asked = start(bed).await;
        claim(&ada, &asked.user_code).await;
        // A denial requires no recent authentication.
        bed.advance(599).await;
        assert_eq!(decide(&ada, &asked.user_code, false).await.status, 204);
        assert!(not_found(&decide(&ada, &asked.user_code, true).await));
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));
        let decided = events(bed, "device_grant_decided").await;
        assert_eq!(decided[0]["detail"], json!({ "client_id": "cli", "approved": false }));
        assert!(mails(bed, ADA).await.iter().all(|own| own["kind"] != "notice_program_signed_in"));
        bed.advance(1).await;
        assert_eq!(error(&poll(bed, &asked).await), refused("expired_token"));
    }

    /// RFC 8628 §3.5
    async fn program_that_polls_too_early_must_slow_down(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let asked = start(bed).await;
        // The seconds after the poll before, and the response.
        for (seconds, code) in [
            (0, "authorization_pending"),
            (4, "slow_down"),
            (9, "slow_down"),
            (15, "authorization_pending"),
            (14, "slow_down"),
            (20, "authorization_pending"),
        ] {
            bed.advance(seconds).await;
            assert_eq!(error(&poll(bed, &asked).await), refused(code), "{seconds}");
        }
        approve(&ada, &asked).await;
        assert_eq!(error(&poll(bed, &asked).await), refused("slow_down"), "not delivered");
        bed.advance(25).await;
        assert_eq!(poll(bed, &asked).await.status, 200);
    }

    async fn codes_expire_after_ten_minutes(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (asked, approved) = (start(bed).await, start(bed).await);
        approve(&ada, &approved).await;
        assert_eq!(claim(&ada, &asked.user_code).await.status, 200);
        bed.advance(600).await;
        for own in [&asked, &approved] {
            for _ in 0..2 {
                assert_eq!(error(&poll(bed, own).await), refused("expired_token"));
            }
        }
        assert!(not_found(&claim(&ada, &asked.user_code).await));
        assert!(not_found(&decide(&ada, &asked.user_code, false).await));
        bed.client().post("/testbed/sweep", json!({})).await;
        assert_eq!(error(&poll(bed, &asked).await), refused("expired_token"));
    }

    async fn code_is_that_of_its_client(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let asked = start(bed).await;
        approve(&ada, &asked).await;
        assert_eq!(error(&poll_as(bed, "tv", &asked.device_code).await), refused("invalid_grant"));
        let user_code = poll_as(bed, "cli", &asked.user_code).await;
        assert_eq!(error(&user_code), refused("invalid_grant"));
        for code in ["adc_x", "x"] {
            assert_eq!(error(&poll_as(bed, "cli", code).await), refused("invalid_grant"));
        }
        assert_eq!(poll(bed, &asked).await.status, 200, "another client's poll does not count");
    }

    async fn request_belongs_to_the_session_that_claimed_it(bed: &Bed) {
        let (ada, eve) = (bed.browser(ADA).await, bed.browser("eve@example.com").await);
        let asked = start(bed).await;
        assert!(not_found(&decide(&ada, &asked.user_code, true).await), "not claimed");
        assert_eq!(claim(&ada, &asked.user_code).await.status, 200);
        let other = bed.client();
        let body = json!({ "email": ADA, "password": PASSWORD });
        assert_eq!(other.post("/auth/sign-in", body).await.status, 200);
        for own in [&eve, &other] {
            assert!(not_found(&claim(own, &asked.user_code).await));
            assert!(not_found(&decide(own, &asked.user_code, true).await));
            assert!(not_found(&decide(own, &asked.user_code, false).await));
        }
        assert_eq!(error(&poll(bed, &asked).await), refused("authorization_pending"));
        // A step-up retains the session and its claim.
        bed.advance(300).await;
        let body = json!({ "password": PASSWORD });
        assert_eq!(ada.post("/auth/password/verify", body).await.status, 200);
        assert_eq!(decide(&ada, &asked.user_code, true).await.status, 204);
    }

    async fn approval_requires_recent_authentication(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        bed.advance(601).await;
        let asked = start(bed).await;
        assert_eq!(claim(&ada, &asked.user_code).await.status, 200);
        let stale = decide(&ada, &asked.user_code, true).await;
        assert_eq!((stale.status.as_u16(), &*stale.code()), (403, "step_up_required"));
        assert_eq!(stale.json()["methods"], json!(["password"]));
        assert_eq!(error(&poll(bed, &asked).await), refused("authorization_pending"));
        let body = json!({ "password": PASSWORD });
        assert_eq!(ada.post("/auth/password/verify", body).await.status, 200);
        assert_eq!(decide(&ada, &asked.user_code, true).await.status, 204);
        bed.advance(5).await;
        assert_eq!(poll(bed, &asked).await.status, 200);
    }

    async fn decisions_need_a_session(bed: &Bed) {
        let asked = start(bed).await;
        let anonymous = bed.client();
        assert_eq!(claim(&anonymous, &asked.user_code).await.status, 401);
        assert_eq!(decide(&anonymous, &asked.user_code, true).await.status, 401);
        let ada = bed.browser(ADA).await;
        let made = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
        let key = bed.client().bearer(made["key"].as_str().unwrap());
        assert_eq!(claim(&key, &asked.user_code).await.code(), "forbidden");
        assert_eq!(decide(&key, &asked.user_code, true).await.code(), "forbidden");
        let path = "/auth/device-authorization/decide";
        let missing = ada.post(path, json!({ "approve": "yes" })).await;
        assert_eq!(missing.status, 422);
        assert_eq!(missing.json()["members"], json!(["user_code", "approve"]));
    }

    async fn wrong_user_codes_are_limited_by_network(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let asked = start(bed).await;
        for wrong in 0..10 {
            assert!(not_found(&claim(&ada, "BBBB-BBBB").await), "{wrong}");
            assert_eq!(claim(&ada, &asked.user_code).await.status, 200, "a right code is not counted");
            assert!(not_found(&decide(&ada, "x", true).await), "{wrong}");
        }
        for answer in [claim(&ada, &asked.user_code).await, decide(&ada, &asked.user_code, true).await] {
            assert_eq!((answer.status.as_u16(), &*answer.code()), (429, "too_many_attempts"));
            assert!(!answer.header("retry-after").is_empty());
        }
        bed.advance(3600).await;
        let asked = start(bed).await;
        assert_eq!(claim(&ada, &asked.user_code).await.status, 200);
    }

    async fn requests_are_limited_by_network(bed: &Bed) {
        for _ in 0..30 {
            start(bed).await;
        }
        let limited = send(bed, "/auth/device-authorization", &[("client_id", "cli")]).await;
        assert_eq!(error(&limited), (429, "slow_down".to_owned()));
        assert!(!limited.header("retry-after").is_empty());
    }

    /// The approval ends with what ends every session of the user.
    async fn approval_ends_with_all_sessions_of_the_user(bed: &Bed) {
        let approved = async |email: &str| {
            let user = bed.browser(email).await;
            let asked = start(bed).await;
            approve(&user, &asked).await;
            (user, asked)
        };
        let (user, asked) = approved("disabled@example.com").await;
        let id = id_of(&user).await;
        bed.change(&id, json!({ "status": "disabled" })).await;
        bed.change(&id, json!({ "status": "active" })).await;
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));

        let (user, asked) = approved("deleted@example.com").await;
        assert_eq!(user.send(Method::DELETE, "/auth/account", &[], b"").await.status, 204);
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));

        let (user, asked) = approved("changed@example.com").await;
        let body = json!({ "current_password": PASSWORD, "new_password": "another xw2v plum" });
        assert_eq!(user.post("/auth/password/change", body).await.status, 200);
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));

        let (_user, asked) = approved("reset@example.com").await;
        let body = json!({ "email": "reset@example.com" });
        assert_eq!(bed.client().post("/auth/password/forgot", body).await.status, 202);
        let mut link = None;
        crate::support::until("the link", async || {
            let all = mails(bed, "reset@example.com").await;
            link = all.iter().find_map(|own| own["link"].as_str().map(ToOwned::to_owned));
            link.is_some()
        }).await;
        let link = link.unwrap();
        let body = json!({ "token": link.split('=').nth(1).unwrap(), "new_password": "a third plum 77" });
        assert_eq!(bed.client().post("/auth/password/reset", body).await.status, 204);
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));

        let (user, asked) = approved("all@example.com").await;
        let all = user.send(Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        assert_eq!(all.status, 200);
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));
        bed.advance(5).await;
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));
    }

    async fn approval_outlives_its_session(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let asked = start(bed).await;
        approve(&ada, &asked).await;
        assert_eq!(ada.post("/auth/sign-out", json!({})).await.status, 204);
        let delivered = poll(bed, &asked).await;
        let program = bed.client().bearer(&token(&delivered, "access_token"));
        assert_eq!(program.get("/me").await.status, 200);
    }

    async fn session_of_a_program_ends_with_all_sessions(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (first, _) = program(bed, &ada).await;
        assert_eq!(ada.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(first.get("/me").await.status, 200, "not with the session that approved it");
        let body = json!({ "email": ADA, "password": PASSWORD });
        assert_eq!(ada.post("/auth/sign-in", body).await.status, 200);
        let (second, _) = program(bed, &ada).await;
        let all = ada.send(Method::DELETE, "/auth/sessions?scope=others", &[], b"").await;
        assert_eq!(all.json()["revoked"], 2);
        for program in [first, second] {
            assert_eq!(program.get("/me").await.status, 401);
        }
    }

    async fn session_of_a_program_is_not_fresh(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (program, _) = program(bed, &ada).await;
        for path in ["/fresh", "/strong"] {
            let stale = program.get(path).await;
            assert_eq!((stale.status.as_u16(), &*stale.code()), (403, "step_up_required"), "{path}");
        }
        let recovery = program.post("/auth/account/recovery", json!({})).await;
        assert_eq!((recovery.status.as_u16(), &*recovery.code()), (403, "forbidden"));
        let (asked, body) = (start(bed).await, json!({ "password": PASSWORD }));
        assert_eq!(claim(&program, &asked.user_code).await.status, 200);
        assert_eq!(decide(&program, &asked.user_code, true).await.code(), "step_up_required");
        let verified = program.post("/auth/password/verify", body).await.json();
        let program = bed.client().bearer(verified["tokens"]["access_token"].as_str().unwrap());
        assert_eq!(program.get("/fresh").await.status, 200, "by its password");
    }

    async fn only_a_program_refreshes_its_session(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (program, token_of_program) = program(bed, &ada).await;
        let (native, _, other) = bed.native("bob@example.com").await;
        for (client, token) in [("tv", &token_of_program), ("cli", &other), ("cli", &"x".to_owned())] {
            assert_eq!(error(&refresh(bed, client, token).await), refused("invalid_grant"));
        }
        assert_eq!(program.get("/me").await.status, 200);
        assert_eq!(native.get("/me").await.status, 200, "nothing ends");
        let refreshed = bed.client().post("/auth/refresh", json!({ "refresh_token": other })).await;
        assert_eq!(refreshed.status, 200, "nothing was rotated");
        let first = refresh(bed, "cli", &token_of_program).await;
        let next = token(&first, "refresh_token");
        assert_ne!(next, token_of_program);
        let access = token(&first, "access_token");
        assert_eq!(first.json(), json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 900, "refresh_token": next,
        }));
        let again = refresh(bed, "cli", &token_of_program).await;
        assert_eq!(token(&again, "refresh_token"), next, "converges");
        // Theft: the token that was replaced is used again much later.
        assert_eq!(refresh(bed, "cli", &next).await.status, 200);
        bed.advance(3600).await;
        assert_eq!(error(&refresh(bed, "cli", &token_of_program).await), refused("invalid_grant"));
        assert_eq!(bed.client().bearer(&access).get("/me").await.status, 401);
    }

    async fn requests_are_checked(bed: &Bed) {
        let (start, token) = ("/auth/device-authorization", "/auth/token");
        for (path, form, expected) in [
            (start, vec![], (400, "invalid_request")),
            (start, vec![("client_id", "")], (400, "invalid_request")),
            (start, vec![("client_id", "x")], (401, "invalid_client")),
            (start, vec![("client_id", "cli"), ("client_id", "cli")], (400, "invalid_request")),
            (start, vec![("client_id", "cli"), ("a", "1"), ("a", "2")], (400, "invalid_request")),
            (token, vec![("client_id", "cli")], (400, "invalid_request")),
            (token, vec![("grant_type", DEVICE_CODE)], (400, "invalid_request")),
            (token, vec![("grant_type", DEVICE_CODE), ("client_id", "cli")], (400, "invalid_request")),
            (token, vec![("grant_type", "refresh_token"), ("client_id", "cli")], (400, "invalid_request")),
            (token, vec![("grant_type", "password")], (400, "unsupported_grant_type")),
            (token, vec![("grant_type", "password"), ("client_id", "cli")], (400, "unsupported_grant_type")),
            (token, vec![("grant_type", DEVICE_CODE), ("client_id", "x"), ("device_code", "x")], (401, "invalid_client")),
            (token, vec![("grant_type", "refresh_token"), ("client_id", "x"), ("refresh_token", "x")], (401, "invalid_client")),
        ] {
            let answer = send(bed, path, &form).await;
            assert_eq!(error(&answer), (expected.0, expected.1.to_owned()), "{path} {form:?}");
            let scheme = answer.header("www-authenticate");
            assert_eq!(scheme == "Bearer", expected.0 == 401, "{scheme}");
        }
        for path in [start, token] {
            let query = format!("{path}?client_id=cli&grant_type={DEVICE_CODE}");
            assert_eq!(error(&send(bed, &query, &[]).await), refused("invalid_request"), "no query");
            let json = bed.client().post(path, json!({ "client_id": "cli" })).await;
            assert_eq!(error(&json), (415, "invalid_request".to_owned()));
            let long = "a".repeat(16 * 1024);
            let long = send(bed, path, &[("client_id", &long)]).await;
            assert_eq!(error(&long), (413, "invalid_request".to_owned()));
            let get = bed.client().get(path).await;
            assert_eq!((get.status.as_u16(), &*get.code()), (405, "method_not_allowed"));
            let elsewhere = bed.browser(&format!("{}@example.com", &path[6..10])).await;
            let elsewhere = elsewhere.with("origin", "https://evil.example").with("sec-fetch-site", "cross-site");
            let answer = elsewhere.post_form(path, &[("client_id", "x"), ("grant_type", DEVICE_CODE)]).await;
            assert_eq!(answer.status, 401, "no cookie is read");
            assert!(answer.set_cookies().is_empty());
        }
    }

    async fn metadata_is_served_at_the_root(bed: &Bed) {
        let path = "/.well-known/oauth-authorization-server";
        let metadata = bed.client().get(path).await;
        assert_eq!(metadata.status, 200);
        assert_eq!(metadata.header("cache-control"), "public, max-age=3600");
        let url = |path: &str| format!("http://localhost:3000/auth{path}");
        assert_eq!(metadata.json(), json!({
            "issuer": "http://localhost:3000",
            "device_authorization_endpoint": url("/device-authorization"),
            "token_endpoint": url("/token"),
            "grant_types_supported": [DEVICE_CODE, "refresh_token"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
        }));
    }

    /// Of simultaneous polls, one gets the session.
    async fn simultaneous_polls_deliver_once(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        for _ in 0..4 {
            let asked = start(bed).await;
            approve(&ada, &asked).await;
            let polls = futures_util::future::join_all((0..4).map(|_| poll(bed, &asked))).await;
            let delivered = polls.iter().filter(|own| own.status == 200).count();
            assert_eq!(delivered, 1, "{:?}", polls.iter().map(error).collect::<Vec<_>>());
            for own in polls.iter().filter(|own| own.status != 200) {
                let code = error(own);
                assert!(code == refused("slow_down") || code == refused("invalid_grant"), "{code:?}");
            }
        }
        let sessions = ada.get("/auth/sessions").await.json();
        assert_eq!(sessions["sessions"].as_array().unwrap().len(), 5);
    }

    /// Of simultaneous decisions, one counts.
    async fn simultaneous_decisions_decide_once(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        for number in 0..4 {
            let asked = start(bed).await;
            assert_eq!(claim(&ada, &asked.user_code).await.status, 200);
            let all = (0..4).map(|own| decide(&ada, &asked.user_code, (own + number) % 2 == 0));
            let all = futures_util::future::join_all(all).await;
            let statuses: Vec<_> = all.iter().map(|own| own.status.as_u16()).collect();
            assert_eq!(statuses.iter().filter(|own| **own == 204).count(), 1, "{statuses:?}");
            assert_eq!(statuses.iter().filter(|own| **own == 404).count(), 3, "{statuses:?}");
            let decided = events(bed, "device_grant_decided").await;
            assert_eq!(decided.len(), number + 1);
            let is_approved = decided[number]["detail"]["approved"] == true;
            let polled = poll(bed, &asked).await;
            assert_eq!(polled.status == 200, is_approved, "{}", polled.json());
        }
    }

    /// Of simultaneous claims by several sessions, one counts.
    async fn simultaneous_claims_belong_to_one_session(bed: &Bed) {
        let mut users = Vec::new();
        for name in ["a", "b", "c"] {
            users.push(bed.browser(&format!("{name}@example.com")).await);
        }
        for _ in 0..3 {
            let asked = start(bed).await;
            let all = users.iter().map(|own| claim(own, &asked.user_code));
            let all = futures_util::future::join_all(all).await;
            let winners: Vec<_> = (0..3).filter(|own| all[*own].status == 200).collect();
            assert_eq!(winners.len(), 1);
            for (number, user) in users.iter().enumerate() {
                let again = claim(user, &asked.user_code).await;
                assert_eq!(again.status == 200, winners.contains(&number));
            }
        }
    }

    /// A delivery and the end of all sessions: whichever is first, no session remains.
    async fn delivery_beside_the_end_of_all_sessions_leaves_none(bed: &Bed) {
        for number in 0..5 {
            let user = bed.browser(&format!("u{number}@example.com")).await;
            let asked = start(bed).await;
            approve(&user, &asked).await;
            let ended = user.send(Method::DELETE, "/auth/sessions?scope=all", &[], b"");
            let (polled, ended) = futures_util::future::join(poll(bed, &asked), ended).await;
            assert_eq!(ended.status, 200);
            match polled.status.as_u16() {
                200 => {
                    let program = bed.client().bearer(&token(&polled, "access_token"));
                    assert_eq!(program.get("/me").await.status, 401);
                }
                _ => assert_eq!(error(&polled), refused("access_denied")),
            }
        }
    }

    async fn codes_are_hashed_at_rest(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (pending, approved) = (start(bed).await, start(bed).await);
        approve(&ada, &approved).await;
        let dump = bed.dump().await;
        let has = |text: &str| dump.windows(text.len()).any(|own| own == text.as_bytes());
        assert!(has("device_approval"));
        for own in [&pending, &approved] {
            assert!(!has(&own.device_code) && !has(&own.device_code[4..40]));
            assert!(!has(&own.user_code) && !has(&own.user_code.replace('-', "")));
        }
    }

    async fn routes_do_not_exist_without_the_flow(bed: &Bed) {
        let other = Bed::new(crate::support::On::Sqlite, json!({})).await;
        for path in ["/auth/device-authorization", "/auth/token", "/auth/device-authorization/request"] {
            assert_eq!(other.client().post(path, json!({})).await.status, 404, "{path}");
        }
        let metadata = other.client().get("/.well-known/oauth-authorization-server").await;
        assert_eq!(metadata.status, 404);
        other.remove().await;
        assert_eq!(bed.client().get("/public").await.status, 200);
    }
}

on_every_store! {
    async fn program_with_a_proof_is_bound_to_its_key(bed: &Bed, {
        "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }], "verification_uri": PAGE },
        "dpop": true
    }) {
        let ada = bed.browser(ADA).await;
        let (asked, device) = (start(bed).await, VirtualDevice::new());
        approve(&ada, &asked).await;
        let with = async |proof: String, form: &[(&str, &str)]| {
            bed.client().with("dpop", proof).post_form("/auth/token", form).await
        };
        let form = [("grant_type", DEVICE_CODE), ("client_id", "cli"), ("device_code", &*asked.device_code)];
        assert_eq!(error(&with("x".to_owned(), &form).await), refused("invalid_dpop_proof"));
        bed.advance(5).await;
        let delivered = with(proof_of(bed, &device, "/auth/token"), &form).await;
        assert_eq!(delivered.json()["token_type"], "DPoP", "{}", delivered.json());
        let access = token(&delivered, "access_token");
        assert_eq!(bed.client().bearer(&access).get("/me").await.status, 401);
        let next = token(&delivered, "refresh_token");
        assert_eq!(error(&refresh(bed, "cli", &next).await), refused("invalid_dpop_proof"));
        let form = [("grant_type", "refresh_token"), ("client_id", "cli"), ("refresh_token", &*next)];
        let theirs = proof_of(bed, &VirtualDevice::new(), "/auth/token");
        assert_eq!(error(&with(theirs, &form).await), refused("invalid_dpop_proof"));
        let own = with(proof_of(bed, &device, "/auth/token"), &form).await;
        assert_eq!(own.json()["token_type"], "DPoP", "the session is still valid: {}", own.json());
    }

    async fn metadata_names_introspection(bed: &Bed, {
        "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }], "verification_uri": PAGE },
        "introspection": [{ "id": "gateway", "secret": "secret" }]
    }) {
        let metadata = bed.client().get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(metadata["introspection_endpoint"], "http://localhost:3000/auth/introspect");
        assert_eq!(metadata["introspection_endpoint_auth_methods_supported"], json!(["client_secret_basic"]));
    }
}

with_providers! {
    /// A program and an approval have the tags of the identity that began the approving session.
    async fn programs_are_revoked_by_the_tags_of_their_approver(world: &World, {
        "fake.max_age_s": 300,
        "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }], "verification_uri": PAGE }
    }) {
        let bed = &world.bed;
        let user = world.client();
        assert_eq!(world.sign_in(&user).await.status, 303);
        let session = user.get("/auth/session").await.json()["session"]["id"].clone();
        let session = session.as_str().unwrap().parse().unwrap();
        let identities = user.get("/auth/identities").await.json();
        let subject = identities["identities"][0]["subject"].as_str().unwrap().to_owned();
        let sessions = bed.bed.auth.sessions();
        let identity = SessionTag::new("oauth", &format!("fake/approver/{subject}"));
        for tag in [SessionTag::session(session), identity] {
            let (program, _) = program(bed, &user).await;
            let waiting = start(bed).await;
            approve(&user, &waiting).await;
            assert_eq!(program.get("/me").await.status, 200);
            assert_eq!(sessions.revoke_tagged(&[tag]).await.unwrap(), 1);
            assert_eq!(program.get("/me").await.status, 401);
            assert_eq!(error(&poll(bed, &waiting).await), refused("access_denied"));
            assert_eq!(user.get("/me").await.status, 200, "the approving session has neither tag");
        }
        // A sign-out at the provider ends the session, and not what it approved.
        let (program, _) = program(bed, &user).await;
        let own = SessionTag::new("oauth", &format!("fake/subject/{subject}"));
        assert_eq!(sessions.revoke_tagged(&[own]).await.unwrap(), 1);
        assert_eq!(user.get("/me").await.status, 401);
        assert_eq!(program.get("/me").await.status, 200);
    }
}

const DEVICE: &str = "/account/device";

on_every_store! {
    async fn page_approves_and_denies_programs(
        bed: &Bed,
        { "pages": true, "device_grant": { "clients": [{ "id": "cli", "name": "Notes <b>" }] } }
    ) {
        let answer = send(bed, "/auth/device-authorization", &[("client_id", "cli")]).await.json();
        assert_eq!(answer["verification_uri"], "http://localhost:3000/account/device");
        let link = answer["verification_uri_complete"].as_str().unwrap();
        let link = link.strip_prefix("http://localhost:3000").unwrap();
        let (device_code, user_code) = (answer["device_code"].clone(), answer["user_code"].clone());
        let user_code = user_code.as_str().unwrap().to_owned();
        let asked = Asked { device_code: device_code.as_str().unwrap().to_owned(), user_code };
        let code = ("user_code", asked.user_code.as_str());
        assert_eq!(link, format!("{DEVICE}?user_code={}", asked.user_code));

        let guest = bed.client();
        let back = form_urlencoded::byte_serialize(link.as_bytes()).collect::<String>();
        assert_eq!(led(&guest.get(link).await), to(&format!("/account/sign-in?return_to={back}")));
        assert_eq!(led(&guest.post_form(DEVICE, &[code]).await), to("/account/sign-in"));

        let (ada, bob) = (bed.browser(ADA).await, bed.browser("bob@example.com").await);
        let shown = ada.get(DEVICE).await;
        assert_eq!((shown.status.as_u16(), value(&shown, "user_code").as_deref()), (200, Some("")));
        let filled = bob.get(link).await;
        assert_eq!(value(&filled, "user_code").as_deref(), Some(&*asked.user_code));
        // The link has claimed nothing for the other user.
        let request = ada.post_form(DEVICE, &[code]).await;
        let text = html(&request);
        assert_eq!(request.status, 200, "{text}");
        assert!(text.contains("Notes &lt;b&gt;") && text.contains("127.0.0.1"), "{text}");
        assert!(text.contains("notes-cli/1.0") && text.contains(ADA), "{text}");
        for decision in ["approve", "deny"] {
            assert!(text.contains(&format!("name=\"decision\" value=\"{decision}\"")), "{text}");
        }
        assert_refused(&bob.post_form(link, &[code]).await, 404, Some("user_code"));
        let wrong = ada.post_form(DEVICE, &[("user_code", "BBBB-BBBB")]).await;
        assert_refused(&wrong, 404, Some("user_code"));
        assert_eq!(value(&wrong, "user_code").as_deref(), Some("BBBB-BBBB"), "what was typed");
        assert_refused(&ada.post_form(DEVICE, &[]).await, 422, Some("user_code"));
        let other = ada.post_form(DEVICE, &[code, ("decision", "perhaps")]).await;
        assert_eq!(other.status, 400);

        let approved = ada.post_form(DEVICE, &[code, ("decision", "approve")]).await;
        assert_eq!(led(&approved), to("/account/device?done=1"));
        assert_eq!(approved.header("cache-control"), "no-store");
        assert_eq!(ada.get("/account/device?done=1").await.status, 200);
        assert_eq!(poll(bed, &asked).await.status, 200);

        let asked = start(bed).await;
        let code = ("user_code", asked.user_code.as_str());
        assert_eq!(ada.post_form(&format!("{DEVICE}?lang=de"), &[code]).await.status, 200);
        let denied = ada.post_form(&format!("{DEVICE}?lang=de"), &[code, ("decision", "deny")]).await;
        assert_eq!(led(&denied), to("/account/device?lang=de&done=1"));
        assert_eq!(error(&poll(bed, &asked).await), refused("access_denied"));
    }

    async fn page_leads_to_a_step_up_and_back(
        bed: &Bed,
        { "pages": true, "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }] } }
    ) {
        let ada = bed.browser(ADA).await;
        bed.advance(601).await;
        let asked = start(bed).await;
        let code = ("user_code", asked.user_code.as_str());
        let link = format!("{DEVICE}?user_code={}", asked.user_code);
        assert_eq!(ada.post_form(&link, &[code]).await.status, 200);
        let stale = ada.post_form(DEVICE, &[code, ("decision", "approve")]).await;
        assert_eq!(led(&stale), to("/account/step-up?return_to=%2Faccount%2Fdevice"));
        let stale = ada.post_form(&link, &[code, ("decision", "approve")]).await;
        let back = form_urlencoded::byte_serialize(link.as_bytes()).collect::<String>();
        assert_eq!(led(&stale), to(&format!("/account/step-up?return_to={back}")));
        let form = [("password", PASSWORD), ("return_to", &*link)];
        assert_eq!(led(&ada.post_form("/account/step-up", &form).await), to(&link));
        assert_eq!(ada.post_form(DEVICE, &[code]).await.status, 200, "the claim remains");
        let approved = ada.post_form(DEVICE, &[code, ("decision", "approve")]).await;
        assert_eq!(led(&approved), to("/account/device?done=1"));
        assert_eq!(poll(bed, &asked).await.status, 200);
    }

    async fn page_exists_with_the_flow_alone(bed: &Bed, { "pages": true }) {
        assert_eq!(bed.browser(ADA).await.get(DEVICE).await.status, 404);
    }
}

#[tokio::test]
async fn options_are_checked_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    let build = |flow: DeviceGrant, options: SessionOptions| {
        let auth = Auth::builder(store.clone()).origin("http://localhost:3000");
        let auth = auth.session_options(options).flow(flow).build();
        auth.map(drop).map_or_else(|error| error.to_string(), |()| String::new())
    };
    let good = || DeviceGrant::new().client("cli", "Notes").verification_uri(PAGE);
    assert_eq!(build(good(), SessionOptions::default()), "");
    for (flow, says) in [
        (DeviceGrant::new(), ".client(id, name)"),
        (DeviceGrant::new().client("cli", "Notes"), ".verification_uri("),
        (good().client("", "Notes"), "printable ASCII"),
        (good().client("tv", " "), "printable characters"),
        (good().client("tv", "a\nb"), "printable characters"),
        (good().client("cli", "Other"), "one id"),
        (good().verification_uri("http://app.example.com/device"), "https URL"),
        (good().verification_uri("/device"), "https URL"),
    ] {
        let error = build(flow, SessionOptions::default());
        assert!(error.starts_with("device_grant: ") && error.contains(says), "{error}");
    }
    let cookies = SessionOptions::default().transports(TokenTransports::Cookie);
    assert!(build(good(), cookies).contains("bearer tokens"));
}
