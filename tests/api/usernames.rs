//! Usernames: sign-up, sign-in, changes, uniqueness by skeleton, limits and costs.

use authlayer::{
    AnonymousUsers, Auth, AuthHook, ErrorKind, HookError, Password, RateLimits, SqliteStore, User,
    UserId, UserStorage, UserTable, Username,
    hook::SignUpDraft,
    testing::{ManualClock, TestApp, TestClient, TestResponse},
};
use axum::Router;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::{
    authenticator::enroll,
    codes::{handle, last_code, mails, verify},
    places::{ACCOUNTS_SQLITE, Directory, accounts},
    support::{
        Bed, Database, On, PASSWORD, id_of, on_every_store, on_managed_stores, on_stores, sign_in,
        until, uuid,
    },
    testbed::{Config, Store, Testbed},
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
/// `ada` with a Cyrillic first letter.
const LOOKS_LIKE_ADA: &str = "\u{430}da";

async fn sign_up(client: &TestClient, email: &str, username: &str) -> TestResponse {
    let body = json!({ "email": email, "password": PASSWORD, "username": username });
    client.post("/auth/sign-up", &body).await
}

async fn login(client: &TestClient, login: &str, password: &str) -> TestResponse {
    client.post("/auth/sign-in", json!({ "login": login, "password": password })).await
}

async fn rename(client: &TestClient, username: impl Into<Value>) -> TestResponse {
    let patch = json!({ "username": username.into() });
    client.json(Method::PATCH, "/auth/account", &patch).await
}

/// Signs up a user with a username in a new browser.
async fn named(bed: &Bed, email: &str, username: &str) -> TestClient {
    let client = bed.client();
    let answer = sign_up(&client, email, username).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    client
}

async fn username_of(client: &TestClient) -> Value {
    client.get("/auth/account").await.json()["user"]["username"].clone()
}

fn refusal(answer: &TestResponse) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

fn taken() -> (u16, String) {
    (409, "username_taken".to_owned())
}

fn assert_invalid(answer: &TestResponse, name: &str) {
    assert_eq!(refusal(answer), (422, "invalid_request".to_owned()), "{name}");
    assert_eq!(answer.json()["members"], json!(["username"]), "{name}");
}

const INVALID: [&str; 16] = [
    "",
    "ab",
    "abcdefghijklmnopqrstuvwxyz0123456",
    "ada lovelace",
    "ada@example.com",
    ".ada",
    "ada.",
    "-ada",
    "ada_",
    "ada\u{200b}",
    "ada\n",
    "\u{265a}\u{265a}\u{265a}",
    "admin",
    "ROOT",
    "\u{430}dmin",
    "undefined",
];

on_every_store! {
    async fn username_of_a_sign_up_is_normalized_and_signs_in(bed: &Bed, { "usernames": true }) {
        let client = bed.client();
        let user = sign_up(&client, ADA, "Ada.L").await;
        assert_eq!((user.status.as_u16(), &user.json()["user"]["username"]), (201, &json!("ada.l")));
        for name in ["ada.l", "ADA.L", "\u{ff21}da.l", ADA, "Ada@Example.com"] {
            let answer = login(&bed.client(), name, PASSWORD).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.json());
            assert_eq!(answer.json()["user"]["username"], "ada.l");
        }
        for name in ["ada", "ada.i", "ada.l ", "\u{430}da.l", "x", ""] {
            let answer = login(&bed.client(), name, PASSWORD).await;
            assert_eq!(refusal(&answer), (401, "invalid_credentials".to_owned()), "{name}");
        }
        assert_eq!(login(&bed.client(), "ada.l", "another password").await.code(), "invalid_credentials");
        assert_eq!(sign_in(&bed.client(), "ada.l", PASSWORD).await.code(), "invalid_credentials", "`email` is no username");
        let bob = bed.client();
        let body = json!({ "email": BOB, "password": PASSWORD, "username": null });
        assert_eq!(bob.post("/auth/sign-up", &body).await.status, 201);
        assert_eq!(username_of(&bob).await, Value::Null);
    }

    async fn email_and_login_together_are_rejected(bed: &Bed, { "usernames": true }) {
        named(bed, ADA, "ada").await;
        for (body, expected) in [
            (json!({ "email": ADA, "login": "ada", "password": PASSWORD }), json!(["email", "login"])),
            (json!({ "email": 1, "login": "ada", "password": PASSWORD }), json!(["email", "login"])),
            (json!({ "login": 1, "password": PASSWORD }), json!(["login"])),
            (json!({ "password": PASSWORD }), json!(["email"])),
        ] {
            let answer = bed.client().post("/auth/sign-in", &body).await;
            assert_eq!(refusal(&answer), (422, "invalid_request".to_owned()), "{body}");
            let mut members = answer.json()["members"].as_array().unwrap().clone();
            members.sort_by_key(ToString::to_string);
            assert_eq!(json!(members), expected, "{body}");
        }
        let body = json!({ "email": null, "login": "ada", "password": PASSWORD });
        assert_eq!(bed.client().post("/auth/sign-in", &body).await.status, 200);
    }

    async fn invalid_and_reserved_usernames_are_rejected(bed: &Bed, { "usernames": true, "limits": false }) {
        for name in INVALID {
            assert_invalid(&sign_up(&bed.client(), ADA, name).await, name);
        }
        let body = json!({ "email": ADA, "password": PASSWORD, "username": 7 });
        assert_invalid(&bed.client().post("/auth/sign-up", &body).await, "a number");
        let ada = bed.browser(ADA).await;
        for name in INVALID {
            assert_invalid(&rename(&ada, name).await, name);
        }
        assert_invalid(&rename(&ada, 7).await, "a number");
        assert_eq!(username_of(&ada).await, Value::Null);
    }

    async fn username_is_taken_whether_or_not_the_email_address_is(bed: &Bed, { "usernames": true }) {
        named(bed, ADA, "ada").await;
        for name in ["ada", "ADA", LOOKS_LIKE_ADA, "\u{ff41}da"] {
            for email in [ADA, BOB] {
                assert_eq!(refusal(&sign_up(&bed.client(), email, name).await), taken(), "{email} {name}");
            }
        }
        let body = json!({ "email": BOB, "password": "short", "username": "ada" });
        assert_eq!(bed.client().post("/auth/sign-up", &body).await.code(), "weak_password");
        assert_eq!(sign_up(&bed.client(), "not an address", "ada").await.code(), "invalid_email");
        assert_eq!(sign_up(&bed.client(), ADA, "grace").await.code(), "email_taken");
        named(bed, BOB, "grace").await;
    }

    async fn username_is_set_changed_and_removed(bed: &Bed, { "usernames": true }) {
        let (ada, bob) = (bed.browser(ADA).await, bed.browser(BOB).await);
        let renamed = rename(&ada, "Ada").await;
        assert_eq!((renamed.status.as_u16(), &renamed.json()["username"]), (200, &json!("ada")));
        for name in ["ada", LOOKS_LIKE_ADA] {
            assert_eq!(refusal(&rename(&bob, name).await), taken(), "{name}");
        }
        assert_eq!(username_of(&bob).await, Value::Null);
        assert_eq!(rename(&ada, LOOKS_LIKE_ADA).await.status, 200, "one's own may look like the former one");
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.status, 401);
        assert_eq!(login(&bed.client(), LOOKS_LIKE_ADA, PASSWORD).await.status, 200);
        assert_eq!(rename(&ada, Value::Null).await.json()["username"], Value::Null);
        assert_eq!(login(&bed.client(), LOOKS_LIKE_ADA, PASSWORD).await.status, 401);
        assert_eq!(rename(&bob, "ada").await.status, 200);
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.json()["user"]["email"], BOB);
        let patch = json!({ "username": "a b", "roles": ["admin"] });
        let answer = ada.json(Method::PATCH, "/auth/account", &patch).await;
        assert_eq!(answer.json()["members"], json!(["username", "roles"]));
    }

    async fn without_usernames_login_takes_email_addresses_alone(bed: &Bed) {
        for (email, name) in [(ADA, json!("ada")), (BOB, json!(7)), ("eve@example.com", json!("ada"))] {
            let body = json!({ "email": email, "password": PASSWORD, "username": name });
            let answer = bed.client().post("/auth/sign-up", &body).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["user"]["username"]), (201, &Value::Null), "{name}");
        }
        let ada = bed.client();
        assert_eq!(login(&ada, ADA, PASSWORD).await.status, 200);
        for name in ["ada", "x", ""] {
            assert_eq!(login(&bed.client(), name, PASSWORD).await.code(), "invalid_credentials", "{name}");
        }
        for name in [json!("ada"), json!("a b"), Value::Null] {
            assert_invalid(&rename(&ada, name.clone()).await, &name.to_string());
        }
    }

    async fn pending_sign_up_takes_the_username_when_it_completes(bed: &Bed, { "usernames": true, "verify_email": true, "code_interval_s": 0 }) {
        let (ada, bob) = (bed.client(), bed.client());
        let first = handle(&sign_up(&ada, ADA, "ada").await);
        let second = handle(&sign_up(&bob, BOB, LOOKS_LIKE_ADA).await);
        let completed = verify(&bob, &second, &last_code(bed, BOB).await).await;
        assert_eq!(completed.json()["user"]["username"], LOOKS_LIKE_ADA, "{}", completed.json());
        let completed = verify(&ada, &first, &last_code(bed, ADA).await).await;
        assert_eq!((completed.status.as_u16(), &completed.json()["user"]["username"]), (200, &Value::Null));
        assert_eq!(completed.json()["user"]["email"], ADA);
        for email in [ADA, "new@example.com"] {
            assert_eq!(refusal(&sign_up(&bed.client(), email, "ada").await), taken(), "{email}");
            handle(&sign_up(&bed.client(), email, "grace").await);
        }
    }

    /// The account that was never verified does not keep its username, and neither do its rivals.
    async fn claim_removes_the_username(bed: &Bed, { "usernames": true, "code_interval_s": 0 }) {
        named(bed, ADA, "ada").await;
        assert_eq!(bed.client().post("/auth/password/forgot", json!({ "email": ADA })).await.status, 202);
        let mails = mails(bed, ADA).await;
        let link = mails.last().unwrap()["link"].as_str().unwrap().to_owned();
        let token = link.split("token=").nth(1).unwrap();
        let body = json!({ "token": token, "new_password": "another zq8 xw2v" });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        let owner = bed.client();
        assert_eq!(sign_in(&owner, ADA, "another zq8 xw2v").await.status, 200);
        assert_eq!(username_of(&owner).await, Value::Null);
        named(bed, BOB, "ada").await;
    }

    async fn anonymous_user_gets_a_username_at_sign_up(bed: &Bed, { "usernames": true }) {
        named(bed, BOB, "bob").await;
        let guest = bed.client();
        assert_eq!(guest.post("/auth/anonymous", json!({})).await.status, 201);
        let id = id_of(&guest).await;
        assert_eq!(rename(&guest, "ada").await.status, 200);
        assert_eq!(refusal(&sign_up(&guest, ADA, "b0b").await), taken());
        let upgraded = sign_up(&guest, ADA, "ada").await;
        assert_eq!(upgraded.status, 201, "{}", upgraded.json());
        assert_eq!((&upgraded.json()["user"]["id"], &upgraded.json()["user"]["username"]), (&json!(id), &json!("ada")));
    }

    async fn concurrent_sign_ups_with_names_that_look_alike_create_one_user(bed: &Bed, { "usernames": true }) {
        let names = ["ada", "Ada", LOOKS_LIKE_ADA, "ad\u{430}"];
        let tries = (0..16).map(|number| {
            let (client, name) = (bed.client(), names[number % names.len()]);
            async move { sign_up(&client, &format!("user-{number}@example.com"), name).await }
        });
        let answers = join_all(tries).await;
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        let refused = answers.iter().filter(|answer| refusal(answer) == taken()).count();
        assert_eq!((created, refused), (1, 15), "{:?}", answers.iter().map(refusal_or_none).collect::<Vec<_>>());
    }

    async fn concurrent_changes_to_names_that_look_alike_succeed_once(bed: &Bed, { "usernames": true }) {
        let names = ["ada", LOOKS_LIKE_ADA];
        let mut clients = Vec::new();
        for number in 0..8 {
            clients.push(bed.browser(&format!("user-{number}@example.com")).await);
        }
        let tries = clients.iter().enumerate().map(|(number, client)| rename(client, names[number % 2]));
        let answers = join_all(tries).await;
        let changed = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| refusal(answer) == taken()).count();
        assert_eq!((changed, refused), (1, 7), "{:?}", answers.iter().map(refusal_or_none).collect::<Vec<_>>());
    }

    /// The failures of a username are those of its account's email address.
    async fn username_and_email_address_share_one_counter(bed: &Bed, { "usernames": true }) {
        named(bed, ADA, "ada").await;
        for (number, name) in ["ada", ADA, "ADA", ADA, "ada"].into_iter().enumerate() {
            assert_eq!(login(&bed.client(), name, "another password").await.status, 401, "{number}");
        }
        for name in ["ada", ADA] {
            assert_eq!(refusal(&login(&bed.client(), name, PASSWORD).await), (429, "too_many_attempts".to_owned()), "{name}");
        }
        for number in 0..5 {
            assert_eq!(login(&bed.client(), "unknown", PASSWORD).await.status, 401, "{number}");
        }
        assert_eq!(login(&bed.client(), "Unknown", PASSWORD).await.status, 429, "as a known one");
        bed.advance(2).await;
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.status, 200);
        assert_eq!(sign_in(&bed.client(), ADA, "another password").await.status, 401, "the success reset the counter");
    }

    async fn remembered_device_signs_in_by_username_despite_failures_of_others(bed: &Bed, { "usernames": true, "verify_email": true, "sign_in_code": true, "code_interval_s": 0 }) {
        let known = bed.client();
        let challenge = handle(&sign_up(&known, ADA, "ada").await);
        assert_eq!(verify(&known, &challenge, &last_code(bed, ADA).await).await.status, 200);
        let challenge = handle(&login(&known, "ada", PASSWORD).await);
        let body = json!({ "challenge": challenge, "code": last_code(bed, ADA).await, "remember": true });
        assert_eq!(known.post("/auth/verify", &body).await.status, 200);
        for _ in 0..5 {
            assert_eq!(login(&bed.client(), "ada", "another password").await.status, 401);
        }
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.status, 429);
        assert_eq!(login(&known, "ada", PASSWORD).await.status, 200);
    }

    /// Attempts are counted for the account, and devices are remembered for it.
    async fn user_without_an_email_address_signs_in_by_username(bed: &Bed, { "usernames": true }) {
        let hash = "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M";
        let mut user = User::new(uuid("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
        user.username = Some("ada".to_owned());
        bed.bed.auth.service::<Password>().unwrap().import(&user, hash).await.unwrap();
        let (ada, known) = (bed.client(), bed.client());
        assert_eq!(login(&ada, "ada", "correct horse").await.status, 200);
        let (app, _) = enroll(bed, &ada).await;
        let challenge = handle(&login(&known, "ada", "correct horse").await);
        let code = app.next(bed).await;
        let body = json!({ "challenge": challenge, "method": "totp", "code": code, "remember": true });
        assert_eq!(known.post("/auth/verify", &body).await.status, 200);
        for number in 0..5 {
            assert_eq!(login(&bed.client(), "ada", "another password").await.status, 401, "{number}");
        }
        assert_eq!(login(&bed.client(), "ada", "correct horse").await.status, 429);
        assert_eq!(login(&known, "ada", "correct horse").await.status, 200, "a known device");
        let body = json!({ "current_password": "correct horse", "new_password": PASSWORD });
        let changed = ada.post("/auth/password/change", &body).await;
        assert_eq!(changed.status, 200, "{}", changed.json());
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.status, 202, "the failures are forgotten");
    }

    /// A device of one account is none of another one.
    async fn device_of_another_account_is_not_known(bed: &Bed, { "usernames": true, "sign_in_code": true, "code_interval_s": 0 }) {
        named(bed, ADA, "ada").await;
        named(bed, BOB, "bob").await;
        let known = bed.client();
        let challenge = handle(&login(&known, "bob", PASSWORD).await);
        let body = json!({ "challenge": challenge, "code": last_code(bed, BOB).await, "remember": true });
        assert_eq!(known.post("/auth/verify", &body).await.status, 200);
        for name in ["ada", ADA, "ada", ADA, "ada"] {
            assert_eq!(login(&known, name, "another password").await.status, 401, "{name}");
        }
        for client in [&known, &bed.client()] {
            assert_eq!(login(client, "ada", PASSWORD).await.status, 429);
        }
        assert_eq!(login(&known, "bob", PASSWORD).await.status, 200);
    }

    async fn application_assigns_valid_usernames(bed: &Bed, { "usernames": true }) {
        let (ada, bob) = (named(bed, ADA, "ada").await, bed.browser(BOB).await);
        let users = bed.bed.auth.users();
        let (ada, bob) = (UserId::new(id_of(&ada).await), UserId::new(id_of(&bob).await));
        let set = async |id: &UserId, name: &str| {
            users.edit(id, |user| user.username = Some(name.to_owned())).await
        };
        assert_eq!(set(&bob, "Support").await.unwrap().username.as_deref(), Some("support"), "reserved for users");
        assert_eq!(login(&bed.client(), "support", PASSWORD).await.status, 200);
        assert_eq!(set(&bob, "a b").await.unwrap_err().kind(), ErrorKind::InvalidMembers);
        assert_eq!(set(&bob, LOOKS_LIKE_ADA).await.unwrap_err().kind(), ErrorKind::UsernameTaken);
        let set_both = async |email: &str, name: &str| {
            let change = |user: &mut User| {
                user.email = Some(email.parse().unwrap());
                user.username = Some(name.to_owned());
            };
            users.edit(&bob, change).await.unwrap_err().kind()
        };
        for email in ["new@example.com", ADA] {
            assert_eq!(set_both(email, LOOKS_LIKE_ADA).await, ErrorKind::UsernameTaken, "{email}");
        }
        assert_eq!(set_both(ADA, "grace").await, ErrorKind::EmailTaken);
        assert_eq!(users.find_by_username("ADA").await.unwrap().map(|user| user.id), Some(ada));
        assert!(users.find_by_username(LOOKS_LIKE_ADA).await.unwrap().is_none());
        let wanted = |name: &str| {
            let now = "2026-01-01T00:00:00Z".parse().unwrap();
            let mut user = User::new(uuid(name), now);
            user.username = Some(name.to_owned());
            user
        };
        assert_eq!(users.create(&wanted("ADA")).await.unwrap_err().kind(), ErrorKind::UsernameTaken);
        assert_eq!(users.create(&wanted("a b c d")).await.unwrap_err().kind(), ErrorKind::InvalidMembers);
        assert_eq!(users.create(&wanted("Grace")).await.unwrap().username.as_deref(), Some("grace"));
    }
}

