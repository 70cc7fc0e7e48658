//! `GET /sessions`, `DELETE /sessions/{id}`, `DELETE /sessions?scope=`, and `SessionService`.

use authlayer::{
    Auth, EventKind, Factor, Password, SessionOptions, SqliteStore, Transport, User, UserId,
    model::ClientInfo as Device,
    testing::{ManualClock, TestClient},
};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Bed, Database, On, PASSWORD, id_of, on_every_store, sign_in};

async fn devices(client: &TestClient) -> Vec<Value> {
    let answer = client.get("/auth/sessions").await;
    assert_eq!(answer.status, 200);
    answer.json()["sessions"].as_array().unwrap().clone()
}

async fn revoke(client: &TestClient, path: &str) -> u16 {
    client.send(Method::DELETE, path, &[], b"").await.status.as_u16()
}

/// Signs the same user in on another device, a minute later.
async fn another(bed: &Bed) -> TestClient {
    bed.advance(60).await;
    let client = bed.client();
    assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
    client
}

on_every_store! {
    /// SE-10
    async fn user_lists_and_revokes_each_session(bed: &Bed) {
        let laptop = bed.browser("ada@example.com").await;
        let phone = another(bed).await;
        let seen = devices(&phone).await;
        assert_eq!(seen.len(), 2);
        assert_eq!((&seen[0]["current"], &seen[1]["current"]), (&json!(true), &json!(false)));
        let text = seen.iter().map(ToString::to_string).collect::<String>();
        assert!(!text.contains("aat_") && !text.contains("hash"));
        let path = format!("/auth/sessions/{}", seen[1]["id"].as_str().unwrap());
        assert_eq!(revoke(&phone, &path).await, 204);
        assert_eq!(revoke(&phone, &path).await, 404);
        assert_eq!(laptop.get("/me").await.status, 401);
        assert_eq!(phone.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::SessionRevoked), 1);
        let own = format!("/auth/sessions/{}", seen[0]["id"].as_str().unwrap());
        let answer = phone.send(Method::DELETE, &own, &[], b"").await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (204, 2));
        assert_eq!(bed.client().get("/auth/sessions").await.status, 401);
    }

    /// A23, SE-10
    async fn session_of_another_user_is_not_found(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let eve = bed.browser("eve@example.com").await;
        let id = devices(&ada).await[0]["id"].as_str().unwrap().to_owned();
        for path in [format!("/auth/sessions/{id}"), "/auth/sessions/x".into(), "/auth/sessions/%ff".into()] {
            let answer = eve.send(Method::DELETE, &path, &[], b"").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found".to_owned()));
        }
        assert_eq!(ada.get("/me").await.status, 200);
    }

    async fn other_or_all_sessions_are_revoked_immediately(bed: &Bed) {
        let laptop = bed.browser("ada@example.com").await;
        let eve = bed.browser("eve@example.com").await;
        let (phone, tablet) = (another(bed).await, another(bed).await);
        let answer = tablet.send(Method::DELETE, "/auth/sessions", &[], b"").await;
        assert_eq!(answer.json(), json!({ "revoked": 2 }));
        assert!(answer.set_cookies().is_empty());
        assert_eq!((laptop.get("/me").await.status.as_u16(), phone.get("/me").await.status.as_u16()), (401, 401));
        let phone = another(bed).await;
        let all = tablet.send(Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        assert_eq!((all.json(), all.set_cookies().len()), (json!({ "revoked": 2 }), 2));
        assert_eq!((tablet.get("/me").await.status.as_u16(), phone.get("/me").await.status.as_u16()), (401, 401));
        assert_eq!(eve.get("/me").await.status, 200);
        for query in ["scope=", "scope", "scope=both", "scope=all&scope=all", "scope=others&scope=all"] {
            assert_eq!(revoke(&eve, &format!("/auth/sessions?{query}")).await, 400, "{query}");
        }
        assert_eq!(revoke(&eve, "/auth/sessions?scope=others&x=y").await, 200);
    }

    async fn hundred_and_first_session_revokes_the_oldest(bed: &Bed) {
        let oldest = bed.browser("ada@example.com").await;
        let auth = &bed.bed.auth;
        let user = auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
        bed.advance(60).await;
        let begin = async || {
            let (transport, device) = (Transport::Bearer, Device::default());
            auth.sessions().create(&user, Factor::Password, transport, device).await.unwrap()
        };
        for _ in 2..=100 {
            drop(begin().await);
        }
        assert_eq!(devices(&oldest).await.len(), 100);
        let newest = begin().await;
        assert_eq!(oldest.get("/me").await.status, 401);
        let native = bed.client().bearer(newest.access.expose());
        assert_eq!(devices(&native).await.len(), 100);
    }

    async fn expired_session_is_not_listed_and_is_swept(bed: &Bed, { "compare_clocks": false }) {
        bed.browser("ada@example.com").await;
        bed.advance(29 * 24 * 3600).await;
        let phone = another(bed).await;
        assert_eq!(devices(&phone).await.len(), 2);
        bed.bed.auth.sweep().await.unwrap();
        assert_eq!(devices(&phone).await.len(), 2, "valid sessions remain");
        bed.advance(24 * 3600).await;
        assert_eq!(devices(&phone).await.len(), 1);
        bed.advance(3601).await;
        assert!(bed.bed.auth.sweep().await.unwrap() >= 1);
        assert_eq!(phone.get("/me").await.status, 200);
    }

    /// CK-19: the rightmost hop that is not a trusted proxy; the client controls the rest.
    async fn ip_behind_a_proxy_is_the_nearest_untrusted_hop(bed: &Bed, { "trusted_proxies": ["127.0.0.0/8", "10.0.0.7"] }) {
        let client = bed.client().with("x-forwarded-for", "1.1.1.1, 198.51.100.1, 10.0.0.7");
        let answer = crate::support::sign_up(&client, "ada@example.com").await;
        assert_eq!(answer.json()["session"]["ip"], "198.51.100.1");
    }

    /// Jobs and other servers use the service without HTTP.
    async fn session_service_lists_and_revokes_without_http(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let (auth, id) = (&bed.bed.auth, UserId::new(id_of(&browser).await));
        let user = auth.users().find(&id).await.unwrap().unwrap();
        let issued = auth.sessions()
            .create(&user, Factor::Password, Transport::Bearer, Device::default()).await.unwrap();
        let native = bed.client().bearer(issued.access.expose());
        assert_eq!(native.get("/me").await.status, 200);
        assert_eq!(auth.sessions().list(&id).await.unwrap().len(), 2);
        let (_, next) = auth.sessions().refresh(issued.refresh.expose()).await.unwrap();
        assert_eq!(auth.sessions().revoke_all(&id, Some(next.session.id)).await.unwrap(), 1);
        assert_eq!(browser.get("/me").await.status, 401);
        assert!(auth.sessions().revoke(next.session.id).await.unwrap());
        assert_eq!(native.get("/me").await.status, 401);
    }
}

