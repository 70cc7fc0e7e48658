//! Properties of every route: the order of its refusals, and what it gives to a user whose second
//! factor was not verified.

use std::{collections::BTreeSet, fs, path::Path};

use authlayer::{
    UserId,
    testing::{TestClient, TestResponse},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    authenticator::enroll,
    codes::{handle, last_code, mails, verified_user},
    email_sign_in,
    providers::{World, with_providers},
    reset,
    support::{Bed, PASSWORD, id_of, sign_in},
};

/// The authentication that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    Session,
    /// A session with recent authentication.
    Fresh,
}

/// The body of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// An object whose members are all optional.
    Optional,
    Members,
}

use Needs::{Fresh, Nothing as Open, Session};
use Takes::{Members, Nothing, Optional};

type Row = (&'static str, &'static str, Needs, Takes);

/// Every route of the flows. Add a row for a new route.
const ROUTES: &[Row] = &[
    ("GET", "/account", Session, Nothing),
    ("PATCH", "/account", Session, Optional),
    ("DELETE", "/account", Fresh, Optional),
    ("GET", "/account/events", Session, Nothing),
    ("POST", "/account/recovery", Session, Optional),
    ("POST", "/account/recovery/cancel", Open, Members),
    ("PUT", "/account/two-step", Fresh, Members),
    ("GET", "/admin/events", Session, Nothing),
    ("GET", "/admin/users", Session, Nothing),
    ("POST", "/admin/users", Fresh, Members),
    ("GET", "/admin/users/{id}", Session, Nothing),
    ("PATCH", "/admin/users/{id}", Fresh, Optional),
    ("DELETE", "/admin/users/{id}", Fresh, Optional),
    ("GET", "/admin/users/{id}/factors", Session, Nothing),
    ("DELETE", "/admin/users/{id}/factors/{factor}", Fresh, Optional),
    ("POST", "/admin/users/{id}/impersonate", Fresh, Members),
    ("POST", "/admin/users/{id}/password-reset", Fresh, Optional),
    ("GET", "/admin/users/{id}/sessions", Session, Nothing),
    ("DELETE", "/admin/users/{id}/sessions", Fresh, Optional),
    ("DELETE", "/admin/users/{id}/sessions/{session}", Fresh, Optional),
    ("POST", "/anonymous", Open, Optional),
    ("GET", "/api-keys", Session, Nothing),
    ("POST", "/api-keys", Fresh, Members),
    ("DELETE", "/api-keys/{id}", Session, Optional),
    ("GET", "/client.d.ts", Open, Nothing),
    ("GET", "/client.js", Open, Nothing),
    ("POST", "/device-authorization/decide", Session, Members),
    ("POST", "/device-authorization/request", Session, Members),
    ("GET", "/devices", Session, Nothing),
    ("DELETE", "/devices", Session, Optional),
    ("DELETE", "/devices/{id}", Session, Optional),
    ("POST", "/email-sign-in", Open, Members),
    ("POST", "/email-sign-in/link", Open, Members),
    ("POST", "/email/change", Fresh, Members),
    ("POST", "/email/undo", Open, Members),
    ("POST", "/email/verify", Session, Optional),
    ("POST", "/factors/{name}/start", Session, Optional),
    ("POST", "/factors/{name}/verify", Session, Members),
    ("GET", "/identities", Session, Nothing),
    ("DELETE", "/identities/{id}", Fresh, Optional),
    ("GET", "/jwks.json", Open, Nothing),
    ("GET", "/oauth/fake/callback", Open, Nothing),
    ("POST", "/oauth/fake/id-token", Open, Members),
    ("POST", "/oauth/fake/link", Fresh, Optional),
    ("POST", "/oauth/fake/nonce", Open, Optional),
    ("GET", "/oauth/fake/signed-out", Open, Nothing),
    ("GET", "/oauth/fake/start", Open, Nothing),
    ("POST", "/oauth/fake/step-up", Session, Optional),
    ("POST", "/impersonation/end", Open, Optional),
    ("POST", "/oauth/exchange", Open, Members),
    ("GET", "/openapi.json", Open, Nothing),
    ("GET", "/passkeys", Session, Nothing),
    ("POST", "/passkeys/register/finish", Session, Members),
    ("POST", "/passkeys/register/start", Fresh, Optional),
    ("POST", "/passkeys/sign-in/finish", Open, Members),
    ("POST", "/passkeys/sign-in/start", Open, Optional),
    ("POST", "/passkeys/sign-up/finish", Open, Members),
    ("POST", "/passkeys/sign-up/start", Open, Members),
    ("POST", "/passkeys/verify/finish", Open, Members),
    ("POST", "/passkeys/verify/start", Open, Optional),
    ("PATCH", "/passkeys/{id}", Session, Members),
    ("DELETE", "/passkeys/{id}", Fresh, Optional),
    ("POST", "/password/change", Session, Members),
    ("POST", "/password/forgot", Open, Members),
    ("POST", "/password/reset", Open, Members),
    ("POST", "/password/set", Fresh, Members),
    ("POST", "/password/verify", Session, Members),
    ("GET", "/recovery-codes", Session, Nothing),
    ("POST", "/recovery-codes", Fresh, Optional),
    ("POST", "/refresh", Open, Optional),
    ("GET", "/session", Session, Nothing),
    ("GET", "/sessions", Session, Nothing),
    ("DELETE", "/sessions", Session, Optional),
    ("DELETE", "/sessions/{id}", Session, Optional),
    ("POST", "/sign-in", Open, Members),
    ("POST", "/sign-out", Open, Optional),
    ("POST", "/sign-up", Open, Members),
    ("POST", "/ticket", Session, Optional),
    ("POST", "/tokens", Session, Members),
    ("GET", "/totp", Session, Nothing),
    ("POST", "/totp/register/finish", Session, Members),
    ("POST", "/totp/register/start", Fresh, Optional),
    ("POST", "/totp/verify", Session, Members),
    ("DELETE", "/totp/{id}", Fresh, Optional),
    ("POST", "/verify", Open, Members),
    ("POST", "/verify/resend", Open, Optional),
];