fn refusal_or_none(answer: &TestResponse) -> (u16, Option<String>) {
    let status = answer.status.as_u16();
    (status, (status >= 400).then(|| answer.code()))
}

on_stores! {
    [
        sqlite: Sqlite, postgres: Postgres,
        sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped
    ]

    /// Usernames of before there was an index.
    async fn users_whose_usernames_look_alike_can_be_changed(bed: &Bed, { "usernames": true, "cache_ms": 0 }) {
        let mut clients = Vec::new();
        for email in [ADA, BOB] {
            let client = bed.browser(email).await;
            clients.push((id_of(&client).await, client));
        }
        clients.sort_by(|one, other| one.0.cmp(&other.0));
        let is_mapped = bed.database.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_users").await == "0";
        let (table, id, name, skeleton) = match is_mapped {
            true => ("accounts", "account_id", "login", "login_skeleton"),
            false => ("auth_users", "id", "username", "username_skeleton"),
        };
        for ((own, _), text) in clients.iter().zip(["ada", LOOKS_LIKE_ADA]) {
            bed.run(&format!("UPDATE {table} SET {name} = '{text}' WHERE {id} = '{own}'")).await;
        }
        let users = bed.bed.auth.users();
        let (first, second) = (UserId::new(&*clients[0].0), UserId::new(&*clients[1].0));
        assert_eq!(users.index_usernames().await.unwrap(), std::slice::from_ref(&second));
        let indexed = format!("SELECT CAST(COUNT({skeleton}) AS TEXT) FROM {table}");
        assert_eq!(bed.text(&indexed).await, "1");

        let patch = json!({ "display_name": "Second" });
        let patched = clients[1].1.json(Method::PATCH, "/auth/account", &patch).await;
        assert_eq!(patched.status, 200, "{}", patched.json());
        assert_eq!(patched.json()["username"], LOOKS_LIKE_ADA);
        let patch = json!({ "display_name": "Renamed", "username": LOOKS_LIKE_ADA });
        let patched = clients[1].1.json(Method::PATCH, "/auth/account", &patch).await;
        assert_eq!(patched.status, 200, "{}", patched.json());
        assert!(!users.disable(&second).await.unwrap().is_active());
        assert_eq!(clients[1].1.get("/me").await.status, 401);
        assert!(users.enable(&second).await.unwrap().is_active());
        assert!(!users.disable(&first).await.unwrap().is_active());
        assert!(users.enable(&first).await.unwrap().is_active());
        assert_eq!(bed.text(&indexed).await, "1");

        let name = |text: &str| {
            let text = text.to_owned();
            move |user: &mut User| user.username = Some(text.clone())
        };
        let taken = users.edit(&second, name("ad\u{430}")).await.unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::UsernameTaken);
        users.edit(&first, name("grace")).await.unwrap();
        users.edit(&second, |user| user.display_name = None).await.unwrap();
        assert_eq!(bed.text(&indexed).await, "2", "the skeleton is free");
    }
}

