//! A backup that is made while the server runs can be restored.

use std::process::Command;

use authlayer::{PgStore, SqliteStore, testing::TestClient};

use crate::{
    support::{Database, On, PASSWORD, server, sign_in, sign_up},
    timeouts::serve,
};

/// Signs in and refreshes on the restored database, which has the state at the time of the backup.
async fn assert_restored(client: &TestClient, session: &TestClient) {
    assert_eq!(sign_in(client, "ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(sign_in(client, "eve@example.com", PASSWORD).await.status, 401);
    client.set_cookie("auth", &session.cookie("auth").unwrap());
    assert_eq!(client.get("/auth/session").await.status, 200);
    assert_eq!(sign_up(client, "bob@example.com").await.status, 201);
}

#[tokio::test]
async fn sqlite_backup_by_vacuum_into_is_restored() {
    let database = Database::fresh(On::Sqlite).await;
    let Database::File(path) = &database else { panic!("SQLite has a file") };
    let store = SqliteStore::open(path).await.unwrap();
    let (_auth, app) = serve(store.clone()).await;
    let session = app.client();
    assert_eq!(sign_up(&session, "ada@example.com").await.status, 201);
    let copy = path.with_extension("backup.db");
    database.run(&format!("VACUUM INTO '{}'", copy.display())).await;
    assert_eq!(sign_up(&app.client(), "eve@example.com").await.status, 201);
    store.close().await;
    let restored = Database::File(copy.clone());
    let store = SqliteStore::open(&copy).await.unwrap();
    let (_auth, app) = serve(store.clone()).await;
    assert_restored(&app.client(), &session).await;
    store.close().await;
    restored.remove().await;
    database.remove().await;
}

fn run(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program} of PostgreSQL runs: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn postgres_backup_by_pg_dump_is_restored() {
    let database = Database::fresh(On::Postgres).await;
    let Database::Schema { name } = &database else { panic!("PostgreSQL has schemas") };
    let store = PgStore::connect(&database.url()).await.unwrap();
    let (_auth, app) = serve(store.clone()).await;
    let session = app.client();
    assert_eq!(sign_up(&session, "ada@example.com").await.status, 201);
    let file = std::env::temp_dir().join(format!("{name}.sql"));
    let (url, file) = (server(), file.to_str().unwrap().to_owned());
    run("pg_dump", &["--schema", name, "--file", &file, &url]);
    assert_eq!(sign_up(&app.client(), "eve@example.com").await.status, 201);
    store.close().await;
    let drop = format!("DROP SCHEMA {name} CASCADE");
    run("psql", &["--quiet", "--set=ON_ERROR_STOP=1", "--command", &drop, &url]);
    run("psql", &["--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file", &file, &url]);
    let store = PgStore::connect(&database.url()).await.unwrap();
    let (_auth, app) = serve(store.clone()).await;
    assert_restored(&app.client(), &session).await;
    store.close().await;
    std::fs::remove_file(file).unwrap();
    database.remove().await;
}
