//! The session options, tested without HTTP.

use std::time::Duration;

use authlayer::{
    Auth, EmailCodes, ErrorKind, EventKind, Factor, Password, PgStore, RateLimits, SessionOptions,
    SqliteStore, Transport, User, UserId,
    clock::Clock,
    crypto::token::AccessToken,
    model::{ClientInfo, RefreshPolicy},
    session::IssuedTokens,
    store::SessionStore,
    testing::{EventRecorder, Mailbox, ManualClock, TestApp},
};
use axum::Router;
use serde_json::json;

use crate::support::{Database, On};

/// A signed-in user with a refresh policy.
struct Desk {
    auth: Auth,
    clock: ManualClock,
    watch: EventRecorder,
    issued: IssuedTokens,
}

async fn desk(refresh: RefreshPolicy) -> Desk {
    let (clock, watch) = (ManualClock::at("2026-01-01T00:00:00Z"), EventRecorder::default());
    let auth = Auth::builder(memory().await)
        .origin("https://app.example.com")
        .clock(clock.clone())
        .event_sink(watch.clone())
        .session_options(SessionOptions::default().refresh_policy(refresh))
        .flow(Password::new())
        .build()
        .unwrap();
    let user = User::new(UserId::new("ada"), clock.now());
    auth.users().create(&user).await.unwrap();
    let issued = auth
        .sessions()
        .create(&user, Factor::Password, Transport::Bearer, ClientInfo::default())
        .await
        .unwrap();
    Desk { auth, clock, watch, issued }
}

impl Desk {
    async fn refresh(&self, token: &str) -> Result<IssuedTokens, ErrorKind> {
        let answer = self.auth.sessions().refresh(token).await;
        answer.map(|(_, issued)| issued).map_err(|error| error.kind())
    }