on_managed_stores! {
    async fn unknown_usernames_cost_what_known_ones_cost(bed: &Bed, { "usernames": true }) {
        named(bed, ADA, "ada").await;
        let mut costs = Vec::new();
        for name in ["ada", "unknown", "support", "\u{430}da"] {
            let (statements, hashes) = (bed.statements().await, bed.hashes().await);
            assert_eq!(login(&bed.client(), name, "another password").await.status, 401);
            costs.push((bed.statements().await - statements, bed.hashes().await - hashes));
        }
        assert_eq!(costs, vec![(4, 1); 4], "as with an email address");
    }

    /// A network is rejected before the user is looked up.
    async fn rejected_network_costs_no_lookup_of_a_username(bed: &Bed, { "usernames": true, "trusted_proxies": ["127.0.0.1"] }) {
        named(bed, ADA, "ada").await;
        let client = bed.client().with("x-forwarded-for", "203.0.113.7");
        for number in 0..100 {
            let answer = login(&client, &format!("unknown-{number}"), "another password").await;
            assert_eq!(answer.status, 401, "{number}");
        }
        let mut costs = Vec::new();
        for name in [ADA, "ada", "unknown"] {
            let (statements, hashes) = (bed.statements().await, bed.hashes().await);
            assert_eq!(login(&client, name, PASSWORD).await.code(), "too_many_attempts", "{name}");
            costs.push((bed.statements().await - statements, bed.hashes().await - hashes));
        }
        assert_eq!(costs, vec![costs[0]; 3], "as with an email address");
        assert_eq!(costs[0].1, 0);
    }

    async fn sign_up_with_a_taken_username_costs_the_same_for_every_email_address(bed: &Bed, { "usernames": true }) {
        named(bed, ADA, "ada").await;
        for email in [ADA, BOB] {
            let (statements, hashes) = (bed.statements().await, bed.hashes().await);
            assert_eq!(refusal(&sign_up(&bed.client(), email, "ada").await), taken());
            let cost = (bed.statements().await - statements, bed.hashes().await - hashes);
            assert_eq!(cost, (2, 1), "{email}");
        }
    }

    async fn existing_usernames_are_indexed(bed: &Bed, { "usernames": true }) {
        let mut ids = Vec::new();
        for email in [ADA, BOB, "eve@example.com", "kim@example.com"] {
            ids.push(id_of(&bed.browser(email).await).await);
        }
        ids.sort();
        for (id, name) in ids.iter().zip(["Ada", LOOKS_LIKE_ADA, "not a name", "kim"]) {
            bed.run(&format!("UPDATE auth_users SET username = '{name}' WHERE id = '{id}'")).await;
        }
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.status, 401);
        let users = bed.bed.auth.users();
        let rejected = users.index_usernames().await.unwrap();
        assert_eq!(rejected, [UserId::new(ids[1].as_str()), UserId::new(ids[2].as_str())]);
        assert_eq!(login(&bed.client(), "ada", PASSWORD).await.json()["user"]["id"], json!(ids[0]));
        assert_eq!(login(&bed.client(), LOOKS_LIKE_ADA, PASSWORD).await.status, 200, "retained");
        assert_eq!(refusal(&sign_up(&bed.client(), "new@example.com", "k\u{456}m").await), taken());
        let before = bed.text("SELECT CAST(SUM(updated_at) AS TEXT) FROM auth_users").await;
        bed.advance(1).await;
        assert_eq!(users.index_usernames().await.unwrap().len(), 2);
        let after = bed.text("SELECT CAST(SUM(updated_at) AS TEXT) FROM auth_users").await;
        assert_eq!(before, after, "nothing is written again");
    }

    async fn process_without_usernames_retains_skeletons(bed: &Bed, { "usernames": true }) {
        let id = UserId::new(id_of(&named(bed, ADA, "ada").await).await);
        let config: Config = serde_json::from_value(json!({})).unwrap();
        let store = Store::open(&bed.database.url(), 2).await.unwrap();
        let clock = ManualClock::at("2026-01-01T00:00:00Z");
        let other = Testbed::over(store, UserStorage::managed(), config, clock).unwrap();
        other.auth.users().edit(&id, |user| user.display_name = Some("Ada".to_owned())).await.unwrap();
        assert_eq!(refusal(&sign_up(&bed.client(), BOB, LOOKS_LIKE_ADA).await), taken());
        other.auth.users().edit(&id, |user| user.username = Some("Ada L".to_owned())).await.unwrap();
        assert_eq!(sign_up(&bed.client(), BOB, LOOKS_LIKE_ADA).await.status, 201);
        other.store.close().await;
    }
}

