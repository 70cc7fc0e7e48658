//! Secrets of authenticator apps at rest: sealed with the keys of the application.

use authlayer::{
    Auth, Password, SealingKey, SqliteStore, Totp, UserStorage,
    testing::{TestClient, TestResponse},
};
use serde_json::json;

use crate::{
    authenticator::{Authenticator, answer, enroll, error, factors},
    codes::handle,
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in, tests_on},
};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const OLD: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Signs in on a node with the next code of an app.
async fn enter(node: &Bed, email: &str, app: &Authenticator) -> (TestClient, TestResponse) {
    let browser = node.client();
    let challenge = handle(&sign_in(&browser, email, PASSWORD).await);
    let done = answer(&browser, &challenge, "totp", &app.next(node).await).await;
    (browser, done)
}

async fn enters(node: &Bed, email: &str, app: &Authenticator) {
    let (_, done) = enter(node, email, app).await;
    assert_eq!(done.status, 200, "{}", done.json());
    assert_eq!(factors(&done), ["password", "totp"]);
}

async fn is_unavailable(node: &Bed, email: &str, app: &Authenticator) {
    let (browser, refused) = enter(node, email, app).await;
    assert_eq!(error(&refused), expect(503, "unavailable"));
    assert_eq!(browser.get("/me").await.status, 401);
}

/// Another process on the database, with these keys, `periods` later.
async fn node(bed: &Bed, on: On, keys: &[&str], periods: u64) -> Bed {
    let config = json!({ "sealing_keys": keys });
    let node = Bed::joined_with(bed, on, UserStorage::managed(), config).await;
    node.advance(periods * 30).await;
    node
}

async fn stored(bed: &Bed) -> String {
    bed.text("SELECT data FROM auth_credentials WHERE kind = 'totp'").await
}

on_every_store! {
    async fn sealed_secret_is_not_in_the_database(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        enters(bed, ADA, &app).await;
        let (dump, secret) = (bed.dump().await, app.base32.as_bytes());
        let has = |part: &[u8]| dump.windows(part.len()).any(|own| own == part);
        // `row_to_json` of PostgreSQL escapes the quotes.
        let text = String::from_utf8_lossy(&dump).replace("\\\"", "\"");
        assert!(text.contains("\"sealed\""), "the dump has the app");
        assert!(!has(secret) && !has(app.secret()));
        assert!(!text.contains("\"secret\""));
    }

    async fn secret_without_keys_is_in_the_database(bed: &Bed, { "sealing_keys": [] }) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let (dump, secret) = (bed.dump().await, app.base32.as_bytes());
        assert!(dump.windows(secret.len()).any(|own| own == secret));
    }

    /// The sealed secret is bound to its row and its user.
    async fn secret_in_the_row_of_another_user_is_not_accepted(bed: &Bed) {
        let (ada, eve) = (bed.browser(ADA).await, bed.browser(EVE).await);
        let (own, done) = enroll(bed, &ada).await;
        let (foreign, theirs) = enroll(bed, &eve).await;
        enters(bed, ADA, &own).await;
        let id = |done: &serde_json::Value| done["totp"]["id"].as_str().unwrap().to_owned();
        let (to, from) = (id(&done), id(&theirs));
        bed.run(&format!(
            "UPDATE auth_credentials SET data = \
             (SELECT other.data FROM auth_credentials other WHERE other.id = '{from}') \
             WHERE id = '{to}'"
        ))
        .await;
        is_unavailable(bed, ADA, &foreign).await;
        is_unavailable(bed, ADA, &own).await;
        enters(bed, EVE, &foreign).await;
        bed.run(&format!("DELETE FROM auth_credentials WHERE id = '{to}'")).await;
        let user = id_of(&ada).await;
        bed.run(&format!("UPDATE auth_credentials SET user_id = '{user}' WHERE id = '{from}'")).await;
        is_unavailable(bed, ADA, &foreign).await;
    }
}