    async fn is_valid(&self, access: &str) -> bool {
        let token = AccessToken::parse(access).unwrap();
        self.auth.sessions().verify(&token).await.unwrap().is_valid()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

async fn memory() -> SqliteStore {
    SqliteStore::memory().await.unwrap()
}

#[tokio::test]
async fn without_rotation_a_refresh_replaces_only_the_access_token() {
    let desk = desk(RefreshPolicy::default().rotate(false)).await;
    let token = desk.issued.refresh.expose();
    let one = desk.refresh(token).await.unwrap();
    assert_eq!(one.refresh.expose(), token);
    assert_ne!(one.access.expose(), desk.issued.access.expose());
    let two = desk.refresh(token).await.unwrap();
    assert_eq!(two.access.expose(), one.access.expose(), "inside the grace window");
    desk.advance(10);
    let three = desk.refresh(token).await.unwrap();
    assert_ne!(three.access.expose(), one.access.expose());
    assert!(desk.is_valid(one.access.expose()).await && desk.is_valid(three.access.expose()).await);
    desk.advance(30 * 86_400);
    assert_eq!(desk.refresh(token).await.unwrap_err(), ErrorKind::InvalidRefreshToken);
    assert_eq!(desk.watch.count(EventKind::RefreshReused), 0);
}

#[tokio::test]
async fn without_reuse_detection_an_old_token_revokes_nothing() {
    let policy = RefreshPolicy::default().detect_reuse(false);
    let desk = desk(policy).await;
    let next = desk.refresh(desk.issued.refresh.expose()).await.unwrap();
    desk.advance(900);
    let refused = desk.refresh(desk.issued.refresh.expose()).await.unwrap_err();
    assert_eq!(refused, ErrorKind::InvalidRefreshToken);
    assert_eq!(desk.watch.count(EventKind::RefreshReused), 0);
    assert!(desk.refresh(next.refresh.expose()).await.is_ok());
}

/// RT-12
#[tokio::test]
async fn without_revocation_reuse_emits_only_an_event() {
    let policy = RefreshPolicy::default().revoke_on_reuse(false);
    let desk = desk(policy).await;
    let next = desk.refresh(desk.issued.refresh.expose()).await.unwrap();
    desk.advance(900);
    assert!(desk.refresh(desk.issued.refresh.expose()).await.is_err());
    let events = desk.watch.all();
    let theft = events.iter().find(|event| event.kind == EventKind::RefreshReused).unwrap();
    assert_eq!(theft.user_id.as_ref().unwrap().as_str(), "ada");
    assert_eq!(theft.session_id.unwrap(), desk.issued.session.id);
    assert!(!serde_json::to_string(theft).unwrap().contains("art_"));
    assert!(desk.refresh(next.refresh.expose()).await.is_ok());
}

#[tokio::test]
async fn grace_and_retry_windows_are_independent_options() {
    let only_grace = RefreshPolicy::default().lost_answer(Duration::ZERO);
    let desk_one = desk(only_grace).await;
    let token = desk_one.issued.refresh.expose();
    let first = desk_one.refresh(token).await.unwrap();
    desk_one.advance(9);
    assert_eq!(desk_one.refresh(token).await.unwrap().refresh.expose(), first.refresh.expose());
    desk_one.advance(1);
    assert!(desk_one.refresh(token).await.is_err());

    let only_lost = RefreshPolicy::default().grace(Duration::ZERO);
    let desk_two = desk(only_lost).await;
    let token = desk_two.issued.refresh.expose();
    drop(desk_two.refresh(token).await.unwrap());
    desk_two.advance(899);
    let again = desk_two.refresh(token).await.unwrap();
    drop(desk_two.refresh(again.refresh.expose()).await.unwrap());
    assert!(desk_two.refresh(token).await.is_err(), "its successor was used");
}

/// The sweeper runs in the background and stops when the last handle is dropped.
#[tokio::test]
async fn expired_rows_are_swept_in_the_background() {
    let (store, clock) = (memory().await, ManualClock::at("2026-01-01T00:00:00Z"));
    let auth = Auth::builder(store.clone())
        .origin("https://app.example.com")
        .clock(clock.clone())
        .cleanup_interval(Duration::from_secs(1))
        .build()
        .unwrap();
    let user = User::new(UserId::new("ada"), clock.now());
    auth.users().create(&user).await.unwrap();
    let sessions = auth.sessions();
    let issued = sessions
        .create(&user, Factor::Password, Transport::Bearer, ClientInfo::default())
        .await
        .unwrap();
    clock.advance(Duration::from_secs(31 * 86_400));
    while store.find(issued.session.id).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Durations beyond the calendar never expire, and nothing panics.
#[tokio::test]
async fn longest_durations_never_expire() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        let builder = match url.strip_prefix("sqlite:") {
            Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
            None => Auth::builder(PgStore::connect_with(&url, 2).await.unwrap()),
        };
        let endless = Duration::MAX;
        let mut limits = RateLimits::default();
        (limits.first_delay, limits.longest_delay) = (endless, endless);
        let refresh = RefreshPolicy::default().grace(endless).lost_answer(endless);
        let auth = builder
            .origin("http://localhost:3000")
            .session_options(
                SessionOptions::default().refresh_policy(refresh).reauth_window(endless),
            )
            .rate_limits(limits)
            .audit_log(endless)
            .max_clock_skew(endless)
            .mailer(Mailbox::default())
            .flow(Password::new())
            .flow(EmailCodes::new().verify_email_on_sign_up(true).resend_interval(endless))
            .build()
            .unwrap();
        let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let app = TestApp::serve(router).await;
        let client = app.client();
        let body = json!({ "email": "ada@example.com", "password": "zq8 xw2v plum" });
        let pending = client.post("/auth/sign-up", &body).await;
        assert_eq!(pending.status, 202);
        let resend = json!({ "challenge": pending.json()["challenge"] });
        let statuses = [client.post("/auth/email/resend", &resend).await.status.as_u16()];
        assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
        let wrong = json!({ "email": "bob@example.com", "password": "a wrong password" });
        let mut statuses = Vec::new();
        for _ in 0..7 {
            statuses.push(client.post("/auth/sign-in", &wrong).await.status.as_u16());
        }
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
        auth.sweep().await.unwrap();
        drop(auth);
        database.remove().await;
    }
}
