//! Two-step verification: one decision for all sign-in methods, the user's setting, and the guard.

use std::{fs, path::Path};

use authlayer::{
    EventKind, UserStorage,
    testing::{TestClient, TestResponse, VirtualAuthenticator},
};
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, delete, enroll, error},
    codes::{handle, kinds, last_code, verified_user, verify},
    email_sign_in, id_tokens,
    passkeys::{ORIGIN, enter, register, step_up},
    places::{ACCOUNTS_POSTGRES, ACCOUNTS_SQLITE, Book, Directory, Memory, accounts},
    providers::{World, path_of, with_providers},
    reset, security_keys,
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in},
};

const JANE: &str = "jane@example.com";

/// Where a session begins: the file, how many calls it makes, and the rows of the table that sign
/// in through it. Add a row for a new sign-in method.
const DOORS: &[(&str, usize, &[&str])] = &[
    ("flow/email_sign_in/service.rs", 1, &["email_code", "email_link"]),
    ("flow/oauth/service.rs", 1, &["provider", "github", "exchange", "id_token"]),
    ("flow/passkeys/service.rs", 1, &["passkey"]),
    // An invitation, and a reset link of an administrator, begin no session: they set a password.
    ("flow/password/service.rs", 1, &["password", "invitation"]),
    // Flows outside the crate: `custom_flow.rs` tests them.
    ("services/door.rs", 1, &[]),
];

/// Calls that begin a session without a decision about second factors: new users, the answers
/// to a pending sign-in, which are decided again, and programs that the user approved on a session
/// with recent authentication.
const OTHERS: &[(&str, usize)] = &[
    ("flow/anonymous/service.rs", 1),
    ("flow/device_grant/service.rs", 1),
    ("services/claim.rs", 2),
    ("services/second_step.rs", 1),
    ("services/sign_in.rs", 1),
    ("services/sign_up.rs", 4),
    // For the tests of an application, without a flow.
    ("testing/sign_in.rs", 1),
];

/// The factors that a user of the table has.
const ENROLLED: &[&str] = &[
    "none",
    "passkey",
    "two_passkeys",
    "totp",
    "totp_and_passkey",
    "security_key",
    "security_key_and_passkey",
];

fn expected(first: &str, enrolled: &str) -> Vec<&'static str> {
    match (first, enrolled) {
        ("passkey", _) | (_, "none" | "passkey") => vec![],
        (_, "two_passkeys") => vec!["passkey"],
        (_, "totp") => vec!["totp", "recovery_code"],
        (_, "totp_and_passkey") => vec!["passkey", "totp", "recovery_code"],
        (_, "security_key") => vec!["security_key"],
        (_, "security_key_and_passkey") => vec!["passkey", "security_key"],
        other => panic!("{other:?} has no row"),
    }
}

#[test]
fn every_sign_in_method_has_a_row() {
    let calls = |file: &Path, names: &[&str]| {
        let text = fs::read_to_string(file).unwrap();
        names.iter().map(|name| text.matches(name).count()).sum::<usize>()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut doors, mut others) = (Vec::new(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let count = calls(&path, &[".finish_sign_in(attempt)"]);
            if count > 0 {
                doors.push((name.clone(), count));
            }
            let begun = [
                "sessions.create_with(",
                "sessions.begin_within(",
                "sessions\n.begin_within(",
                ".begin_claiming(",
            ];
            let count = calls(&path, &begun);
            if count > 0 {
                others.push((name, count));
            }
        }
    }
    doors.sort();
    others.sort();
    let known: Vec<_> = DOORS.iter().map(|(name, count, _)| ((*name).to_owned(), *count)).collect();
    assert_eq!(doors, known, "a sign-in method has no row in this table");
    let known: Vec<_> = OTHERS.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    assert_eq!(others, known, "a session begins past the decision about second factors");
}

/// A user who signs in by password, by two providers, and with what is enrolled.
struct Row {
    key: Option<VirtualAuthenticator>,
}