async fn rotation(on: On) {
    let bed = Bed::new(on, json!({ "sealing_keys": [OLD] })).await;
    let (app, _) = enroll(&bed, &bed.browser(ADA).await).await;
    let (idle, _) = enroll(&bed, &bed.browser(EVE).await).await;
    let before = stored_of(&bed, ADA).await;
    enters(&bed, ADA, &app).await;
    let sealed = |data: &str| {
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        data["sealed"].as_str().unwrap().to_owned()
    };
    assert_eq!(sealed(&stored_of(&bed, ADA).await), sealed(&before), "the key is the newest");
    let both = node(&bed, on, &[NEW, OLD], 1).await;
    enters(&both, ADA, &app).await;
    assert_ne!(sealed(&stored_of(&bed, ADA).await), sealed(&before), "it is sealed again");
    let after = node(&bed, on, &[NEW], 2).await;
    enters(&after, ADA, &app).await;
    is_unavailable(&after, EVE, &idle).await;
    is_unavailable(&node(&bed, on, &[OLD], 3).await, ADA, &app).await;
    enters(&node(&bed, on, &[NEW, OLD], 4).await, EVE, &idle).await;
    enters(&node(&bed, on, &[NEW], 5).await, EVE, &idle).await;
    bed.remove().await;
}

async fn stored_of(bed: &Bed, email: &str) -> String {
    bed.text(&format!(
        "SELECT c.data FROM auth_credentials c JOIN auth_users u ON u.id = c.user_id \
         WHERE c.kind = 'totp' AND u.email = '{email}'"
    ))
    .await
}

async fn later_keys(on: On) {
    let bed = Bed::new(on, json!({ "sealing_keys": [] })).await;
    let (app, _) = enroll(&bed, &bed.browser(ADA).await).await;
    assert!(stored(&bed).await.contains(&app.base32));
    let sealing = node(&bed, on, &[NEW], 0).await;
    enters(&sealing, ADA, &app).await;
    assert!(!stored(&bed).await.contains(&app.base32));
    enters(&node(&bed, on, &[NEW], 1).await, ADA, &app).await;
    bed.remove().await;
}

async fn missing_keys(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let ada = bed.browser(ADA).await;
    let (app, done) = enroll(&bed, &ada).await;
    let plain = node(&bed, on, &[], 0).await;
    is_unavailable(&plain, ADA, &app).await;
    let own = plain.client();
    own.set_cookie("auth", &ada.cookie("auth").unwrap());
    let step_up = own.post("/auth/totp/verify", json!({ "code": app.next(&plain).await })).await;
    assert_eq!(error(&step_up), expect(503, "unavailable"));
    assert_eq!(own.get("/auth/totp").await.json()["totp"].as_array().unwrap().len(), 1);
    let browser = plain.client();
    let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
    let code = done["recovery_codes"][0].as_str().unwrap();
    let recovered = answer(&browser, &challenge, "recovery_code", code).await;
    assert_eq!(factors(&recovered), ["password", "recovery_code"]);
    bed.remove().await;
}

macro_rules! on_two_stores {
    ($($name:ident: $run:ident)*) => {$(
        mod $name {
            use super::{$run as on, tests_on};
            tests_on! { [sqlite: Sqlite, postgres: Postgres] }
        }
    )*};
}

on_two_stores! {
    rotated_keys_seal_again_and_removed_keys_open_nothing: rotation
    secrets_of_before_are_sealed_at_their_next_use: later_keys
    sealed_secrets_without_keys_are_unavailable: missing_keys
}

#[tokio::test]
async fn lists_of_keys_are_checked_at_build() {
    let build = async |keys: Vec<[u8; 32]>| {
        let builder = Auth::builder(SqliteStore::memory().await.unwrap());
        let flows = builder.flow(Password::new()).flow(Totp::new("Example"));
        flows.origin("https://app.example.com").sealing_keys(keys).build().map(|_| ())
    };
    assert!(build(vec![[1; 32], [2; 32]]).await.is_ok());
    let none = build(Vec::new()).await.unwrap_err().to_string();
    assert_eq!(
        none,
        "sealing_keys: there must be at least one key; expected different keys, the newest first"
    );
    let twice = build(vec![[1; 32], [1; 32]]).await.unwrap_err().to_string();
    assert!(twice.starts_with("sealing_keys: two keys are equal"), "{twice}");
}

#[test]
fn keys_are_not_printed() {
    let key: SealingKey = NEW.parse().unwrap();
    assert_eq!(format!("{key:?}"), "SealingKey(…)");
    let builder = format!("{:?}", NEW[1..].parse::<SealingKey>().unwrap_err());
    assert!(!builder.contains("AwMD"), "{builder}");
}
