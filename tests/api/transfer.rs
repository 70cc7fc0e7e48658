//! Export and import of users.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use authlayer::{Auth, Password, SqliteStore, UserStorage, testing::Mailbox};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};

use crate::{
    places::Memory,
    support::{PASSWORD, on_every_store, sign_in},
};

fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn empty(users: UserStorage) -> Auth {
    Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .users(users)
        .mailer(Mailbox::default())
        .flow(Password::new())
        .build()
        .unwrap()
}

on_every_store! {
    async fn export_and_import_preserve_credentials(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let id = crate::support::id_of(&ada).await;
        bed.change(&id, json!({ "roles": ["admin"], "attributes": { "level": 3 } })).await;
        bed.browser("bob@example.com").await;
        crate::authenticator::enroll(bed, &ada).await;
        let mut file = Vec::new();
        assert_eq!(bed.bed.auth.users().export(&mut file).await.unwrap(), 2);
        for kind in ["totp", "recovery_codes"] {
            let text = format!("\"kind\":\"{kind}\"");
            assert!(String::from_utf8_lossy(&file).contains(&text), "{kind}");
        }
        for users in [UserStorage::managed(), UserStorage::custom(Memory::default())] {
            let there = empty(users).await;
            let done = there.users().import(file.as_slice(), |_| {}).await.unwrap();
            assert_eq!((done.users, done.refused), (2, 0), "{:?}", done.refusals);
            let moved = there.users().find_by_email("ada@example.com").await.unwrap().unwrap();
            assert_eq!(moved.id.as_str(), id);
            assert_eq!((moved.roles, moved.attributes["level"].clone()), (vec!["admin".to_owned()], json!(3)));
            let mut copy = Vec::new();
            there.users().export(&mut copy).await.unwrap();
            let sorted = |text: &[u8]| {
                let mut all = lines(text);
                for line in &mut all {
                    // Credentials of one moment are in no order.
                    let own = line["credentials"].as_array_mut().unwrap();
                    own.sort_by_key(|own| own["kind"].to_string());
                }
                all
            };
            assert_eq!(sorted(&copy), sorted(&file), "nothing is lost on the way");
            let again = there.users().import(file.as_slice(), |_| {}).await.unwrap();
            assert_eq!((again.users, again.refused), (0, 2), "the same file twice");
        }
        assert_eq!(sign_in(&bed.client(), "bob@example.com", PASSWORD).await.status, 200);
    }

    async fn imported_hashes_of_other_systems_are_replaced_at_sign_in(bed: &Bed) {
        // CR-02, PW-17
        let vectors = include_str!("../vectors/legacy-hashes.txt");
        let mut file = String::new();
        // The formats of the others are tested without a store.
        for (number, line) in vectors.lines().take(14).enumerate() {
            let hash = line.split_once(' ').unwrap().1;
            let email = format!("user-{number}@example.com");
            file += &format!("{}\n", json!({ "email": email, "password_hash": hash }));
        }
        let done = bed.bed.auth.users().import(file.as_bytes(), |_| {}).await.unwrap();
        assert_eq!((done.users, done.refused), (14, 0), "{:?}", done.refusals);
        for number in 0..14 {
            let email = format!("user-{number}@example.com");
            assert_eq!(sign_in(&bed.client(), &email, "incorrect horse").await.status, 401);
            let answer = sign_in(&bed.client(), &email, "correct horse").await;
            assert_eq!(answer.status, 200, "{}", vectors.lines().nth(number).unwrap());
            assert_eq!(sign_in(&bed.client(), &email, "correct horse").await.status, 200);
        }
        let mut after = Vec::new();
        bed.bed.auth.users().export(&mut after).await.unwrap();
        for user in lines(&after) {
            let hash = user["credentials"][0]["data"]["hash"].as_str().unwrap().to_owned();
            assert!(hash.starts_with("$argon2id$") || hash.starts_with("argon2$"), "{hash}");
        }
    }

    async fn invalid_line_is_reported_and_the_rest_is_imported(bed: &Bed) {
        bed.browser("taken@example.com").await;
        let long = "x".repeat(1 << 21);
        let file = [
            r#"{"email":"ada@example.com"}"#,
            "",
            "{",
            r#"{"email":"not an address"}"#,
            r#"{"email":"taken@example.com"}"#,
            r#"{"display_name":"nobody"}"#,
            r#"{"email":"eve@example.com","password_hash":"md5$abc$def"}"#,
            r#"{"email":"eve@example.com","sessions":[]}"#,
            &format!(r#"{{"email":"eve@example.com","display_name":"{long}"}}"#),
            r#"{"email":"eve@example.com","credentials":[{"kind":"hologram","lookup":"x","data":{},"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}]}"#,
            r#"{"email":"bob@example.com","status":"disabled"}"#,
            "\u{fe0f}",
        ]
        .join("\n");
        let mut reported = 0;
        let users = bed.bed.auth.users();
        let done = users.import(file.as_bytes(), |so_far| reported = so_far.users).await.unwrap();
        let refused: Vec<u64> = done.refusals.iter().map(|(line, _)| *line).collect();
        assert_eq!((done.lines, done.users, reported), (12, 2, 2), "{:?}", done.refusals);
        let mut sorted = refused.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [3, 4, 5, 6, 7, 8, 9, 10, 12]);
        assert!(users.find_by_email("eve@example.com").await.unwrap().is_none());
        let bob = users.find_by_email("bob@example.com").await.unwrap().unwrap();
        assert!(!bob.is_active());
    }
}

/// At most one batch and the buffer of the pipe are in memory between reader and store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn import_holds_at_most_one_batch_in_memory() {
    const ALL: u64 = 20_000;
    let auth = empty(UserStorage::managed()).await;
    let (mut writer, reader) = tokio::io::duplex(4096);
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let writing = tokio::spawn(async move {
        for number in 0..ALL {
            let line = format!("{{\"email\":\"user-{number}@example.com\"}}\n");
            writer.write_all(line.as_bytes()).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut most = 0;
    let done = auth
        .users()
        .import(BufReader::with_capacity(1024, reader), |so_far| {
            most = most.max(written.load(Ordering::SeqCst) - so_far.users);
        })
        .await
        .unwrap();
    writing.await.unwrap();
    assert_eq!((done.users, done.refused), (ALL, 0));
    // A pipe of 4 KiB and a buffer of 1 KiB hold about two hundred lines.
    assert!(most <= 500, "{most} users were read and not yet stored");
    let mut file = Vec::new();
    assert_eq!(auth.users().export(&mut file).await.unwrap(), ALL);
}
