//! Acknowledged changes survive a kill of the process at any point.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use authlayer::testing::{ManualClock, TestApp, TestClient};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{
    support::{Database, On, PASSWORD, sign_in, sign_up},
    testbed::{Config, Testbed},
};

const CHILD: &str = "AUTHLAYER_TEST_CHILD";
const ROUNDS: usize = 5;

/// The same test runs as the parent and, if the variable is set, as the server that is killed.
async fn is_child() -> bool {
    let Ok(config) = std::env::var(CHILD) else { return false };
    let config: Config = serde_json::from_str(&config).unwrap();
    let bed = Testbed::build(config, ManualClock::running()).await.unwrap();
    let app = TestApp::serve(bed.router()).await;
    println!("child listens on {}", app.address());
    tokio::time::sleep(Duration::from_secs(120)).await;
    true
}

async fn survives_a_kill(on: On, name: &str) {
    if is_child().await {
        return;
    }
    let database = Database::fresh(on).await;
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let (mut child, client) = start(name, &database);
        let mut burst = tokio::task::JoinSet::new();
        for number in 0..4 {
            let email = format!("user-{round}-{number}@example.com");
            let client = TestClient::connect(client);
            burst.spawn(async move {
                let status = sign_up(&client, &email).await.status;
                (status == 201).then_some((email, client.cookie("auth").unwrap()))
            });
        }
        // Killed at the first acknowledgement, while the other requests are still in progress.
        let first = burst.join_next().await.unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(first);
        while let Some(late) = burst.join_next().await {
            acknowledged.extend(late.ok().flatten());
        }
    }
    assert!(acknowledged.len() >= ROUNDS);
    let (mut child, address) = start(name, &database);
    for (email, access) in acknowledged {
        let client = TestClient::connect(address);
        client.set_cookie("auth", &access);
        assert_eq!(client.get("/me").await.json()["email"], email.as_str());
        assert_eq!(sign_in(&TestClient::connect(address), &email, PASSWORD).await.status, 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    database.remove().await;
}

/// RT-08, F17: killed at any point of a refresh, also between the write and the response; the
/// client retries with its token and remains signed in.
async fn refresh_survives_a_kill(on: On, name: &str) {
    if is_child().await {
        return;
    }
    let database = Database::fresh(on).await;
    for round in 0..6 {
        let (mut child, address) = start(name, &database);
        let body = json!({ "email": format!("user-{round}@example.com"), "password": PASSWORD, "transport": "bearer" });
        let begun = TestClient::connect(address).post("/auth/sign-up", &body).await.json();
        let token = begun["tokens"]["refresh_token"].as_str().unwrap().to_owned();
        let body = json!({ "refresh_token": token });
        let text = body.to_string();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head =
            "POST /auth/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(round)).await;
        child.kill().unwrap();
        child.wait().unwrap();

        let (mut child, address) = start(name, &database);
        for _ in 0..2 {
            let again = TestClient::connect(address).post("/auth/refresh", &body).await;
            assert_eq!(again.status, 200, "round {round}: {}", again.json());
            let access = again.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
            assert_eq!(TestClient::connect(address).bearer(&access).get("/me").await.status, 200);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    database.remove().await;
}

fn start(name: &str, database: &Database) -> (Child, std::net::SocketAddr) {
    let config = json!({ "database": database.url(), "argon2": { "m": 64, "t": 1, "p": 1 } });
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, config.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.contains("child listens on"));
    let line = line.expect("the child listens");
    let address = line.rsplit(' ').next().unwrap().parse().unwrap();
    (child, address)
}

#[tokio::test]
async fn acknowledged_changes_survive_a_kill_on_sqlite() {
    survives_a_kill(On::Sqlite, "durability::acknowledged_changes_survive_a_kill_on_sqlite").await;
}

#[tokio::test]
async fn acknowledged_changes_survive_a_kill_on_postgres() {
    survives_a_kill(On::Postgres, "durability::acknowledged_changes_survive_a_kill_on_postgres")
        .await;
}

#[tokio::test]
async fn refresh_survives_a_kill_on_sqlite() {
    refresh_survives_a_kill(On::Sqlite, "durability::refresh_survives_a_kill_on_sqlite").await;
}

#[tokio::test]
async fn refresh_survives_a_kill_on_postgres() {
    refresh_survives_a_kill(On::Postgres, "durability::refresh_survives_a_kill_on_postgres").await;
}
