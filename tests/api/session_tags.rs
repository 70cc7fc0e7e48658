//! Tags of sessions of a flow outside of the crate, on both databases.

use std::time::Duration;

use authlayer::{
    Auth, AuthError, Client as AuthClient, ConfigError, EmailCodes, EventKind, Factor, Flow,
    JsonBody, Password, PgStore, RateLimits, Registry, SignInOutcome, SignedIn, SqliteStore, Totp,
    services::{
        CredentialOptions, Credentials, NewAccount, Services, SessionTag, TokenChallenges,
        VerifiedFactor,
    },
    store::Store,
    testing::{EventRecorder, Mailbox, ManualClock, TestApp, TestClient, TestResponse},
    users::NewUser,
};
use axum::{Router, extract::State, routing::post};
use serde_json::{Value, json};

use crate::{
    authenticator::Authenticator,
    support::{Database, On, until},
};

const BADGE: Factor = Factor::custom("badge");

/// Sign-in at a kiosk with a badge, and with a link that is not bound to a credential.
struct Kiosks;

#[derive(Clone)]
struct KioskService {
    services: Services,
    badges: Credentials<()>,
    links: TokenChallenges<()>,
}

impl Flow for Kiosks {
    type Service = KioskService;

    fn name(&self) -> &str {
        "kiosks"
    }

    fn register(self, registry: &mut Registry) -> Result<KioskService, ConfigError> {
        let badge = CredentialOptions::default().signs_in(true).factor(BADGE);
        let service = KioskService {
            services: registry.services(),
            badges: registry.credentials("badge", badge),
            links: registry.tokens("kiosk_links", Duration::from_secs(600)),
        };
        registry.routes(
            &service,
            [
                ("/kiosks/sign-up", post(sign_up)),
                ("/kiosks/sign-in", post(sign_in)),
                ("/kiosks/refresh", post(refresh)),
            ],
        );
        Ok(service)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

fn tags(body: &Value) -> Vec<SessionTag> {
    let kiosks = body["kiosks"].as_array().into_iter().flatten();
    kiosks.map(|kiosk| SessionTag::new("kiosk", kiosk.as_str().unwrap())).collect()
}

async fn sign_up(
    State(own): State<KioskService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let user = match body["email"].as_str() {
        Some(email) => NewUser::with_email(authlayer::Email::parse(email).unwrap()),
        None => NewUser::new(),
    };
    let client = client.with_options(serde_json::from_value(body.clone()).unwrap());
    let account = NewAccount::new(user).credential(&own.badges, text(&body, "badge"), ());
    let account = tags(&body).into_iter().fold(account, NewAccount::tag);
    own.services.sign_in().sign_up(&client, account).await
}

async fn sign_in(
    State(own): State<KioskService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let badge = own.badges.find(text(&body, "badge")).await?.unwrap();
    let verified = match body["link"] == true {
        // Without a use of the badge: the session has no credential.
        true => {
            let issued = own.links.issue(&client, &badge.user_id, ()).await?;
            let consumed = own.links.consume(&client, issued.handle()).await?;
            VerifiedFactor::challenge(BADGE, consumed)?
        }
        false => VerifiedFactor::asserted(&badge.user_id, BADGE).using(badge.used()),
    };
    let verified = tags(&body).into_iter().fold(verified, VerifiedFactor::tag);
    own.services.sign_in().complete(&client, verified).await
}

async fn refresh(
    State(own): State<KioskService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignedIn, AuthError> {
    let tag = tags(&body).remove(0);
    own.services.sessions().refresh_tagged(&client, text(&body, "token"), &tag).await
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    watch: EventRecorder,
    mailbox: Mailbox,
    clock: ManualClock,
}

impl Fixture {
    async fn new(database: &Database, verifies_email: bool) -> Self {
        let url = database.url();
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::over(SqliteStore::open(path).await.unwrap(), verifies_email).await,
            None => Self::over(PgStore::connect_with(&url, 2).await.unwrap(), verifies_email).await,
        }
    }

    async fn over(store: impl Store, verifies_email: bool) -> Self {
        let (watch, mailbox) = (EventRecorder::default(), Mailbox::default());
        let clock = ManualClock::at("2026-06-01T12:00:00Z");
        let auth = Auth::builder(store)
            .origin("http://localhost:3000")
            .clock(clock.clone())
            .max_clock_skew(None)
            .rate_limits(RateLimits::disabled())
            .mailer(mailbox.clone())
            .event_sink(watch.clone())
            .flow(Password::new())
            .flow(Totp::new("Test"))
            .flow(EmailCodes::new().verify_email_on_sign_up(verifies_email))
            .flow(Kiosks)
            .build()
            .unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let app = TestApp::serve(app).await;
        Self { auth, app, watch, mailbox, clock }
    }

    async fn post(&self, path: &str, body: Value) -> (TestClient, TestResponse) {
        let client = self.app.client();
        let answer = client.post(&format!("/auth/kiosks/{path}"), body).await;
        (client, answer)
    }

    /// Signs in with a badge, or with a link in place of it.
    async fn sign_in(&self, badge: &str, kiosks: &[&str], link: bool) -> TestClient {
        let body = json!({ "badge": badge, "kiosks": kiosks, "link": link });
        let (client, answer) = self.post("sign-in", body).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        client
    }

    async fn revoke(&self, kiosks: &[&str]) -> u64 {
        let tags: Vec<_> = kiosks.iter().map(|own| SessionTag::new("kiosk", own)).collect();
        self.auth.sessions().revoke_tagged(&tags).await.unwrap()
    }
}

async fn is_signed_in(client: &TestClient) -> bool {
    client.get("/auth/session").await.status == 200
}

/// Tags of sign-ups and of sign-ins: sessions with all of the tags end, others do not.
#[tokio::test]
async fn revoke_tagged_ends_the_sessions_with_all_tags() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, false).await;
        let body = json!({ "badge": "1", "kiosks": ["hall", "north"] });
        let (first, answer) = fixture.post("sign-up", body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let second = fixture.sign_in("1", &["hall", "south"], false).await;
        let untagged = fixture.sign_in("1", &[], false).await;
        assert_eq!(fixture.revoke(&[]).await, 0, "without tags nothing ends");
        assert_eq!(fixture.revoke(&["north", "south"]).await, 0, "no session has both");
        assert_eq!(fixture.revoke(&["hall", "south"]).await, 1);
        assert!(is_signed_in(&first).await && is_signed_in(&untagged).await, "{on:?}");
        assert!(!is_signed_in(&second).await, "{on:?}");
        assert_eq!(fixture.revoke(&["hall"]).await, 1);
        assert!(!is_signed_in(&first).await && is_signed_in(&untagged).await, "{on:?}");
        assert_eq!(fixture.watch.count(EventKind::SessionRevoked), 2, "one for each call");
        database.remove().await;
    }
}

