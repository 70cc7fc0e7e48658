//! Long-lived connections, which close when their session is revoked.

use std::time::Duration;

use authlayer::{
    PgStore, SessionWatch, SqliteStore, UserStorage, crypto::token::AccessToken, store::Store,
    testing::TestClient,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use crate::{
    cache::{Node, node},
    places::Memory,
    support::{Bed, Database, On, id_of, on_every_store},
};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket, or returns the status of the rejection.
pub(crate) async fn open(
    address: std::net::SocketAddr,
    path: &str,
    headers: &[(&'static str, String)],
) -> Result<Socket, u16> {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn subject(socket: &mut Socket) -> Value {
    let message = socket.next().await.unwrap().unwrap();
    let hello: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
    hello["subject"].clone()
}

/// Waits for the other side to close, and returns the close code.
pub(crate) async fn closed(socket: &mut Socket) -> u16 {
    let next = tokio::time::timeout(Duration::from_secs(20), socket.next());
    match next.await.expect("a revoked session closes its connections") {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("{other:?}"),
    }
}

/// Returns whether the connection is open after a second, which is longer than a revocation takes.
async fn is_open(socket: &mut Socket) -> bool {
    tokio::time::timeout(Duration::from_millis(1200), socket.next()).await.is_err()
}

async fn with_token(bed: &Bed, token: &str) -> Result<Socket, u16> {
    open(bed.app.address(), "/ws", &[("authorization", format!("Bearer {token}"))]).await
}

pub(crate) async fn ticket(client: &TestClient) -> String {
    let answer = client.post("/auth/ticket", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["expires_in"], 30);
    format!("/ws?ticket={}", answer.json()["ticket"].as_str().unwrap())
}

on_every_store! {
    /// SE-08
    async fn sign_out_closes_the_connection(bed: &Bed) {
        let (ada, token, _) = bed.native("ada@example.com").await;
        let mut socket = with_token(bed, &token).await.unwrap();
        let subject = subject(&mut socket).await;
        assert_eq!((&subject["kind"], &subject["id"]), (&json!("user"), &json!(id_of(&ada).await)));
        assert_eq!(subject["session_id"], ada.get("/auth/session").await.json()["session"]["id"]);
        assert_eq!(ada.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(closed(&mut socket).await, 4401);
        assert_eq!(with_token(bed, &token).await.unwrap_err(), 401);
    }

    /// SE-08
    async fn disabling_a_user_closes_only_their_connections(bed: &Bed) {
        let (ada, token, _) = bed.native("ada@example.com").await;
        let (_, other, _) = bed.native("bob@example.com").await;
        let mut sockets = Vec::new();
        for _ in 0..3 {
            let mut socket = with_token(bed, &token).await.unwrap();
            subject(&mut socket).await;
            sockets.push(socket);
        }
        let mut bob = with_token(bed, &other).await.unwrap();
        subject(&mut bob).await;
        bed.change(&id_of(&ada).await, json!({ "status": "disabled" })).await;
        for socket in &mut sockets {
            assert_eq!(closed(socket).await, 4401);
        }
        assert!(is_open(&mut bob).await);
    }

    async fn ticket_opens_one_connection(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let address = bed.app.address();
        let path = ticket(&ada).await;
        let mut socket = open(address, &path, &[]).await.unwrap();
        assert_eq!(subject(&mut socket).await["id"], id_of(&ada).await);
        assert_eq!(open(address, &path, &[]).await.unwrap_err(), 401, "used");
        let late = ticket(&ada).await;
        bed.advance(30).await;
        assert_eq!(open(address, &late, &[]).await.unwrap_err(), 401, "late");
        for bad in ["/ws?ticket=", "/ws?ticket=x", "/ws?token=x", "/ws"] {
            assert_eq!(open(address, bad, &[]).await.unwrap_err(), 401, "{bad}");
        }
        let ended = ticket(&ada).await;
        ada.post("/auth/sign-out", json!({})).await;
        assert_eq!(open(address, &ended, &[]).await.unwrap_err(), 401, "the session was revoked");
        assert_eq!(bed.client().post("/auth/ticket", json!({})).await.status, 401);
    }

    /// The session of a ticket is fetched like that of any request: a statement on a broken
    /// connection is retried.
    async fn redeeming_a_ticket_costs_two_request_statements(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let path = ticket(&ada).await;
        let before = bed.statements().await;
        let mut socket = open(bed.app.address(), &path, &[]).await.unwrap();
        subject(&mut socket).await;
        assert_eq!(bed.statements().await - before, 2, "the ticket and the session");
    }

    /// A cookie authenticates a connection only from our own origin; a ticket needs no origin.
    async fn cross_site_page_cannot_open_a_connection_with_a_cookie(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let address = bed.app.address();
        let cookie = format!("auth={}", ada.cookie("auth").unwrap());
        let from = |origin: &str| vec![("cookie", cookie.clone()), ("origin", origin.to_owned())];
        assert!(open(address, "/ws", &from("http://localhost:3000")).await.is_ok());
        for evil in ["https://evil.example", "null", "http://localhost:3001"] {
            assert_eq!(open(address, "/ws", &from(evil)).await.unwrap_err(), 403, "{evil}");
        }
        let path = ticket(&ada).await;
        assert!(open(address, &path, &from("https://evil.example")).await.is_ok());
    }
}

/// Changed roles are visible on open connections.
#[tokio::test]
async fn role_change_reaches_open_connections() {
    for on in [On::Sqlite, On::Postgres] {
        let bed = Bed::new(on, json!({})).await;
        let auth = &bed.bed.auth;
        let ada = bed.browser("ada@example.com").await;
        let id = authlayer::UserId::new(id_of(&ada).await);
        let user = auth.users().find(&id).await.unwrap().unwrap();
        let issued = auth
            .sessions()
            .create(
                &user,
                authlayer::Factor::Password,
                authlayer::Transport::Bearer,
                authlayer::model::ClientInfo::default(),
            )
            .await
            .unwrap();
        let token = authlayer::crypto::token::AccessToken::parse(issued.access.expose()).unwrap();
        let resolved = auth.sessions().verify(&token).await.unwrap().valid().unwrap();
        let mut live = auth.sessions().watch(&resolved);
        assert!(live.subject().unwrap().roles.is_empty());
        auth.users().edit(&id, |user| user.roles.push("editor".to_owned())).await.unwrap();
        let next = tokio::time::timeout(Duration::from_secs(20), live.changed()).await.unwrap();
        assert_eq!(next.unwrap().roles, ["editor"]);
        auth.sessions().revoke(issued.session.id).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), live.ended()).await.unwrap();
        assert!(live.subject().is_none() && live.changed().await.is_none());
        bed.remove().await;
    }
}

/// The application writes to its own table directly.
#[tokio::test]
async fn change_in_a_mapped_table_reaches_open_connections() {
    for (on, roles, banned) in [
        (On::SqliteMapped, "'[\"editor\"]'", "disabled"),
        (On::PostgresMapped, "'{editor}'", "banned"),
    ] {
        let bed = Bed::new(on, json!({})).await;
        let (_, token, _) = bed.native("ada@example.com").await;
        let token = authlayer::crypto::token::AccessToken::parse(&token).unwrap();
        let sessions = bed.bed.auth.sessions();
        let mut live = sessions.watch(&sessions.verify(&token).await.unwrap().valid().unwrap());
        bed.run(&format!("UPDATE accounts SET roles = {roles}")).await;
        let next = tokio::time::timeout(Duration::from_secs(20), live.changed()).await.unwrap();
        assert_eq!(next.unwrap().roles, ["editor"]);
        bed.run(&format!("UPDATE accounts SET state = '{banned}'")).await;
        tokio::time::timeout(Duration::from_secs(20), live.ended()).await.unwrap();
        bed.remove().await;
    }
}

/// By one external statement, for which PostgreSQL sends one notification and SQLite none.
#[tokio::test]
async fn revoking_many_sessions_closes_connections_on_another_node() {
    for on in [On::Sqlite, On::Postgres] {
        let bed = Bed::new(on, json!({})).await;
        let second = Bed::joined(&bed, on, authlayer::UserStorage::managed()).await;
        let (here, there) = (bed.bed.auth.users(), second.bed.auth.sessions());
        let mut lives = Vec::new();
        for number in 0..400 {
            let id = crate::support::uuid(&format!("user{number}"));
            let user = authlayer::User::new(id, jiff::Timestamp::UNIX_EPOCH);
            let user = here.create(&user).await.unwrap();
            let (how, client) =
                (authlayer::Factor::Password, authlayer::model::ClientInfo::default());
            let begun =
                bed.bed.auth.sessions().create(&user, how, authlayer::Transport::Bearer, client);
            let token = begun.await.unwrap().access;
            let token = authlayer::crypto::token::AccessToken::parse(token.expose()).unwrap();
            lives.push(there.watch(&there.verify(&token).await.unwrap().valid().unwrap()));
        }
        let kept = lives.split_off(300);
        let users: Vec<_> = lives.iter().map(|live| live.subject().unwrap().id.unwrap()).collect();
        let users = users.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
        bed.run(&format!("DELETE FROM auth_sessions WHERE user_id IN ({users})")).await;
        for live in &mut lives {
            tokio::time::timeout(Duration::from_secs(20), live.ended()).await.unwrap();
        }
        assert!(kept.iter().all(|live| live.subject().is_some()));
        second.bed.store.close().await;
        bed.remove().await;
    }
}

/// Connections are closed if the store does not respond for a long time.
#[tokio::test]
async fn long_store_failure_closes_connections() {
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let store = SqliteStore::open(&file).await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    let (_, token) = here.person("ada").await;
    let mut live = watch(&here, &token).await;
    while store.statements().background == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    store.close().await;
    timeout(Duration::from_secs(60), live.ended()).await.unwrap();
    database.remove().await;
}

async fn watch(node: &Node, token: &str) -> SessionWatch {
    let sessions = node.auth.sessions();
    let token = AccessToken::parse(token).unwrap();
    sessions.watch(&sessions.verify(&token).await.unwrap().valid().unwrap())
}

/// Sessions whose changes are reported are not fetched periodically. The test compares them with
/// another node with external users, which fetches twice a second and is as slow on a slow machine.
async fn watches_by_changes(database: &Database, store: impl Store, fetches: impl Fn() -> u64) {
    let here = node(store, UserStorage::managed()).await;
    let elsewhere = SqliteStore::memory().await.unwrap();
    let there = node(elsewhere.clone(), UserStorage::custom(Memory::default())).await;
    let (_, token) = there.person("bob").await;
    let _polled = watch(&there, &token).await;
    let polls = || elsewhere.statements().background;
    let mut lives = Vec::new();
    for name in ["ada", "eve", "kim"] {
        let (_, token) = here.person(name).await;
        lives.push(watch(&here, &token).await);
    }
    let mut counts = Vec::new();
    while counts.last().is_none_or(|count| *count > 4) {
        assert!(counts.len() < 20, "fetched while the other node fetched 12 times: {counts:?}");
        let (before, until) = (fetches(), polls() + 12);
        while polls() < until {
            sleep(Duration::from_millis(10)).await;
        }
        counts.push(fetches() - before);
    }
    database.run("DELETE FROM auth_sessions").await;
    for live in &mut lives {
        timeout(Duration::from_secs(60), live.ended()).await.unwrap();
    }
}

#[tokio::test]
async fn watched_sessions_are_fetched_when_they_change_on_postgres() {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    watches_by_changes(&database, store.clone(), || store.statements().background).await;
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn watched_sessions_are_fetched_when_they_change_on_sqlite() {
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let store = SqliteStore::open(&file).await.unwrap();
    watches_by_changes(&database, store.clone(), || store.statements().background).await;
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn live_connection_examples_stream_changes() {
    let example = crate::storage::Example::start("websocket");
    let body = json!({ "email": "ada@example.com", "password": crate::support::PASSWORD, "display_name": "Ada" });
    assert_eq!(example.client.post("/auth/sign-up", &body).await.status, 201);
    let path = ticket(&example.client).await;
    let mut socket = open(example.address, &path, &[]).await.unwrap();
    futures_util::SinkExt::send(&mut socket, Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), "Ada: hello");
    assert_eq!(example.client.post("/auth/sign-out", json!({})).await.status, 204);
    assert_eq!(closed(&mut socket).await, 4401);

    let example = crate::storage::Example::start("sse");
    assert_eq!(example.client.get("/events").await.status, 401);
    assert_eq!(example.client.post("/auth/sign-up", &body).await.status, 201);
    let listener = example.client.clone();
    let stream = tokio::spawn(async move { listener.get("/events").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(example.client.post("/auth/sign-out", json!({})).await.status, 204);
    let text = tokio::time::timeout(Duration::from_secs(20), stream).await.unwrap().unwrap();
    let text = String::from_utf8(text.body).unwrap();
    assert!(text.contains("event: subject") && text.contains("\"kind\":\"user\""), "{text}");
}

/// SE-08; connections on one node are closed by a revocation on another.
#[tokio::test]
async fn revocation_on_one_node_closes_connections_on_another() {
    let bed = Bed::new(On::Postgres, json!({})).await;
    let second = Bed::beside(&bed).await;
    let (ada, token, _) = bed.native("ada@example.com").await;
    let mut here = with_token(&bed, &token).await.unwrap();
    let mut there = with_token(&second, &token).await.unwrap();
    assert_eq!(subject(&mut here).await, subject(&mut there).await);
    let there_too = second.client().bearer(&token);
    assert_eq!(there_too.post("/auth/sign-out", json!({})).await.status, 204);
    assert_eq!(closed(&mut here).await, 4401);
    assert_eq!(closed(&mut there).await, 4401);
    assert_eq!(ada.get("/me").await.status, 401);
    second.bed.store.close().await;
    bed.remove().await;
}