/// Two processes change users whose usernames look alike.
#[tokio::test]
async fn concurrent_change_of_a_user_that_looks_alike_succeeds() {
    let bed = Bed::new(On::Postgres, json!({ "usernames": true })).await;
    let (ada, bob) = (bed.browser(ADA).await, bed.browser(BOB).await);
    let (ada, bob) = (id_of(&ada).await, id_of(&bob).await);
    for (id, name) in [(&ada, "ada"), (&bob, LOOKS_LIKE_ADA)] {
        bed.run(&format!("UPDATE auth_users SET username = '{name}' WHERE id = '{id}'")).await;
    }
    let name: Username = "ada".parse().unwrap();
    let mut other = PgConnection::connect(&bed.database.url()).await.unwrap();
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.unwrap();
    let skeleton = name.skeleton();
    let write =
        format!("BEGIN; UPDATE auth_users SET username_skeleton = '{skeleton}' WHERE id = '{ada}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(write)).execute(&mut other).await.unwrap();
    let auth = bed.bed.auth.clone();
    let disabling = tokio::spawn(async move { auth.users().disable(&UserId::new(bob)).await });
    let waiting = format!(
        "SELECT CAST(COUNT(*) AS TEXT) FROM pg_stat_activity WHERE {pid} = ANY(pg_blocking_pids(pid))"
    );
    until("a change that waits", async || bed.text(&waiting).await != "0").await;
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert!(!disabling.await.unwrap().unwrap().is_active());
    let count = "SELECT CAST(COUNT(username_skeleton) AS TEXT) FROM auth_users";
    assert_eq!(bed.text(count).await, "1");
    other.close().await.unwrap();
    bed.remove().await;
}

/// Sets the username of a sign-up to a member of its body.
struct Nickname;

impl AuthHook for Nickname {
    async fn before_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError> {
        if let Some(name) = sign_up.member::<String>("nickname") {
            sign_up.user_mut().username = Some(name);
        }
        Ok(())
    }
}

#[tokio::test]
async fn username_of_a_hook_is_normalized() {
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .usernames(true)
        .rate_limits(RateLimits::disabled())
        .hook(Nickname)
        .flow(Password::new())
        .flow(AnonymousUsers::new())
        .build()
        .unwrap();
    let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let app = TestApp::serve(router).await;
    let sign_up = async |email: &str, name: &str| {
        let body = json!({ "email": email, "password": PASSWORD, "nickname": name });
        app.client().post("/auth/sign-up", &body).await
    };
    for name in ["a b", "x", "ada@example.com"] {
        assert_invalid(&sign_up(ADA, name).await, name);
    }
    let made = sign_up(ADA, "Ada").await;
    assert_eq!((made.status.as_u16(), &made.json()["user"]["username"]), (201, &json!("ada")));
    assert_eq!(login(&app.client(), "ADA", PASSWORD).await.status, 200);
    for name in ["ADA", LOOKS_LIKE_ADA] {
        assert_eq!(refusal(&sign_up(BOB, name).await), taken(), "{name}");
        let anonymous = app.client().post("/auth/anonymous", json!({ "nickname": name })).await;
        assert_eq!(refusal(&anonymous), taken(), "{name}");
    }
    let guest = app.client().post("/auth/anonymous", json!({ "nickname": "Support" })).await;
    assert_eq!(
        (guest.status.as_u16(), &guest.json()["user"]["username"]),
        (201, &json!("support"))
    );
    let mut user = User::new(uuid("grace"), "2026-01-01T00:00:00Z".parse().unwrap());
    user.username = Some("a b".to_owned());
    let passwords = auth.service::<Password>().unwrap();
    let refused = passwords.import(&user, "$argon2id$").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidMembers);
    user.username = Some("Grace".to_owned());
    passwords.import(&user, "$argon2id$").await.unwrap();
    let found = auth.users().find_by_username("grace").await.unwrap().unwrap();
    assert_eq!(found.username.as_deref(), Some("grace"));
}

