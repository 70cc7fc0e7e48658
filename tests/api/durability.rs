//! What was acknowledged survives the end of the process, whenever it comes.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use authlayer::testing::{Client, ManualClock, TestApp};
use serde_json::json;

use crate::{
    support::{Database, On, PASSWORD, sign_in, sign_up},
    testbed::{Config, Testbed},
};

const CHILD: &str = "AUTHLAYER_TEST_CHILD";
const ROUNDS: usize = 5;

/// The same test is parent and, with the variable set, the server that is killed.
async fn survives_a_kill(on: On, name: &str) {
    if let Ok(config) = std::env::var(CHILD) {
        let config: Config = serde_json::from_str(&config).unwrap();
        let app =
            TestApp::serve(Testbed::build(config, ManualClock::running()).await.unwrap().router())
                .await;
        println!("child listens on {}", app.address());
        tokio::time::sleep(Duration::from_secs(120)).await;
        return;
    }
    let database = Database::fresh(on).await;
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let (mut child, client) = start(name, &database);
        let mut burst = tokio::task::JoinSet::new();
        for number in 0..4 {
            let email = format!("user-{round}-{number}@example.com");
            let client = Client::new(client);
            burst.spawn(async move {
                let status = sign_up(&client, &email).await.status;
                (status == 201).then_some((email, client.cookie("auth").unwrap()))
            });
        }
        // Killed at the first acknowledgement, with the others at any point of their work.
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
        let client = Client::new(address);
        client.set_cookie("auth", &access);
        assert_eq!(client.get("/me").await.json()["email"], email.as_str());
        assert_eq!(sign_in(&Client::new(address), &email, PASSWORD).await.status, 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
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
async fn a_kill_loses_nothing_acknowledged_on_sqlite() {
    survives_a_kill(On::Sqlite, "durability::a_kill_loses_nothing_acknowledged_on_sqlite").await;
}

#[tokio::test]
async fn a_kill_loses_nothing_acknowledged_on_postgres() {
    survives_a_kill(On::Postgres, "durability::a_kill_loses_nothing_acknowledged_on_postgres")
        .await;
}