/// Routes that other sites and programs call. Their bodies are forms, or they have none.
const FROM_ELSEWHERE: &[&str] = &[
    "/device-authorization",
    "/device/refresh",
    "/device/register",
    "/forward-auth",
    "/forward-auth/{rule}",
    "/introspect",
    "/oauth/fake/backchannel-logout",
    "/token",
    "/oauth/fake/events",
];

/// Folders of flows whose routes are pages or are tested elsewhere.
const OTHER_FLOWS: &[&str] = &["pages"];

const JSON: (&str, &str) = ("content-type", "application/json");
const JANE: &str = "jane@example.com";

fn method(row: &Row) -> Method {
    row.0.parse().unwrap()
}

/// Returns the path of a row, with values for its parameters.
fn path(row: &Row) -> String {
    let path = ["{id}", "{session}", "{factor}"]
        .iter()
        .fold(row.1.to_owned(), |path, name| path.replace(name, "x"));
    format!("/auth{}", path.replace("{name}", "totp"))
}

/// Returns the paths in the source of the flows.
fn registered() -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/flow")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if file.is_dir() && !OTHER_FLOWS.contains(&name.as_str()) {
                folders.push(file);
                continue;
            }
            if name != "routes.rs" && name != "script.rs" {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let words: Vec<_> = text.split_whitespace().collect();
            let text = words.join(" ").replace("( ", "(");
            for (start, prefix) in [("(\"/", "/"), ("path(\"", "/oauth/fake/")] {
                for (at, _) in text.match_indices(start) {
                    let rest = &text[at + start.len()..];
                    let end = rest.find('"').unwrap();
                    let is_route = rest[end..].starts_with("\",") || prefix != "/";
                    if is_route && !rest[..end].contains("{}") {
                        paths.insert(format!("{prefix}{}", &rest[..end]));
                    }
                }
            }
        }
    }
    paths
}

#[test]
fn every_route_has_a_row() {
    let rows = ROUTES.iter().map(|row| row.1).chain(FROM_ELSEWHERE.iter().copied());
    let rows: BTreeSet<_> = rows.map(str::to_owned).collect();
    let registered = registered();
    let missing: Vec<_> = registered.difference(&rows).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
    let gone: Vec<_> = rows.difference(&registered).collect();
    assert!(gone.is_empty(), "no longer a route: {gone:?}");
}

/// The clients with which each route is called. Their user is an administrator.
struct Callers {
    anonymous: TestClient,
    broken: TestClient,
    program: TestClient,
    /// A user who authenticated recently and is no administrator.
    outsider: TestClient,
    /// A user who authenticated recently.
    fresh: TestClient,
    /// A user who authenticated long ago.
    stale: TestClient,
}

