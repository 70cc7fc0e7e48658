//! Imports from other systems.

use std::sync::Arc;

use authlayer::{
    Auth, Password, SqliteStore,
    import::{ImportSource, ImportSummary},
    testing::{Mailbox, TestClient},
    users::UserQuery,
};
use axum::Router;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, sync::Notify};

use crate::{
    authenticator::{Authenticator, answer},
    support::{Bed, on_stores, sign_in},
};

macro_rules! vector {
    ($name:literal) => {
        include_str!(concat!("../vectors/import/", $name))
    };
}

const KNOWN: &str = "correct horse";

async fn import(auth: &Auth, source: &str, file: &str) -> ImportSummary {
    let source: ImportSource = source.parse().unwrap();
    auth.users().import_from(source, file.as_bytes(), |_| {}).await.unwrap()
}

fn counts(done: &ImportSummary) -> (u64, u64, u64, u64) {
    (done.users, done.skipped, done.refused, done.omitted)
}

async fn exported(auth: &Auth) -> Vec<Value> {
    let mut file = Vec::new();
    auth.users().export(&mut file).await.unwrap();
    let text = String::from_utf8(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'u>(user: &'u Value, kind: &str) -> Vec<&'u Value> {
    let all = user["credentials"].as_array().unwrap();
    all.iter().filter(|own| own["kind"] == kind).collect()
}

async fn check(
    bed: &Bed,
    source: &str,
    file: &str,
    expected: (u64, u64, u64, u64),
    login: &str,
    password: &str,
) {
    let auth = &bed.bed.auth;
    let done = import(auth, source, file).await;
    let context = format!("{source}: {:?} {:?}", done.refusals, done.omissions);
    assert_eq!(counts(&done), expected, "{context}");
    let wrong = sign_in(&bed.client(), login, "incorrect horse").await;
    assert_eq!(wrong.status, 401, "{source}");
    let done = sign_in(&bed.client(), login, password).await;
    assert!(matches!(done.status.as_u16(), 200 | 202), "{source}: {}", done.json());
    let user = auth.users().find_by_email(login).await.unwrap().unwrap();
    assert_eq!(user.app_metadata["import"]["source"], json!(source));
    let source_id = user.app_metadata["import"]["id"].as_str().unwrap();
    let parsed: ImportSource = source.parse().unwrap();
    assert_eq!(user.id, parsed.user_id(source_id));
    let all = exported(auth).await;
    let own = all.iter().find(|own| own["id"] == user.id.as_str()).unwrap();
    let hash = &of_kind(own, "password")[0]["data"]["hash"];
    if done.status == 200 {
        assert!(hash.as_str().unwrap().contains("$argon2id$"), "{source}: {hash}");
    }
    let again = import(auth, source, file).await;
    assert_eq!(counts(&again), (0, expected.0, expected.2, 0), "{source}: {:?}", again.refusals);
    assert_eq!(auth.users().count(&UserQuery::new()).await.unwrap(), expected.0);
    for own in all {
        auth.users().delete(&authlayer::UserId::new(own["id"].as_str().unwrap())).await.unwrap();
    }
}

