//! The audit log, event sinks and hooks.

use std::{sync::Arc, time::Duration};

use authlayer::{
    Auth, AuthHook, ChannelSink, EmailCodes, Event, EventKind, EventSink, Factor, HookError,
    Passkeys, Password, PgStore, SqliteStore, User,
    clock::Clock,
    hook::{HookRequest, Purpose, SignUpDraft},
    model::ClientInfo as Device,
    store::{
        EventQuery, Store,
        sql::{Db, SqlStore},
    },
    testing::{EventRecorder, Mailbox, ManualClock, TestApp, TestClient, VirtualAuthenticator},
};
use axum::Router;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    gate::TableLock,
    passkeys::{ORIGIN, begin, finish},
    support::{Database, On, PASSWORD, until},
};

async fn open(database: &Database) -> Arc<dyn Kept> {
    let url = database.url();
    match url.strip_prefix("sqlite:") {
        Some(path) => Arc::new(SqliteStore::open(path).await.unwrap()),
        None => Arc::new(PgStore::connect_with(&url, 2).await.unwrap()),
    }
}

/// A store of either engine.
trait Kept: Send + Sync {
    fn builder(&self) -> authlayer::AuthBuilder;
    fn background(&self) -> u64;
}

impl<DB: Db> Kept for SqlStore<DB>
where
    Self: Store,
{
    fn background(&self) -> u64 {
        self.statements().background
    }

    fn builder(&self) -> authlayer::AuthBuilder {
        Auth::builder(self.clone()).origin("http://localhost:3000").flow(Password::new())
    }
}

async fn serve(auth: &Auth) -> (TestApp, TestClient) {
    let app = TestApp::serve(Router::new().nest("/auth", auth.router()).layer(auth.layer())).await;
    let client = app.client();
    (app, client)
}

async fn sign(
    client: &TestClient,
    what: &str,
    email: &str,
    password: &str,
) -> authlayer::testing::TestResponse {
    client.post(&format!("/auth/{what}"), json!({ "email": email, "password": password })).await
}

/// LG-05
#[tokio::test]
async fn audit_log_returns_events_by_user_and_time() {
    for on in [On::Sqlite, On::Postgres] {
        audit_log_is_queried(on).await;
    }
}

pub(crate) async fn audit_log_is_queried(on: On) {
    let database = Database::fresh(on).await;
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let (watch, (channel, mut received)) = (EventRecorder::default(), ChannelSink::new(100));
    let store = open(&database).await;
    let auth = store
        .builder()
        .clock(clock.clone())
        .event_sink(watch.clone())
        .event_sink(channel)
        .audit_log(Duration::from_secs(3600))
        .max_clock_skew(None)
        .build()
        .unwrap();
    let (_app, client) = serve(&auth).await;
    assert_eq!(sign(&client, "sign-up", "ada@example.com", PASSWORD).await.status, 201);
    assert_eq!(sign(&client, "sign-up", "bob@example.com", PASSWORD).await.status, 201);
    for _ in 0..3 {
        assert_eq!(sign(&client, "sign-in", "ada@example.com", "my secret typo").await.status, 401);
    }
    auth.shutdown(Duration::from_secs(60)).await;
    let audit = auth.audit_log().unwrap();
    let all = audit.query(&EventQuery::default(), 100).await.unwrap();
    assert_eq!(all.len(), watch.all().len());
    let kinds: Vec<_> = all.iter().rev().map(|kept| kept.event.kind).collect();
    let seen: Vec<_> = watch.all().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, seen, "in the order in which it happened");
    for kept in &all {
        let text = serde_json::to_string(&kept).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = (json!(kept.id), json!(kept.event.kind.as_str()), json!(kept.event.at));
        assert_eq!((json["id"].clone(), json["kind"].clone(), json["at"].clone()), expected);
        assert!(
            !text.contains("typo") && !text.contains(PASSWORD) && !text.contains("@"),
            "{text}"
        );
        assert!(received.recv().await.is_some());
    }

    let ada = auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
    let of_ada = EventQuery::default().user(ada.id.clone());
    let found = audit.query(&of_ada, 100).await.unwrap();
    assert!(found.iter().all(|kept| kept.event.user_id.as_ref() == Some(&ada.id)));
    let failed = of_ada.clone().kind(EventKind::SignInFailed);
    let found = audit.query(&failed, 100).await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].event.detail["reason"], "wrong_password");
    let page = audit.query(&failed, 2).await.unwrap();
    let next = failed.before(&page[1].id);
    assert_eq!(audit.query(&next, 2).await.unwrap().len(), 1);
    assert_eq!(audit.dropped_events(), 0);

    clock.advance(Duration::from_secs(3601));
    auth.sweep().await.unwrap();
    assert!(
        audit.query(&EventQuery::default(), 100).await.unwrap().is_empty(),
        "deleted after the retention"
    );
    drop(auth);
    database.remove().await;
}