async fn enroll_all(world: &World, browser: &TestClient, enrolled: &str) -> Row {
    let mut key = None;
    if enrolled.contains("passkey") {
        let mut own = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(browser, &mut own).await.status, 201);
        assert_eq!(step_up(browser, &mut own).await.status, 200);
        key = Some(own);
    }
    if enrolled == "two_passkeys" {
        assert_eq!(register(browser, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        let on = json!({ "enabled": true });
        let set = browser.json(http::Method::PUT, "/auth/account/two-step", &on).await;
        assert_eq!((set.status.as_u16(), set.json()), (200, json!({ "two_step": true })));
    }
    if enrolled.starts_with("security_key") {
        let added = security_keys::add(browser, &mut security_keys::plain_key()).await;
        assert_eq!(added.status, 201, "{}", added.json());
    }
    if enrolled.starts_with("totp") {
        enroll(&world.bed, browser).await;
    }
    Row { key }
}

async fn by(world: &World, first: &str, row: &mut Row) -> Option<(TestClient, TestResponse)> {
    let client = world.client();
    let answer = match first {
        "password" => sign_in(&client, JANE, PASSWORD).await,
        "invitation" => {
            let users = world.bed.bed.auth.users();
            let jane = users.find_by_email(JANE).await.unwrap().unwrap();
            users.send_password_reset(&jane.id).await.unwrap();
            let token = reset::token(&world.bed, JANE).await;
            let body = json!({ "token": token, "new_password": PASSWORD });
            assert_eq!(client.post("/auth/password/reset", &body).await.status, 204);
            sign_in(&client, JANE, PASSWORD).await
        }
        "provider" => world.sign_in(&client).await,
        "github" => world.github(&client).await,
        "passkey" => enter(&client, row.key.as_mut()?).await,
        "exchange" => exchange(world, &client).await,
        "id_token" => id_tokens::sign_in(world, &client).await,
        "email_code" => {
            let challenge = handle(&email_sign_in::start(&client, JANE).await);
            verify(&client, &challenge, &last_code(&world.bed, JANE).await).await
        }
        "email_link" => {
            email_sign_in::start(&client, JANE).await;
            let token = email_sign_in::token(&world.bed, JANE).await;
            email_sign_in::follow(&client, &token).await
        }
        other => panic!("{other} has no row"),
    };
    Some((client, answer))
}

async fn exchange(world: &World, client: &TestClient) -> TestResponse {
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let query = "?transport=bearer&redirect_to=myapp://callback\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let callback = world.to_callback(client, query).await;
    let place = client.get(&callback).await.header("location");
    let code = place.strip_prefix("myapp://callback?code=").expect("a code");
    client.post("/auth/oauth/exchange", json!({ "code": code, "code_verifier": verifier })).await
}

async fn world(on: On, mode: &str) -> World {
    let config = json!({ "verify_email": true, "fake.id_token_audiences": ["app"] });
    World::over(on, &config, async |on, config| {
        Bed::over(on, config, async |store, database| match mode {
            "managed" => UserStorage::managed(),
            "managed_with_claims" => UserStorage::managed_with_claims(Book::default()),
            "mapped" => {
                let sql = if on.is_sqlite() { ACCOUNTS_SQLITE } else { ACCOUNTS_POSTGRES };
                database.run(sql).await;
                store.mapped(accounts()).await.unwrap()
            }
            "custom" => UserStorage::custom(Memory::default()),
            "external" => UserStorage::external(Directory::default()),
            other => panic!("{other} is no mode"),
        })
        .await
    })
    .await
}

async fn every_first_factor_meets_every_enrolled_factor(mode: &str) {
    for on in [On::Sqlite, On::Postgres] {
        for enrolled in ENROLLED {
            let world = world(on, mode).await;
            let browser = verified_user(&world.bed, JANE).await;
            assert_eq!(world.link(&browser).await.status, 303);
            let begun = browser.post("/auth/oauth/github/link", json!({})).await.json();
            let url = begun["authorization_url"].as_str().unwrap();
            let callback = path_of(&world.github.authorize(url));
            assert_eq!(browser.get(&callback).await.status, 303);
            let mut row = enroll_all(&world, &browser, enrolled).await;
            for first in DOORS.iter().flat_map(|(_, _, rows)| *rows) {
                let Some((client, answer)) = by(&world, first, &mut row).await else { continue };
                let about = format!("{mode} on {on:?}: {first} with {enrolled}");
                let methods = expected(first, enrolled);
                if methods.is_empty() {
                    assert!([200, 303].contains(&answer.status.as_u16()), "{about}: {answer:?}");
                    assert!(client.cookie("auth-pending").is_none(), "{about}");
                } else {
                    assert_eq!(client.get("/me").await.status, 401, "{about}");
                    assert_pending(&client, &answer, &methods, &about).await;
                }
            }
            world.bed.remove().await;
        }
    }
}

/// A browser that comes back from a provider has the challenge in a cookie.
async fn assert_pending(client: &TestClient, answer: &TestResponse, methods: &[&str], about: &str) {
    if answer.status == 202 {
        assert_eq!(answer.json()["methods"], json!(methods), "{about}");
        return;
    }
    assert_eq!(answer.status, 303, "{about}");
    assert!(client.cookie("auth").is_none() && client.cookie("auth-pending").is_some(), "{about}");
    for method in ["passkey", "totp", "recovery_code", "email_code"] {
        let by_text = method != "passkey" && methods.contains(&method);
        let body = json!({ "method": method, "code": "000000" });
        let expected = if by_text { 401 } else { 422 };
        let status = client.post("/auth/verify", &body).await.status;
        assert_eq!(status, expected, "{about}: {method}");
    }
    let begun = client.post("/auth/passkeys/verify/start", json!({})).await;
    let by_key = methods.iter().any(|own| ["passkey", "security_key"].contains(own));
    let expected = if by_key { 200 } else { 404 };
    assert_eq!(begun.status, expected, "{about}");
}

macro_rules! modes {
    ($($mode:ident),*) => {$(
        #[tokio::test]
        async fn $mode() {
            every_first_factor_meets_every_enrolled_factor(stringify!($mode)).await;
        }
    )*};
}

mod table {
    use super::*;

    modes!(managed, managed_with_claims, mapped, custom, external);
}

with_providers! {
    /// A role requires the passkey at each sign-in method, also while two-step is off.
    async fn demand_of_the_application_meets_every_first_factor(world: &World, { "verify_email": true, "two_step_required_role": "admin", "fake.id_token_audiences": ["app"] }) {
        let browser = verified_user(&world.bed, JANE).await;
        assert_eq!(world.link(&browser).await.status, 303);
        let begun = browser.post("/auth/oauth/github/link", json!({})).await.json();
        let url = begun["authorization_url"].as_str().unwrap();
        let callback = path_of(&world.github.authorize(url));
        assert_eq!(browser.get(&callback).await.status, 303);
        let mut row = enroll_all(world, &browser, "passkey").await;
        world.bed.change(&id_of(&browser).await, json!({ "roles": ["admin"] })).await;
        for first in DOORS.iter().flat_map(|(_, _, rows)| *rows) {
            let (client, answer) = by(world, first, &mut row).await.unwrap();
            if *first == "passkey" {
                assert_eq!(client.get("/admin").await.status, 200, "two factors by itself");
                continue;
            }
            assert_eq!(client.get("/me").await.status, 401, "{first}");
            assert_pending(&client, &answer, &["passkey"], first).await;
        }
    }

    async fn second_factor_of_a_trusted_provider_is_accepted(world: &World, { "fake.trust_second_factor": true, "two_step_required_role": "admin" }) {
        let browser = world.bed.browser(JANE).await;
        assert_eq!(world.link(&browser).await.status, 303);
        world.bed.change(&id_of(&browser).await, json!({ "roles": ["admin"] })).await;
        enroll(&world.bed, &browser).await;
        let client = world.client();
        for methods in [json!(["pwd"]), json!("mfa"), json!([]), json!(7)] {
            world.idp.claim("amr", methods.clone());
            assert_eq!(world.sign_in(&client).await.status, 303);
            assert_eq!(client.get("/me").await.status, 401, "{methods}");
        }
        world.idp.claim("amr", json!(["pwd", "mfa"]));
        assert_eq!(world.sign_in(&client).await.status, 303);
        assert_eq!(client.get("/admin").await.status, 200);
    }

    async fn class_of_several_factors_of_a_trusted_provider_is_accepted(world: &World, { "fake.trust_second_factor": true, "two_step_required_role": "admin" }) {
        let browser = world.bed.browser(JANE).await;
        assert_eq!(world.link(&browser).await.status, 303);
        world.bed.change(&id_of(&browser).await, json!({ "roles": ["admin"] })).await;
        enroll(&world.bed, &browser).await;
        let mfa = "https://refeds.org/profile/mfa";
        for class in [json!("1"), json!("mfa"), json!([mfa]), json!(2), json!("https://refeds.org/profile/sfa")] {
            let client = world.client();
            world.idp.claim("acr", class.clone());
            assert_eq!(world.sign_in(&client).await.status, 303);
            assert_eq!(client.get("/me").await.status, 401, "{class}");
        }
        let client = world.client();
        world.idp.claim("acr", json!(mfa));
        assert_eq!(world.sign_in(&client).await.status, 303);
        assert_eq!(client.get("/admin").await.status, 200);
    }

    /// A step-up at the provider adds to the session, whatever the provider returns.
    async fn step_up_at_a_provider_keeps_the_second_factor(world: &World, { "fake.trust_second_factor": true, "two_step_required_role": "admin" }) {
        let browser = world.bed.browser(JANE).await;
        assert_eq!(world.link(&browser).await.status, 303);
        world.bed.change(&id_of(&browser).await, json!({ "roles": ["admin"] })).await;
        enroll(&world.bed, &browser).await;
        let client = world.client();
        world.idp.claim("amr", json!(["pwd", "mfa"]));
        assert_eq!(world.sign_in(&client).await.status, 303);
        for methods in [json!(["pwd", "mfa"]), json!(["pwd"]), Value::Null] {
            world.idp.claim("amr", methods.clone());
            assert_eq!(step_up_at_provider(world, &client).await.status, 303, "{methods}");
            assert_eq!(client.get("/admin").await.status, 200, "{methods}");
        }
    }

    /// A step-up with the second factor of a trusted provider is two factors, as a sign-in is.
    async fn step_up_at_a_trusted_provider_is_two_factors(world: &World, { "fake.trust_second_factor": true, "two_step_required_role": "admin" }) {
        let browser = world.bed.browser(JANE).await;
        assert_eq!(world.link(&browser).await.status, 303);
        world.bed.change(&id_of(&browser).await, json!({ "roles": ["admin"] })).await;
        world.idp.claim("amr", json!(["pwd"]));
        assert_eq!(step_up_at_provider(world, &browser).await.status, 303);
        assert_eq!(browser.get("/admin").await.code(), "setup_required");
        world.idp.claim("amr", json!(["pwd", "mfa"]));
        assert_eq!(step_up_at_provider(world, &browser).await.status, 303);
        assert_eq!(browser.get("/admin").await.status, 200);
    }

    async fn second_factor_of_a_provider_is_not_trusted_by_default(world: &World) {
        let browser = world.bed.browser(JANE).await;
        assert_eq!(world.link(&browser).await.status, 303);
        enroll(&world.bed, &browser).await;
        let client = world.client();
        world.idp.claim("amr", json!(["mfa"]));
        assert_eq!(world.sign_in(&client).await.status, 303);
        assert_eq!(client.get("/me").await.status, 401);
    }
}

async fn step_up_at_provider(world: &World, client: &TestClient) -> TestResponse {
    let begun = client.post("/auth/oauth/fake/step-up", json!({})).await;
    assert_eq!(begun.status, 200, "{}", begun.json());
    let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
    client.get(&path_of(&world.idp.authorize(&url))).await
}

async fn set(client: &TestClient, enabled: bool) -> TestResponse {
    let body = json!({ "enabled": enabled });
    client.json(http::Method::PUT, "/auth/account/two-step", &body).await
}

on_every_store! {
    async fn anonymous_session_does_not_go_round_the_app(bed: &Bed, { "verify_email": true, "code_interval_s": 0 }) {
        let jane = verified_user(bed, JANE).await;
        let (app, _) = enroll(bed, &jane).await;
        for first in ["password", "email_code"] {
            let guest = bed.client();
            assert_eq!(guest.post("/auth/anonymous", json!({})).await.status, 201);
            let pending = if first == "password" {
                sign_in(&guest, JANE, PASSWORD).await
            } else {
                let challenge = handle(&email_sign_in::start(&guest, JANE).await);
                verify(&guest, &challenge, &last_code(bed, JANE).await).await
            };
            assert_eq!(pending.status, 202, "{first}: {}", pending.json());
            assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]), "{first}");
            assert_ne!(guest.get("/me").await.json()["email"], JANE, "{first}");
            let done = answer(&guest, &handle(&pending), "totp", &app.next(bed).await).await;
            assert_eq!(done.status, 200, "{first}: {}", done.json());
            assert_eq!(guest.get("/me").await.json()["email"], JANE, "{first}");
        }
    }

    async fn two_step_is_turned_on_with_two_passkeys(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(error(&set(&ada, true).await), (409, "no_second_factor".to_owned()));
        assert_eq!(set(&ada, false).await.json(), json!({ "two_step": false }));
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut key).await.status, 201);
        let backed_up = ada.get("/auth/passkeys").await.json()["passkeys"][0]["backed_up"].clone();
        if backed_up == json!(false) {
            assert_eq!(error(&set(&ada, true).await), (409, "no_second_factor".to_owned()));
        }
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        assert_eq!(set(&ada, true).await.json(), json!({ "two_step": true }));
        assert_eq!(set(&ada, true).await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::TwoStepChanged), 1);
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_two_step_changed".to_owned()));
        let pending = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["passkey"]));
        bed.advance(600).await;
        assert_eq!(error(&set(&ada, false).await), (403, "step_up_required".to_owned()));
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        assert_eq!(set(&ada, false).await.json(), json!({ "two_step": false }));
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        enroll(bed, &ada).await;
        assert_eq!(set(&ada, true).await.json(), json!({ "two_step": true }));
        assert_eq!(error(&set(&ada, false).await), (409, "second_factor_enrolled".to_owned()));
        for body in [json!({}), json!({ "enabled": "true" })] {
            let wrong = ada.json(http::Method::PUT, "/auth/account/two-step", &body).await;
            assert_eq!((wrong.status.as_u16(), &wrong.json()["members"]), (422, &json!(["enabled"])));
        }
        assert_eq!(set(&bed.client(), true).await.status, 401);
    }

    async fn two_step_ends_with_the_last_passkey(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await;
        register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await;
        assert_eq!(set(&ada, true).await.status, 200);
        for passkey in ada.get("/auth/passkeys").await.json()["passkeys"].as_array().unwrap() {
            let path = format!("/auth/passkeys/{}", passkey["id"].as_str().unwrap());
            assert_eq!(delete(&ada, &path).await.status, 204);
        }
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
    }

    async fn role_requires_two_factors(bed: &Bed, { "two_step_required_role": "admin" }) {
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(ada.get("/admin").await.code(), "forbidden");
        bed.change(&id_of(&ada).await, json!({ "roles": ["admin"] })).await;
        let setup = ada.get("/admin").await;
        assert_eq!(error(&setup), (403, "setup_required".to_owned()));
        assert_eq!(setup.json()["setup"], json!(["passkey", "totp"]));
        let browser = bed.client();
        assert_eq!(sign_in(&browser, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(browser.get("/admin").await.code(), "setup_required");
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut key).await.status, 201);
        let required = ada.get("/admin").await;
        assert_eq!(error(&required), (403, "step_up_required".to_owned()));
        assert_eq!(required.json()["methods"], json!(["passkey"]));
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        assert_eq!(ada.get("/admin").await.status, 200);
        let pending = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["passkey"]), "required by the role");
        let direct = bed.client();
        assert_eq!(enter(&direct, &mut key).await.status, 200);
        assert_eq!(direct.get("/admin").await.status, 200, "a passkey is two factors");
        let bob = bed.browser("bob@example.com").await;
        let (app, _) = enroll(bed, &bob).await;
        bed.change(&id_of(&bob).await, json!({ "roles": ["admin"] })).await;
        assert_eq!(bob.get("/admin").await.json()["methods"], json!(["totp"]));
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, "bob@example.com", PASSWORD).await);
        let done = answer(&browser, &challenge, "totp", &app.next(bed).await).await;
        assert_eq!(done.status, 200);
        assert_eq!(browser.get("/admin").await.status, 200);
        assert_eq!(Value::Null, browser.get("/admin").await.json()["missing"]);
    }
}