on_stores! {
    [sqlite: Sqlite, postgres: Postgres]

    /// CR-02, PW-17. The files of better-auth and Django are exports of the real ones.
    async fn users_of_each_source_sign_in_with_their_password(bed: &Bed, { "usernames": true, "limits": false, "totp": true }) {
        let ada = "ada@example.com";
        for (source, file, expected, login) in [
            ("better-auth", vector!("better-auth.json"), (3, 0, 0, 2), ada),
            ("auth0", vector!("auth0.jsonl"), (3, 0, 0, 2), ada),
            ("supabase", vector!("supabase.jsonl"), (2, 0, 0, 2), ada),
            ("django", vector!("django.jsonl"), (6, 0, 0, 1), "django-2@example.com"),
            ("django", vector!("django-dumpdata.json"), (6, 0, 1, 1), "django-1@example.com"),
            ("asp-net", vector!("asp-net.json"), (2, 0, 0, 2), "ada@example.com"),
            ("laravel", vector!("laravel.jsonl"), (2, 0, 1, 1), "bob@example.com"),
            ("wordpress", vector!("wordpress.jsonl"), (3, 0, 0, 2), ada),
            ("keycloak", vector!("keycloak.json"), (3, 0, 1, 1), "eve@example.com"),
            ("axum-login", vector!("axum-login.jsonl"), (2, 0, 0, 0), ada),
        ] {
            let password = if source == "asp-net" { "my password" } else { KNOWN };
            check(bed, source, file, expected, login, password).await;
        }
    }

    async fn second_factors_and_identities_are_taken_over(bed: &Bed, { "usernames": true, "limits": false, "totp": true }) {
        let auth = &bed.bed.auth;
        import(auth, "keycloak", vector!("keycloak.json")).await;
        let client = bed.client();
        let pending = sign_in(&client, "ada@example.com", KNOWN).await;
        assert_eq!(pending.status, 202, "{}", pending.json());
        assert_eq!(pending.json()["methods"], json!(["totp"]));
        let app = Authenticator::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let done = answer(&client, pending.json()["challenge"].as_str().unwrap(), "totp", &app.code(bed)).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let all = exported(auth).await;
        let ada = all.iter().find(|own| own["email"] == "ada@example.com").unwrap();
        let identity = of_kind(ada, "identity")[0];
        assert_eq!(identity["lookup"], "https://github.com\n583231");
        assert_eq!(identity["data"]["provider"], "github");
        let secrets: Vec<_> = of_kind(ada, "totp").iter().map(|own| own["data"]["name"].clone()).collect();
        assert_eq!(secrets, ["phone"]);
    }

    async fn interrupted_import_resumes_without_duplicates(bed: &Bed) {
        let line = |number: usize| {
            format!("{}\n", json!({ "id": number, "email": format!("user-{number}@example.com") }))
        };
        let (mut writer, reader) = tokio::io::duplex(1 << 16);
        let auth = bed.bed.auth.clone();
        let stored = Arc::new(Notify::new());
        let notify = Arc::clone(&stored);
        let importing = tokio::spawn(async move {
            let input = tokio::io::BufReader::new(reader);
            let progress = move |_: &ImportSummary| notify.notify_one();
            auth.users().import_from(ImportSource::AxumLogin, input, progress).await
        });
        // One batch and a part of the next.
        for number in 0..700 {
            writer.write_all(line(number).as_bytes()).await.unwrap();
        }
        stored.notified().await;
        importing.abort();
        assert!(importing.await.unwrap_err().is_cancelled());
        let users = bed.bed.auth.users();
        let file: String = (0..1200).map(line).collect();
        let done = import(&bed.bed.auth, "axum-login", &file).await;
        assert_eq!(counts(&done), (700, 500, 0, 0), "{:?}", done.refusals);
        assert_eq!(users.count(&UserQuery::new()).await.unwrap(), 1200);
    }

    /// Also that formulas are only text.
    async fn hostile_records_are_rejected_with_their_number(bed: &Bed) {
        bed.browser("taken@example.com").await;
        let long = format!(r#"{{"id":3,"email":"long@example.com","name":"{}"}}"#, "x".repeat(10 << 20));
        let mut lines: Vec<Vec<u8>> = [
            r#"{"id":1,"email":"Ada@Example.com","name":"=HYPERLINK(\"https://evil.example\")"}"#,
            r#"{"id":2,"email":"eve@example.com","name":"a\u0000b"}"#,
            &long,
            r#"{"id":4,"email":"ADA@EXAMPLE.COM"}"#,
            r#"{"id":5,"email":"taken@example.com"}"#,
            r#"{"id":6,"email":"not an address"}"#,
            r#"{"id":7}"#,
            r#"["id"]"#,
            r#"{"id":9,"email":"eve@example.com""#,
            "",
            r#"{"id":11,"email":"eve@example.com","na\u0000me":[{"x":"\u0000"}]}"#,
        ]
        .iter()
        .map(|line| line.as_bytes().to_vec())
        .collect();
        lines.push(b"{\"id\":12,\"email\":\"eve@example.com\",\"name\":\"\xff\"}".to_vec());
        lines.push(b"{\"id\":13,\"email\":\"eve@example.com\",\"name\":\"\0\"}".to_vec());
        lines.push(br#"{"id":14,"email":"bob@example.com","name":"not \\u0000"}"#.to_vec());
        let file = lines.join(&b'\n');
        let users = bed.bed.auth.users();
        let done = users.import_from(ImportSource::Laravel, file.as_slice(), |_| {}).await.unwrap();
        let mut refused: Vec<u64> = done.refusals.iter().map(|(number, _)| *number).collect();
        refused.sort_unstable();
        assert_eq!(refused, [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13], "{:?}", done.refusals);
        assert_eq!((done.users, done.lines), (2, 14));
        let ada = users.find_by_email("ada@example.com").await.unwrap().unwrap();
        assert_eq!(ada.display_name.as_deref(), Some("=HYPERLINK(\"https://evil.example\")"));
        assert!(users.find_by_email("bob@example.com").await.unwrap().is_some());
        // The lines of an export are as strict.
        let own = "{\"email\":\"eve@example.com\",\"display_name\":\"\\u0000\"}\n{\"id\":\"1\",\"email\":\"new@example.com\"}\n";
        let done = import(&bed.bed.auth, "authlayer", own).await;
        assert_eq!(counts(&done), (1, 0, 1, 0), "{:?}", done.refusals);
        assert_eq!(counts(&import(&bed.bed.auth, "authlayer", own).await), (0, 1, 1, 0));
        let error = users.import_from(ImportSource::Keycloak, &b"{\"realm\":1}"[..], |_| {}).await;
        assert!(error.unwrap_err().to_string().contains("users"));
    }
}

async fn with(password: Password) -> (Auth, TestClient) {
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .mailer(Mailbox::default())
        .flow(password)
        .build()
        .unwrap();
    let client = TestClient::new(Router::new().nest("/auth", auth.router()));
    (auth, client.with("origin", "https://app.example.com"))
}

/// CR-02: the secrets are options of the application, and not stored with the users.
#[tokio::test]
async fn hashes_with_a_secret_need_it_in_the_configuration() {
    let key =
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    for (source, file, options, password, omitted) in [
        (
            ImportSource::firebase("Bw==", 8, 14),
            vector!("firebase.json"),
            Password::new().firebase_signer_key(key),
            "user1password",
            2,
        ),
        (
            ImportSource::devise(true),
            vector!("devise.jsonl"),
            Password::new().devise_pepper("the pepper of an application"),
            KNOWN,
            1,
        ),
    ] {
        let (auth, client) = with(options).await;
        let users = auth.users();
        let done = users.import_from(source.clone(), file.as_bytes(), |_| {}).await.unwrap();
        assert_eq!((done.users, done.omitted), (2, omitted), "{:?}", done.omissions);
        for _ in 0..2 {
            assert_eq!(sign_in(&client, "ada@example.com", password).await.status, 200, "{source}");
        }
        let hash = exported(&auth).await[0].to_string() + &exported(&auth).await[1].to_string();
        assert!(hash.contains("$argon2id$"), "{source}");
        let (auth, client) = with(Password::new()).await;
        let done = auth.users().import_from(source, file.as_bytes(), |_| {}).await.unwrap();
        assert_eq!((done.users, done.omitted), (2, omitted + 1), "{:?}", done.omissions);
        assert_eq!(sign_in(&client, "ada@example.com", password).await.status, 401);
    }
    for invalid in [Password::new().devise_pepper(""), Password::new().firebase_signer_key("?")] {
        let store = SqliteStore::memory().await.unwrap();
        let built = Auth::builder(store).origin("https://app.example.com").flow(invalid).build();
        assert!(built.is_err());
    }
}