fn password_changed() -> Event {
    Event::new(EventKind::PasswordChanged, Timestamp::UNIX_EPOCH)
}

async fn stored(auth: &Auth, kind: EventKind) -> usize {
    let query = EventQuery::default().kind(kind);
    auth.audit_log().unwrap().query(&query, 1000).await.unwrap().len()
}

/// This runtime has one thread, so that nothing is written between two events.
#[tokio::test]
async fn failed_sign_ins_do_not_push_other_events_out() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let day = Duration::from_secs(86_400);
        let auth = open(&database).await.builder().audit_log(day).build().unwrap();
        let audit = auth.audit_log().unwrap();
        for _ in 0..10_000 {
            audit.record(Event::new(EventKind::SignInFailed, Timestamp::UNIX_EPOCH));
        }
        for _ in 0..1000 {
            audit.record(password_changed());
        }
        let lost = audit.dropped_events();
        assert!(lost > 0);
        assert_eq!(audit.dropped_low_priority(), lost);
        auth.shutdown(Duration::from_secs(60)).await;
        assert_eq!(stored(&auth, EventKind::PasswordChanged).await, 1000);
        let failed = 10_000 - usize::try_from(lost).unwrap();
        assert_eq!(stored(&auth, EventKind::SignInFailed).await, failed.min(1000));
        assert_eq!(audit.dropped_events(), lost);
        drop(auth);
        database.remove().await;
    }
}

#[tokio::test]
async fn failed_audit_writes_are_retried() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let day = Duration::from_secs(86_400);
        let store = open(&database).await;
        let auth = store.builder().audit_log(day).build().unwrap();
        database.run("ALTER TABLE auth_events RENAME TO away").await;
        let before = store.background();
        auth.audit_log().unwrap().record(password_changed());
        while store.background() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        database.run("ALTER TABLE away RENAME TO auth_events").await;
        auth.shutdown(Duration::from_secs(60)).await;
        assert_eq!(stored(&auth, EventKind::PasswordChanged).await, 1);
        assert_eq!(auth.audit_log().unwrap().dropped_events(), 0);
        drop(auth);
        database.remove().await;
    }
}

#[tokio::test]
async fn unwritten_events_are_counted_as_dropped() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let day = Duration::from_secs(86_400);
        let auth = open(&database).await.builder().audit_log(day).build().unwrap();
        database.run("ALTER TABLE auth_events RENAME TO away").await;
        for _ in 0..3 {
            auth.audit_log().unwrap().record(password_changed());
        }
        auth.shutdown(Duration::from_secs(60)).await;
        assert_eq!(auth.audit_log().unwrap().dropped_events(), 3);
        database.run("ALTER TABLE away RENAME TO auth_events").await;
        auth.audit_log().unwrap().record(password_changed());
        auth.shutdown(Duration::from_secs(60)).await;
        assert_eq!(auth.audit_log().unwrap().dropped_events(), 3);
        assert_eq!(stored(&auth, EventKind::PasswordChanged).await, 1);
        drop(auth);
        database.remove().await;
    }
}