#[tokio::test]
async fn external_users_sign_in_by_username() {
    for on in [On::Sqlite, On::Postgres] {
        let place = async |_: &Store, _: &Database| UserStorage::external(Directory::default());
        let bed = &Bed::over(on, json!({ "usernames": true }), place).await;
        let ada = named(bed, ADA, "Ada").await;
        assert_eq!(username_of(&ada).await, "ada");
        assert_eq!(login(&bed.client(), "ADA", PASSWORD).await.status, 200);
        assert_eq!(refusal(&sign_up(&bed.client(), BOB, LOOKS_LIKE_ADA).await), taken());
        assert_invalid(&rename(&ada, "grace").await, "the directory is only read");
        let mut costs = Vec::new();
        for name in ["ada", "unknown"] {
            let (statements, hashes) = (bed.statements().await, bed.hashes().await);
            assert_eq!(login(&bed.client(), name, "another password").await.status, 401);
            costs.push((bed.statements().await - statements, bed.hashes().await - hashes));
        }
        assert_eq!(costs[0], costs[1]);
    }
}

#[tokio::test]
async fn claims_of_the_application_are_read_at_a_sign_in_by_username() {
    for on in [On::Sqlite, On::Postgres] {
        let book = crate::places::Book::default();
        let place = async |_: &Store, _: &Database| UserStorage::managed_with_claims(book.clone());
        let bed = &Bed::over(on, json!({ "usernames": true }), place).await;
        let id = UserId::new(id_of(&named(bed, ADA, "ada").await).await);
        book.say(&id, &|user| user.roles = vec!["editor".to_owned()]);
        bed.bed.auth.users().notify_changed(&id).await.unwrap();
        let answer = login(&bed.client(), "ada", PASSWORD).await;
        assert_eq!(answer.json()["user"]["roles"], json!(["editor"]));
        assert_eq!(refusal(&sign_up(&bed.client(), BOB, LOOKS_LIKE_ADA).await), taken());
    }
}

