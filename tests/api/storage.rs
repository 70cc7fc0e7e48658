//! The user storage modes, their data in each place, and their examples.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use authlayer::testing::{TestClient, TestResponse};
use serde_json::{Value, json};

use crate::support::{Bed, On, PASSWORD, id_of, sign_in, sign_up};

const MODES: [&str; 5] = ["managed", "managed_with_claims", "mapped", "custom", "external"];

/// Compares the data in our tables and in the application, for every mode, with the guide.
#[tokio::test]
async fn storage_guide_lists_the_stored_data_of_each_mode() {
    for on in [On::Sqlite, On::Postgres] {
        let mut rows: Vec<(&str, Vec<&str>)> = Vec::new();
        for mode in MODES {
            let bed = Bed::in_mode(on, mode).await;
            let ada = bed.client();
            let body = json!({
                "email": "ada@example.com", "password": PASSWORD,
                "display_name": "Marker", "user_metadata": { "theme": "marker" },
            });
            assert_eq!(ada.post("/auth/sign-up", &body).await.status, 201);
            bed.change(&id_of(&ada).await, json!({ "roles": ["marker"] })).await;
            let me = ada.get("/me").await.json();
            for (what, sql, mark, seen) in [
                ("address", "MAX(email) FROM auth_users", "ada@example.com", &me["email"]),
                ("names", "MAX(display_name) FROM auth_users", "Marker", &me["display_name"]),
                ("status", "MAX(status) FROM auth_users", "active", &me["status"]),
                ("roles, scopes, attributes", "MAX(roles) FROM auth_users", "marker", &me["roles"]),
                ("metadata", "MAX(user_metadata) FROM auth_users", "marker", &me["user_metadata"]),
                ("password", "MAX(data) FROM auth_credentials", "$argon2id$", &json!(null)),
                ("session", "MAX(access_hash) FROM auth_sessions", "", &json!("session")),
            ] {
                let (column, table) = sql.split_once(" FROM ").unwrap();
                let ours = bed.text(&format!("SELECT COALESCE({column}, '') FROM {table}")).await;
                let is_ours = !ours.is_empty() && ours.contains(mark);
                let blank = [json!(null), json!([]), json!({})].contains(seen);
                let cell = match (is_ours, blank) {
                    (true, _) => "here",
                    (false, false) => "application",
                    (false, true) => "\u{2014}",
                };
                match rows.iter_mut().find(|(name, _)| *name == what) {
                    Some((_, cells)) => cells.push(cell),
                    None => rows.push((what, vec![cell])),
                }
            }
            bed.remove().await;
        }
        let mut table = format!("| | {} |\n|---|---|---|---|---|---|\n", MODES.join(" | "));
        for (what, cells) in rows {
            table += &format!("| {what} | {} |\n", cells.join(" | "));
        }
        let guide = include_str!("../../guide/storage.md");
        assert!(guide.contains(&table), "the guide should contain:\n{table}");
    }
}

/// A running example, killed on drop.
pub(crate) struct Example {
    child: Child,
    pub(crate) client: TestClient,
    pub(crate) address: SocketAddr,
}

impl Example {
    pub(crate) fn start(name: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = std::env::current_exe().unwrap();
        let program = program.parent().unwrap().join("../examples").join(name);
        let mut child = Command::new(&program)
            .env("PORT", port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), format!("listening on http://127.0.0.1:{port}"));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, client: TestClient::connect(address), address }
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.client.get(path).await
    }

    async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.client.post(path, &body).await
    }

    /// Returns a client of the example without cookies.
    fn new_client(&self) -> TestClient {
        TestClient::connect(self.address)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Starts an example, signs up, and signs in again.
async fn sign_up_and_in(name: &str, path: &str) -> Example {
    let example = Example::start(name);
    assert_eq!(example.get(path).await.status, 401, "{name}");
    assert_eq!(sign_up(&example.client, "ada@example.com").await.status, 201, "{name}");
    assert_eq!(sign_up(&example.new_client(), "ada@example.com").await.code(), "email_taken");
    let again = example.new_client();
    assert_eq!(sign_in(&again, "ada@example.com", PASSWORD).await.status, 200, "{name}");
    example
}

#[tokio::test]
async fn managed_example() {
    let example = sign_up_and_in("storage_managed", "/plan").await;
    assert_eq!(example.get("/plan").await.json(), json!({ "name": "", "seats": 0 }));
    assert_eq!(example.post("/upgrade", json!({})).await.status, 200);
    assert_eq!(example.get("/plan").await.json(), json!({ "name": "pro", "seats": 50 }));
}

#[tokio::test]
async fn managed_core_example() {
    let example = sign_up_and_in("storage_managed_core", "/edit").await;
    assert_eq!(example.get("/edit").await.json()["missing"], json!(["role:editor"]));
    assert_eq!(example.post("/join", json!({})).await.status, 200);
    let user = example.get("/edit").await.json();
    assert_eq!((&user["tenant_id"], &user["roles"]), (&json!("acme"), &json!(["editor"])));
}

#[tokio::test]
async fn mapped_example() {
    let example = sign_up_and_in("storage_mapped", "/account").await;
    let account = json!({ "id": "1", "name": null, "account": { "plan": "free", "seats": 3 } });
    assert_eq!(example.get("/account").await.json(), account);
}

#[tokio::test]
async fn diesel_example() {
    let example = sign_up_and_in("storage_custom_diesel", "/me").await;
    assert_eq!(example.get("/me").await.json()["email"], "ada@example.com");
    assert_eq!(
        example.client.json(http::Method::DELETE, "/auth/account", json!({})).await.status,
        204
    );
    let gone = sign_in(&example.new_client(), "ada@example.com", PASSWORD).await;
    assert_eq!(gone.code(), "invalid_credentials");
}

#[tokio::test]
async fn rest_example() {
    let example = sign_up_and_in("storage_custom_rest", "/me").await;
    assert_eq!(example.get("/me").await.json()["email"], "ada@example.com");
    assert_eq!(
        example.client.json(http::Method::DELETE, "/auth/account", json!({})).await.status,
        204
    );
    let gone = sign_in(&example.new_client(), "ada@example.com", PASSWORD).await;
    assert_eq!(gone.code(), "invalid_credentials");
}

#[tokio::test]
async fn external_example() {
    let mut example = Example::start("storage_external");
    let refused = sign_up(&example.new_client(), "eve@example.com").await;
    assert_eq!(refused.code(), "sign_up_disabled");
    let asked = example.post("/auth/password/forgot", json!({ "email": "ada@example.com" })).await;
    assert!(asked.status.is_success());
    let printed = BufReader::new(example.child.stderr.take().unwrap());
    let link = printed.lines().map(Result::unwrap).find(|line| line.contains("token=")).unwrap();
    let token = link.split("token=").nth(1).unwrap().trim();
    let body = json!({ "token": token, "new_password": PASSWORD });
    assert_eq!(example.post("/auth/password/reset", body).await.status, 204);
    assert_eq!(sign_in(&example.client, "ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(example.get("/person").await.json()["name"], "Ada");
}

/// The storage examples are short.
#[test]
fn storage_examples_are_short() {
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("storage_") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(str::trim);
            let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
            assert!(code < 80, "{name} has {code} lines");
        }
    }
}