#[tokio::test]
async fn events_of_a_deleted_user_contain_no_ip_address() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let hour = Duration::from_secs(3600);
        let auth = open(&database).await.builder().audit_log(hour).build().unwrap();
        let (_app, client) = serve(&auth).await;
        assert_eq!(sign(&client, "sign-up", "ada@example.com", PASSWORD).await.status, 201);
        let ada = auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
        let gone = client.send(http::Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!(gone.status, 204);
        auth.shutdown(Duration::from_secs(60)).await;
        let query = EventQuery::default().user(ada.id.clone());
        assert!(auth.audit_log().unwrap().query(&query, 100).await.unwrap().len() >= 3);
        until("anonymization", async || addresses(&auth, &ada.id).await == 0).await;
        drop(auth);
        database.remove().await;
    }
}

async fn addresses(auth: &Auth, user: &authlayer::UserId) -> usize {
    let query = EventQuery::default().user(user.clone());
    let found = auth.audit_log().unwrap().query(&query, 1000).await.unwrap();
    found.iter().filter(|kept| kept.event.ip.is_some()).count()
}

/// A user with many events can be deleted: no event is updated in the transaction.
#[tokio::test]
async fn deletion_of_a_user_does_not_wait_for_the_audit_log() {
    let database = Database::fresh(On::Postgres).await;
    let hour = Duration::from_secs(3600);
    let auth = open(&database).await.builder().audit_log(hour).build().unwrap();
    let (_app, client) = serve(&auth).await;
    assert_eq!(sign(&client, "sign-up", "ada@example.com", PASSWORD).await.status, 201);
    let ada = auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
    auth.shutdown(Duration::from_secs(60)).await;
    let lock = TableLock::of(&database, "auth_events").await;
    let deleted = tokio::time::timeout(Duration::from_secs(3), auth.users().delete(&ada.id)).await;
    lock.open().await;
    deleted.unwrap().unwrap();
    drop(auth);
    database.remove().await;
}

/// Events are anonymized in batches, also those that are written after the deletion.
#[tokio::test]
async fn events_written_after_a_deletion_are_anonymized() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let clock = ManualClock::at("2026-01-01T00:00:00Z");
        let (store, day) = (open(&database).await, Duration::from_secs(86_400));
        let auth = store.builder().clock(clock.clone()).max_clock_skew(None).cleanup_interval(None);
        let auth = auth.audit_log(day).build().unwrap();
        let (_app, client) = serve(&auth).await;
        for email in ["ada@example.com", "bob@example.com"] {
            assert_eq!(sign(&client, "sign-up", email, PASSWORD).await.status, 201);
        }
        let user_of = async |email| auth.users().find_by_email(email).await.unwrap().unwrap().id;
        let (ada, bob) = (user_of("ada@example.com").await, user_of("bob@example.com").await);
        let at = clock.now();
        let record = |user, count| {
            for _ in 0..count {
                let event = Event::new(EventKind::SignInFailed, at).user(user);
                auth.audit_log().unwrap().record(event.ip(Some("192.0.2.1")));
            }
        };
        record(&ada, 900);
        auth.shutdown(Duration::from_secs(60)).await;
        record(&ada, 900);
        auth.shutdown(Duration::from_secs(60)).await;
        auth.users().delete(&ada).await.unwrap();
        record(&ada, 10);
        record(&bob, 10);
        auth.shutdown(Duration::from_secs(60)).await;
        clock.advance(Duration::from_secs(60));
        auth.sweep().await.unwrap();
        assert_eq!(addresses(&auth, &ada).await, 0, "{on:?}");
        record(&ada, 10);
        auth.shutdown(Duration::from_secs(60)).await;
        auth.sweep().await.unwrap();
        assert_eq!(addresses(&auth, &ada).await, 0, "{on:?}: events of another process");
        let rest = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_events WHERE ip IS NOT NULL";
        assert_eq!(database.text(rest).await, (addresses(&auth, &bob).await).to_string());
        assert!(addresses(&auth, &bob).await >= 10);
        let recorded = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_deleted_users";
        assert_eq!(database.text(recorded).await, "1");
        clock.advance(Duration::from_secs(7200));
        auth.sweep().await.unwrap();
        assert_eq!(database.text(recorded).await, "0", "{on:?}: an hour later");
        drop(auth);
        database.remove().await;
    }
}