/// The credential that began a session is a tag by itself.
#[tokio::test]
async fn credential_is_a_tag_of_its_sessions() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, false).await;
        let (first, _) = fixture.post("sign-up", json!({ "badge": "1" })).await;
        let (other, _) = fixture.post("sign-up", json!({ "badge": "2" })).await;
        let again = fixture.sign_in("1", &[], false).await;
        let by_link = fixture.sign_in("1", &[], true).await;
        let kiosks = fixture.auth.service::<Kiosks>().unwrap();
        let badge = kiosks.badges.find("1").await.unwrap().unwrap();
        let tag = SessionTag::credential(&badge);
        assert_eq!(fixture.auth.sessions().revoke_tagged(&[tag]).await.unwrap(), 2, "{on:?}");
        assert!(!is_signed_in(&first).await && !is_signed_in(&again).await, "{on:?}");
        assert!(is_signed_in(&other).await && is_signed_in(&by_link).await, "{on:?}");
        database.remove().await;
    }
}

/// A refresh by another tag changes nothing, not even for a token that was used before.
#[tokio::test]
async fn refresh_tagged_rejects_tokens_of_other_sessions() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, false).await;
        let body = json!({ "badge": "1", "kiosks": ["hall"], "transport": "bearer" });
        let (_, answer) = fixture.post("sign-up", body).await;
        let first = answer.json()["tokens"]["refresh_token"].clone();
        let refresh = async |kiosk: &str, token: &Value| {
            fixture.post("refresh", json!({ "kiosks": [kiosk], "token": token })).await.1
        };
        let rejected = refresh("roof", &first).await;
        assert_eq!(rejected.code(), "invalid_refresh_token", "{on:?}");
        let refreshed = refresh("hall", &first).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.json());
        let second = refreshed.json()["tokens"]["refresh_token"].clone();
        assert_ne!(first, second);
        // Reuse is only detected by the right tag.
        let third = refresh("hall", &second).await.json()["tokens"]["refresh_token"].clone();
        fixture.clock.advance(Duration::from_secs(3600));
        assert_eq!(refresh("roof", &first).await.code(), "invalid_refresh_token");
        assert_eq!(fixture.watch.count(EventKind::RefreshReused), 0);
        assert_eq!(refresh("hall", &third).await.status, 200, "{on:?}: the session exists");
        assert_eq!(refresh("hall", &first).await.code(), "invalid_refresh_token");
        assert_eq!(fixture.watch.count(EventKind::RefreshReused), 1);
        database.remove().await;
    }
}