/// The user has more sessions than a page of the list.
#[tokio::test]
async fn revoking_all_sessions_returns_their_number() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        let builder = match url.strip_prefix("sqlite:") {
            Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
            None => Auth::builder(authlayer::PgStore::connect_with(&url, 2).await.unwrap()),
        };
        let watch = authlayer::testing::EventRecorder::default();
        let auth = builder
            .origin("http://localhost:3000")
            .event_sink(watch.clone())
            .session_options(SessionOptions::default().max_per_user(None))
            .flow(Password::new())
            .build()
            .unwrap();
        let app = axum::Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let app = authlayer::testing::TestApp::serve(app).await;
        let user = User::new(UserId::new("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
        auth.users().create(&user).await.unwrap();
        for (scope, begun, revoked) in [("others", 150, 149), ("all", 120, 121)] {
            let mut newest = None;
            for _ in 0..begun {
                let (sessions, device) = (auth.sessions(), Device::default());
                let issued = sessions.create(&user, Factor::Password, Transport::Bearer, device);
                newest = Some(issued.await.unwrap());
            }
            let client = app.client().bearer(newest.unwrap().access.expose());
            let path = format!("/auth/sessions?scope={scope}");
            let ended = client.send(Method::DELETE, &path, &[], b"").await;
            assert_eq!(ended.json(), json!({ "revoked": revoked }), "{on:?}");
        }
        assert_eq!(watch.count(EventKind::SessionRevoked), 2);
        drop((auth, app));
        database.remove().await;
    }
}

/// Sign-ins below the default limit cost the same statements as without a limit.
#[tokio::test]
async fn default_limit_is_a_hundred_sessions() {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let watch = authlayer::testing::EventRecorder::default();
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store.clone())
        .origin("https://app.example.com")
        .clock(clock.clone())
        .event_sink(watch.clone())
        .flow(Password::new())
        .build()
        .unwrap();
    let user = User::new(UserId::new("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
    auth.users().create(&user).await.unwrap();
    let mut begun = Vec::new();
    for number in 1..=102_u64 {
        clock.advance(std::time::Duration::from_secs(1));
        let before = store.statements().request;
        let device = Device::default();
        let issued =
            auth.sessions().create(&user, Factor::Password, Transport::Bearer, device).await;
        begun.push(issued.unwrap().session.id);
        if number <= 50 {
            assert_eq!(store.statements().request - before, 1, "session {number}");
        }
    }
    let listed = auth.sessions().list(&user.id).await.unwrap();
    let ids: Vec<_> = listed.iter().rev().map(|session| session.id).collect();
    assert_eq!(ids, begun[2..]);
    let ended: Vec<_> = watch
        .all()
        .into_iter()
        .filter(|event| event.kind == EventKind::SessionRevoked)
        .map(|event| (event.session_id, event.user_id, event.detail["reason"].clone()))
        .collect();
    let expected = begun[..2]
        .iter()
        .map(|id| (Some(*id), Some(user.id.clone()), serde_json::Value::from("max_per_user")));
    assert_eq!(ended, expected.collect::<Vec<_>>());
}

/// SE-16
#[tokio::test]
async fn session_limit_revokes_the_oldest_session() {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .clock(clock.clone())
        .session_options(SessionOptions::default().max_per_user(Some(2)))
        .flow(Password::new())
        .build()
        .unwrap();
    let user = User::new(UserId::new("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
    auth.users().create(&user).await.unwrap();
    let mut begun = Vec::new();
    for _ in 0..3 {
        clock.advance(std::time::Duration::from_secs(1));
        let sessions = auth.sessions();
        let device = Device::default();
        begun.push(
            sessions.create(&user, Factor::Password, Transport::Bearer, device).await.unwrap(),
        );
    }
    let listed = auth.sessions().list(&user.id).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|session| session.id).collect();
    assert_eq!(ids, [begun[2].session.id, begun[1].session.id]);
}