/// The deletion of one user does not shorten the retries of the writer.
#[tokio::test]
async fn deletion_of_a_user_drops_no_events_of_others() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let day = Duration::from_secs(86_400);
        let auth = open(&database).await.builder().audit_log(day).build().unwrap();
        let (_app, client) = serve(&auth).await;
        assert_eq!(sign(&client, "sign-up", "ada@example.com", PASSWORD).await.status, 201);
        auth.shutdown(Duration::from_secs(60)).await;
        database.run("ALTER TABLE auth_events RENAME TO away").await;
        auth.audit_log().unwrap().record(password_changed());
        let gone = client.send(http::Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!(gone.status, 204, "{on:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(auth.audit_log().unwrap().dropped_events(), 0, "{on:?}");
        database.run("ALTER TABLE away RENAME TO auth_events").await;
        auth.shutdown(Duration::from_secs(60)).await;
        assert_eq!(auth.audit_log().unwrap().dropped_events(), 0, "{on:?}");
        assert_eq!(stored(&auth, EventKind::PasswordChanged).await, 1);
        drop(auth);
        database.remove().await;
    }
}

/// A hook of the application.
struct House;

impl AuthHook for House {
    async fn before_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError> {
        assert!(sign_up.client().unwrap().ip.is_some());
        match sign_up.user().email.as_ref().map(ToString::to_string).unwrap_or_default() {
            email if email.ends_with("@example.com") => Ok(()),
            email if email.ends_with("@down.example") => Err(HookError::unavailable("no answer")),
            _ => Err(HookError::reject("Only for us")),
        }
    }

    async fn before_sign_in(
        &self,
        user: &User,
        factor: Factor,
        _: &Device,
    ) -> Result<(), HookError> {
        assert_eq!(factor, Factor::Password);
        match user.display_name.as_deref() {
            Some("sleepy") => Err(HookError::reject("Not at night")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn hook_rejects_sign_ups_and_sign_ins_with_its_reason() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = open(&database).await.builder().hook(House).build().unwrap();
        let (_app, client) = serve(&auth).await;
        let refused = sign(&client, "sign-up", "eve@elsewhere.example", PASSWORD).await;
        assert_eq!(
            (refused.code().as_str(), &refused.json()["detail"]),
            ("forbidden", &json!("Only for us"))
        );
        assert_eq!(
            sign(&client, "sign-up", "eve@down.example", PASSWORD).await.code(),
            "unavailable"
        );
        assert!(auth.users().find_by_email("eve@down.example").await.unwrap().is_none());
        let sleepy = json!({
            "email": "bob@example.com", "password": PASSWORD, "display_name": "sleepy",
        });
        assert_eq!(client.post("/auth/sign-up", &sleepy).await.code(), "forbidden");
        assert!(auth.users().find_by_email("bob@example.com").await.unwrap().is_none());
        assert_eq!(sign(&client, "sign-up", "ada@example.com", PASSWORD).await.status, 201);
        assert_eq!(sign(&client, "sign-in", "ada@example.com", PASSWORD).await.status, 200);
        let ada = auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
        auth.users()
            .edit(&ada.id, |user| user.display_name = Some("sleepy".to_owned()))
            .await
            .unwrap();
        assert_eq!(sign(&client, "sign-in", "ada@example.com", PASSWORD).await.code(), "forbidden");
        let wrong = sign(&client, "sign-in", "ada@example.com", "wrong password").await;
        assert_eq!(
            wrong.code(),
            "invalid_credentials",
            "called after the password was verified, not before"
        );
        assert_eq!(
            auth.sessions().list(&ada.id).await.unwrap().len(),
            1,
            "the rejected sign-in left no session"
        );
        drop(auth);
        database.remove().await;
    }
}

/// Rejects the sign-in of one user name with any factor.
struct Night;

impl AuthHook for Night {
    async fn before_sign_in(&self, user: &User, _: Factor, _: &Device) -> Result<(), HookError> {
        match user.display_name.as_deref() {
            Some("sleepy") => Err(HookError::reject("Not at night")),
            _ => Ok(()),
        }
    }
}

/// Requires a solved captcha for a sign-up, and a header for everything else.
struct Captcha;

impl AuthHook for Captcha {
    async fn before_request(&self, request: &HookRequest<'_>) -> Result<(), HookError> {
        assert!(request.client().ip.is_some());
        match request.purpose() {
            Purpose::SignUp if request.member("captcha_token") == Some("solved".to_owned()) => {
                Ok(())
            }
            Purpose::SignUp => Err(HookError::reject("Solve the captcha")),
            _ if request.headers().contains_key("x-blocked") => Err(HookError::reject("Blocked")),
            _ => Ok(()),
        }
    }
}

/// The hook receives headers and further members before a password is hashed or an attempt counted.
#[tokio::test]
async fn hook_receives_headers_and_members_before_hashing() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = open(&database).await.builder().hook(Captcha);
        let auth = auth.flow(Passkeys::new("Example").allow_sign_up(true)).build().unwrap();
        let (_app, client) = serve(&auth).await;
        let hashes = || auth.service::<Password>().unwrap().hash_count();
        let refused = sign(&client, "sign-up", "ada@example.com", PASSWORD).await;
        assert_eq!((refused.code().as_str(), hashes()), ("forbidden", 0), "{on:?}");
        let body = json!({
            "email": "ada@example.com", "password": PASSWORD, "captcha_token": "solved",
        });
        assert_eq!(client.post("/auth/sign-up", &body).await.status, 201);
        assert_eq!(hashes(), 1);
        let blocked = client.clone().with("x-blocked", "1");
        for _ in 0..7 {
            let refused = sign(&blocked, "sign-in", "ada@example.com", "wrong password").await;
            assert_eq!(refused.json()["detail"], "Blocked");
        }
        assert_eq!(hashes(), 1);
        let start = "/auth/passkeys/sign-in/start";
        assert_eq!(blocked.post(start, json!({})).await.code(), "forbidden");
        let eve = json!({ "email": "eve@example.com" });
        let start = "/auth/passkeys/sign-up/start";
        assert_eq!(client.post(start, &eve).await.code(), "forbidden");
        assert_eq!(sign(&client, "sign-in", "ada@example.com", PASSWORD).await.status, 200);
        drop(auth);
        database.remove().await;
    }
}