async fn callers(bed: &Bed) -> Callers {
    let stale = bed.browser("ada@example.com").await;
    let key = stale.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
    bed.change(&id_of(&stale).await, json!({ "roles": ["admin"] })).await;
    bed.advance(600).await;
    let fresh = bed.client();
    assert_eq!(sign_in(&fresh, "ada@example.com", PASSWORD).await.status, 200);
    Callers {
        anonymous: bed.client(),
        broken: bed.client().bearer("aat_broken"),
        program: bed.client().bearer(key["key"].as_str().unwrap()),
        outsider: bed.browser("bob@example.com").await,
        fresh,
        stale,
    }
}

/// A body that is refused once the caller is accepted, with the refusal.
struct Bad {
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    expected: (u16, &'static str),
}

const fn bad(
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    expected: (u16, &'static str),
) -> Bad {
    Bad { headers, body, expected }
}

const BAD: [Bad; 7] = [
    bad(&[], b"{}", (415, "unsupported_media_type")),
    bad(&[("content-type", "text/plain")], b"{}", (415, "unsupported_media_type")),
    bad(&[JSON, JSON], b"{}", (415, "unsupported_media_type")),
    bad(&[JSON], b"{", (400, "invalid_request")),
    bad(&[JSON], b"{\"a\":\"\xff\"}", (400, "invalid_request")),
    bad(&[JSON], b"[]", (422, "invalid_request")),
    bad(&[JSON], b"null", (422, "invalid_request")),
];

/// Bodies that only a route with required members refuses.
const INCOMPLETE: [Bad; 3] = [
    bad(&[], b"", (415, "unsupported_media_type")),
    bad(&[JSON], b"", (400, "invalid_request")),
    bad(&[JSON], b"{}", (422, "invalid_request")),
];

async fn send(client: &TestClient, row: &Row, bad: &Bad) -> TestResponse {
    client.send(method(row), &path(row), bad.headers, bad.body).await
}

fn found(answer: &TestResponse) -> (u16, String) {
    let code = if answer.status.is_success() { String::new() } else { answer.code() };
    (answer.status.as_u16(), code)
}

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn refuses_in_order(callers: &Callers, row: &Row) {
    let about = format!("{} {}", row.0, row.1);
    let long = vec![b'x'; 70_000];
    let evil = [("origin", "https://evil.example")];
    let probe = Method::from_bytes(b"PROBE").unwrap();
    for client in [&callers.fresh, &callers.anonymous] {
        let answer = client.send(probe.clone(), &path(row), &evil, &long).await;
        assert_eq!(found(&answer), expect(405, "method_not_allowed"), "{about}");
        let allow = answer.header("allow");
        assert!(allow.split(',').any(|own| own == row.0), "{about}: {allow}");
        let rows = ROUTES.iter().filter(|other| other.1 == row.1).map(|other| other.0);
        let rows: BTreeSet<_> = rows.collect();
        let allow: BTreeSet<_> = allow.split(',').filter(|own| *own != "HEAD").collect();
        assert_eq!(allow, rows, "{}", row.1);
    }
    if row.3 == Nothing {
        if row.2 == Session {
            is_closed(callers, row, &bad(&[], b"", (0, "")), &about).await;
        }
        return;
    }
    for client in [&callers.fresh, &callers.anonymous, &callers.program] {
        let answer = client.send(method(row), &path(row), &evil, &long).await;
        assert_eq!(found(&answer), expect(403, "cross_origin"), "{about}");
        let answer = client.send(method(row), &path(row), &[], &long).await;
        assert_eq!(found(&answer), expect(413, "payload_too_large"), "{about}");
    }
    let incomplete = INCOMPLETE.iter().filter(|_| row.3 == Members);
    for bad in BAD.iter().chain(incomplete) {
        if row.2 != Open {
            is_closed(callers, row, bad, &about).await;
        }
        if row.2 == Fresh {
            let answer = send(&callers.stale, row, bad).await;
            assert_eq!(found(&answer), expect(403, "step_up_required"), "{about}");
            assert_eq!(answer.json()["methods"], json!(["password"]), "{about}");
        }
        let client = match row.2 {
            Open => &callers.anonymous,
            Session => &callers.stale,
            Fresh => &callers.fresh,
        };
        let answer = send(client, row, bad).await;
        let (status, code) = bad.expected;
        assert_eq!(found(&answer), expect(status, code), "{about}: {:?}", bad.body);
        if status == 422 {
            let members = answer.json()["members"].as_array().map(Vec::len);
            assert_eq!(members.map(|len| len > 0), Some(bad.body == b"{}"), "{about}");
        }
    }
}

/// A caller without a session is refused before the body is interpreted.
async fn is_closed(callers: &Callers, row: &Row, bad: &Bad, about: &str) {
    for client in [&callers.anonymous, &callers.broken] {
        let answer = send(client, row, bad).await;
        assert_eq!(found(&answer), expect(401, "unauthenticated"), "{about}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer"), "{about}: {challenge}");
    }
    let answer = send(&callers.program, row, bad).await;
    assert_eq!(found(&answer), expect(403, "forbidden"), "{about}");
    assert_eq!(answer.json()["missing"], json!(["session"]), "{about}");
    if row.1.starts_with("/admin") {
        let answer = send(&callers.outsider, row, bad).await;
        assert_eq!(found(&answer), expect(403, "forbidden"), "{about}");
        assert_eq!(answer.json()["missing"], json!(["role:admin"]), "{about}");
    }
}

/// Requires that a response has neither a session of the user nor tokens of one.
async fn assert_no_session(world: &World, client: &TestClient, answer: &TestResponse, about: &str) {
    let is_jane = async |client: &TestClient| {
        let me = client.get("/me").await;
        me.status == 200 && me.json()["email"] == JANE
    };
    assert!(!is_jane(client).await, "{about}");
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    if let Some(token) = body["tokens"]["access_token"].as_str() {
        assert!(!is_jane(&world.client().bearer(token)).await, "{about}");
    }
}

/// The first factors, each with a client whose sign-in is pending, and its challenge.
async fn pending(world: &World, first: &str) -> (TestClient, String) {
    let client = world.client();
    let answer = match first {
        "password" => sign_in(&client, JANE, PASSWORD).await,
        "provider" => world.sign_in(&client).await,
        "email_code" => {
            let challenge = handle(&email_sign_in::start(&client, JANE).await);
            let code = last_code(&world.bed, JANE).await;
            crate::codes::verify(&client, &challenge, &code).await
        }
        "email_link" => {
            email_sign_in::start(&client, JANE).await;
            let token = email_sign_in::token(&world.bed, JANE).await;
            email_sign_in::follow(&client, &token).await
        }
        other => panic!("{other} is no first factor"),
    };
    if answer.status == 202 {
        let challenge = handle(&answer);
        client.set_cookie("auth-pending", &challenge);
        return (client, challenge);
    }
    assert_eq!(answer.status, 303, "{first}");
    let challenge = client.cookie("auth-pending").expect("a pending sign-in");
    (client, challenge)
}

/// A user with two-step verification, an identity and an API key. The returned client is theirs.
async fn user_with_an_app(world: &World) -> (TestClient, String) {
    let jane = verified_user(&world.bed, JANE).await;
    assert_eq!(world.link(&jane).await.status, 303);
    let key = jane.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
    enroll(&world.bed, &jane).await;
    (jane, key["key"].as_str().unwrap().to_owned())
}

with_providers! {
    /// The path, the origin, the length of the body, the caller, the body.
    async fn refusals_have_one_order_on_every_route(world: &World, { "limits": false, "fake.id_token_audiences": ["app"], "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }], "verification_uri": "https://app.example.com/device" }, "tokens": { "audiences": ["reports"] } }) {
        let callers = callers(&world.bed).await;
        for row in ROUTES {
            refuses_in_order(&callers, row).await;
        }
        for client in [&callers.anonymous, &callers.broken] {
            let answer = client.send(Method::DELETE, "/auth/sessions?scope=none", &[], b"").await;
            assert_eq!(found(&answer), expect(401, "unauthenticated"));
        }
        let answer = callers.stale.send(Method::DELETE, "/auth/sessions?scope=none", &[], b"").await;
        assert_eq!(found(&answer), expect(400, "invalid_request"));
    }

    /// F26: whatever the browser and the mailbox have after the first factor.
    async fn no_route_gives_a_session_without_the_second_factor(world: &World, { "verify_email": true, "limits": false, "code_interval_s": 0, "fake.id_token_audiences": ["app"], "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }], "verification_uri": "https://app.example.com/device" }, "tokens": { "audiences": ["reports"] } }) {
        let (_jane, key) = user_with_an_app(world).await;
        let link = reset_token(world).await;
        for first in ["password", "provider", "email_code", "email_link"] {
            let (mut client, mut challenge) = pending(world, first).await;
            let renamed = world.client();
            renamed.set_cookie("auth", &challenge);
            renamed.set_cookie("auth-refresh", &challenge);
            assert_eq!(renamed.get("/me").await.status, 401, "SE-13: {first}");
            for row in ROUTES.iter().filter(|row| row.1 != "/password/reset") {
                let about = format!("{first}: {} {}", row.0, row.1);
                let body = json!({
                    "challenge": challenge, "code": last_code(&world.bed, JANE).await, "token": link,
                    "email": JANE, "password": PASSWORD, "current_password": PASSWORD,
                    "new_password": "another good password", "new_email": "eve@example.com",
                    "refresh_token": challenge, "credential": {}, "code_verifier": "x",
                    "id_token": "x", "nonce": "x",
                    "enabled": false, "name": "x", "scopes": [], "confirm": true, "remember": true,
                });
                for program in [false, true] {
                    let client = if program { client.clone().bearer(&key) } else { client.clone() };
                    let answer = client.json(method(row), &path(row), &body).await;
                    assert!(answer.status.as_u16() < 500, "{about}: {}", answer.json());
                    assert_no_session(world, &client, &answer, &about).await;
                    if row.2 != Open {
                        let refused = if program { 403 } else { 401 };
                        let status = answer.status.as_u16();
                        assert!(status == refused || client.cookie("auth").is_some(), "{about}: {status}");
                    }
                }
                // A session of another user, or wrong codes, may have ended the pending sign-in.
                (client, challenge) = match client.cookie("auth") {
                    None if row.1 != "/verify" => (client, challenge),
                    _ => pending(world, first).await,
                };
            }
        }
    }

    /// F19: a reset, an undone change of the address, and acts of an administrator.
    async fn no_act_on_the_account_avoids_the_second_factor(world: &World, { "verify_email": true, "limits": false, "code_interval_s": 0 }) {
        let (jane, _) = user_with_an_app(world).await;
        let id = id_of(&jane).await;
        let is_pending = async |password: &str, about: &str| {
            let browser = world.client();
            let answer = sign_in(&browser, JANE, password).await;
            assert_eq!(answer.status, 202, "{about}: {}", answer.json());
            assert_eq!(answer.json()["methods"], json!(["totp", "recovery_code"]), "{about}");
            assert_eq!(browser.get("/me").await.status, 401, "{about}");
            for first in ["provider", "email_code", "email_link"] {
                pending(world, first).await;
            }
        };
        let body = json!({ "new_email": "moved@example.com" });
        let asked = jane.post("/auth/email/change", &body).await;
        let code = last_code(&world.bed, "moved@example.com").await;
        assert_eq!(crate::codes::verify(&jane, &handle(&asked), &code).await.status, 200);
        let undo = token_of(&world.bed, "notice_email_changed").await;
        let undone = world.client().post("/auth/email/undo", json!({ "token": undo })).await;
        assert_eq!(undone.status, 200, "{}", undone.json());
        let body = json!({ "token": undone.json()["reset_token"], "new_password": "a third good password" });
        let browser = world.client();
        let set = browser.post("/auth/password/reset", &body).await;
        assert_eq!((set.status.as_u16(), set.set_cookies().len()), (204, 0), "{}", set.json());
        is_pending("a third good password", "an undone change").await;
        let body = json!({ "token": reset_token(world).await, "new_password": "a fourth good password" });
        let set = browser.post("/auth/password/reset", &body).await;
        assert_eq!((set.status.as_u16(), set.set_cookies().len()), (204, 0), "{}", set.json());
        is_pending("a fourth good password", "a reset").await;
        let users = world.bed.bed.auth.users();
        let id = UserId::new(id);
        users.send_password_reset(&id).await.unwrap();
        let link = reset::token(&world.bed, JANE).await;
        let body = json!({ "token": link, "new_password": "a fifth good password" });
        assert_eq!(browser.post("/auth/password/reset", &body).await.status, 204);
        is_pending("a fifth good password", "a reset by an administrator").await;
        users.set_password(&id, "a fourth good password").await.unwrap();
        is_pending("a fourth good password", "a password that an administrator set").await;
        users.disable(&id).await.unwrap();
        users.enable(&id).await.unwrap();
        is_pending("a fourth good password", "disabled and enabled").await;
        world.bed.change(id.as_str(), json!({ "roles": ["admin"], "status": "active" })).await;
        is_pending("a fourth good password", "changed by an administrator").await;
        assert_eq!(jane.get("/me").await.status, 401, "the sessions ended");
    }
}

async fn token_of(bed: &Bed, kind: &str) -> String {
    let mails = mails(bed, JANE).await;
    let mail = mails.iter().rev().find(|mail| mail["kind"] == kind).expect(kind);
    mail["link"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
}

async fn reset_token(world: &World) -> String {
    assert_eq!(reset::forgot(&world.bed, JANE).await.status, 202);
    reset::token(&world.bed, JANE).await
}