#[tokio::test]
async fn table_without_an_index_of_skeletons_is_a_build_error() {
    let database = Database::fresh(On::Sqlite).await;
    database.run(ACCOUNTS_SQLITE).await;
    database.run("CREATE TABLE people (id TEXT PRIMARY KEY, email TEXT UNIQUE, name TEXT UNIQUE, likeness TEXT)").await;
    let store = Store::open(&database.url(), 2).await.unwrap();
    let people = || UserTable::new("people");
    for (table, is_enough) in [
        (accounts(), true),
        (people(), false),
        (people().username("name"), false),
        (people().username("name").username_skeleton("likeness"), false),
    ] {
        let config: Config = serde_json::from_value(json!({ "usernames": true })).unwrap();
        let users = store.mapped(table.clone()).await.unwrap();
        let clock = ManualClock::at("2026-01-01T00:00:00Z");
        let built = Testbed::over(store.clone(), users, config, clock);
        let problem = built.err().map(|error| error.to_string());
        assert_eq!(problem.is_none(), is_enough, "{table:?}");
        assert!(problem.is_none_or(|problem| problem.contains("UserTable::username_skeleton")));
    }
    store.close().await;
    database.remove().await;
}

#[test]
fn usernames_are_parsed_without_a_store() {
    let name: Username = "Ada.Lovelace".parse().unwrap();
    assert_eq!((name.as_str(), name.to_string()), ("ada.lovelace", "ada.lovelace".to_owned()));
}