/// A sign-up that creates a session is also a sign-in: the hook is called before the user exists.
#[tokio::test]
async fn sign_up_by_code_or_passkey_calls_the_hook_before_creating_a_user() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let mailbox = Mailbox::default();
        let proving = open(&database).await.builder().hook(Night).mailer(mailbox.clone());
        let proving =
            proving.flow(EmailCodes::new().verify_email_on_sign_up(true)).build().unwrap();
        let (_app, client) = serve(&proving).await;
        let body = json!({
            "email": "bob@example.com", "password": PASSWORD, "display_name": "sleepy",
        });
        let begun = client.post("/auth/sign-up", &body).await;
        assert_eq!(begun.status, 202, "{}", begun.json());
        proving.shutdown(Duration::from_secs(60)).await;
        let code = mailbox.all()[0].code.clone().unwrap();
        let proof = json!({ "challenge": begun.json()["challenge"], "code": code });
        assert_eq!(client.post("/auth/verify", &proof).await.code(), "forbidden");
        assert!(proving.users().find_by_email("bob@example.com").await.unwrap().is_none());

        let keys = open(&database).await.builder().hook(Night);
        let keys = keys.flow(Passkeys::new("Example").allow_sign_up(true)).build().unwrap();
        let (_app, client) = serve(&keys).await;
        let who = json!({ "email": "eve@example.com", "display_name": "sleepy" });
        let begun = begin(&client, "sign-up", &who).await;
        let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
        let done = finish(&client, "sign-up", &begun, &credential).await;
        assert_eq!(done.code(), "forbidden");
        assert!(keys.users().find_by_email("eve@example.com").await.unwrap().is_none());
        drop((proving, keys));
        database.remove().await;
    }
}