/// A sign-in that waits for a second factor, and a sign-up that waits for its email code, are
/// revoked with their tags, and give them to their sessions.
#[tokio::test]
async fn tags_include_pending_sign_ins_and_sign_ups() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, true).await;
        let email = "ada@example.com";
        let sign_up = async |badge: &str| {
            let body = json!({ "badge": badge, "email": email, "kiosks": ["hall"] });
            let (client, answer) = fixture.post("sign-up", body).await;
            assert_eq!(answer.status, 202, "{}", answer.json());
            (client, answer.json()["challenge"].clone())
        };
        let verify = async |client: &TestClient, challenge: &Value, mails: usize| {
            until("the code", async || fixture.mailbox.to(email).len() == mails).await;
            let code = fixture.mailbox.to(email).last().unwrap().code.clone();
            client.post("/auth/verify", &json!({ "challenge": challenge, "code": code })).await
        };
        let (browser, challenge) = sign_up("1").await;
        assert!(fixture.auth.users().find_by_email(email).await.unwrap().is_none());
        assert_eq!(fixture.revoke(&["hall"]).await, 0, "{on:?}: no session yet");
        assert_eq!(verify(&browser, &challenge, 1).await.code(), "challenge_expired", "{on:?}");
        let (browser, challenge) = sign_up("1").await;
        let done = verify(&browser, &challenge, 2).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let methods: Vec<_> = done.json()["session"]["factors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|own| own["method"].clone())
            .collect();
        assert_eq!(methods, ["badge", "email_code"]);
        // A second factor: the next sign-in is pending.
        let started = browser.post("/auth/totp/register/start", json!({})).await.json();
        let app = Authenticator::new(text(&started, "secret"));
        let second = || {
            use authlayer::clock::Clock;
            fixture.clock.now().as_second()
        };
        let body = json!({ "challenge": started["challenge"], "code": app.code_at(second()) });
        let enrolled = browser.post("/auth/totp/register/finish", &body).await;
        assert_eq!(enrolled.status, 201, "{}", enrolled.json());
        assert_eq!(fixture.revoke(&["hall"]).await, 1, "{on:?}: the tag of the sign-up");
        assert!(!is_signed_in(&browser).await);
        for is_revoked in [true, false] {
            fixture.clock.advance(Duration::from_secs(60));
            let body = json!({ "badge": "1", "kiosks": ["hall"] });
            let (client, pending) = fixture.post("sign-in", body).await;
            assert_eq!(pending.status, 202, "{}", pending.json());
            if is_revoked {
                assert_eq!(fixture.revoke(&["hall"]).await, 0, "{on:?}: no session yet");
            }
            let body = json!({
                "challenge": pending.json()["challenge"], "method": "totp",
                "code": app.code_at(second()),
            });
            let answer = client.post("/auth/verify", &body).await;
            assert_eq!(answer.status, if is_revoked { 401 } else { 200 }, "{}", answer.json());
        }
        assert_eq!(fixture.revoke(&["hall"]).await, 1, "{on:?}: the tag of the sign-in");
        database.remove().await;
    }
}

/// A tag is deleted with its session, and a session without tags has no rows.
#[tokio::test]
async fn tags_are_deleted_with_their_session() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, false).await;
        fixture.post("sign-up", json!({ "badge": "1" })).await;
        let tagged = fixture.sign_in("1", &["hall", "north"], false).await;
        let rows = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_tags";
        assert_eq!(database.text(rows).await, "2", "{on:?}");
        fixture.sign_in("1", &[], false).await;
        assert_eq!(database.text(rows).await, "2", "{on:?}");
        assert_eq!(tagged.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(database.text(rows).await, "0", "{on:?}");
        database.remove().await;
    }
}
