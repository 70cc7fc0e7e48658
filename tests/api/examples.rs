//! The examples run as programs.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use authlayer::testing::TestClient;
use serde_json::json;

use crate::support::{Database, On, PASSWORD};

/// Cargo builds the examples beside the tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join("../examples").join(name)
}

/// A running example, killed on drop.
struct Running {
    child: Child,
    first_line: String,
}

impl Running {
    fn start(name: &str, environment: &[(&str, String)]) -> Self {
        let program = binary(name);
        let mut child = Command::new(&program)
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        Self { child, first_line: first_line.trim_end().to_owned() }
    }

    /// Ends the program by Ctrl-C, and returns whether it ended in an orderly way.
    fn interrupt(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn quickstart_signs_users_in_and_survives_a_restart() {
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let environment = [("PORT", port.to_string()), ("DATABASE", file)];
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let client = TestClient::connect(address).with("accept", "text/html");

    let running = Running::start("quickstart", &environment);
    assert_eq!(running.first_line, format!("open http://localhost:{port}"));
    let guarded = client.get("/").await;
    assert_eq!(guarded.header("location"), "/account/sign-in?return_to=/");
    let page = String::from_utf8(client.get("/account/sign-in").await.body).unwrap();
    assert!(page.contains("autocomplete=\"current-password\""), "PW-18");
    let form = [("email", "ada@example.com"), ("password", PASSWORD), ("return_to", "/")];
    assert_eq!(client.post_form("/account/sign-up", &form).await.header("location"), "/");
    let greeting = client.get("/").await;
    assert!(greeting.body.starts_with(b"Hello, "));
    assert!(running.interrupt(), "the program ends in an orderly way");

    let _running = Running::start("quickstart", &environment);
    assert_eq!(client.get("/").await.body, greeting.body, "the session survived");
    assert_eq!(client.post_form("/account/sign-out", &[]).await.status, 303);
    assert_eq!(client.get("/").await.status, 303);
    assert_eq!(client.post_form("/account/sign-in", &form).await.header("location"), "/");
    assert_eq!(client.get("/").await.body, greeting.body);
    database.remove().await;
}

#[tokio::test]
async fn document_of_the_application_has_the_routes_of_both() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let running = Running::start("openapi", &[("PORT", port.to_string())]);
    assert_eq!(running.first_line, format!("open http://localhost:{port}/openapi.json"));
    let client = TestClient::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let document = client.get("/openapi.json").await.json();
    assert_eq!(document["info"]["title"], "Notes");
    assert_eq!(document["paths"]["/notes"]["get"]["operationId"], "listNotes");
    assert_eq!(document["paths"]["/auth/sign-in"]["post"]["operationId"], "signIn");
    assert!(document["paths"]["/sign-in"].is_null());
    assert!(document["servers"].as_array().is_none_or(Vec::is_empty), "{}", document["servers"]);
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
}

#[tokio::test]
async fn program_signs_in_in_a_terminal() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _running = Running::start("cli", &[("PORT", port.to_string())]);
    let client = TestClient::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(client.post("/auth/sign-up", &body).await.status, 201);

    let mut program = Command::new(binary("cli"))
        .env("SERVER", format!("http://localhost:{port}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let page = lines.next().unwrap();
    assert_eq!(page, format!("Open http://localhost:{port}/account/device and enter the code"));
    let code = lines.next().unwrap();
    let form = [("user_code", &*code)];
    assert_eq!(client.post_form("/account/device", &form).await.status, 200);
    let form = [("user_code", &*code), ("decision", "approve")];
    assert_eq!(client.post_form("/account/device", &form).await.status, 303);
    assert_eq!(lines.next().as_deref(), Some("Signed in as ada@example.com"));
    assert!(program.wait().unwrap().success());
}

#[tokio::test]
async fn form_of_the_application_signs_users_in() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let running = Running::start("forms", &[("PORT", port.to_string())]);
    assert_eq!(running.first_line, format!("open http://localhost:{port}/inbox"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let client = TestClient::connect(address).with("accept", "text/html");
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(client.post("/auth/sign-up", &body).await.status, 201);
    assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);

    let guarded = client.get("/inbox").await;
    assert_eq!(guarded.header("location"), "/sign-in?return_to=/inbox");
    let page =
        String::from_utf8(client.get("/sign-in?return_to=%22%3E%3Cb%3E").await.body).unwrap();
    assert!(page.contains("value=\"&quot;&gt;&lt;b&gt;\""), "{page}");
    for (email, password, return_to, status) in [
        ("\"><script>", PASSWORD, "/inbox", 401),
        ("ada@example.com", "not the password", "/inbox", 401),
        ("ada@example.com", PASSWORD, "https://evil.example", 400),
    ] {
        let form = [("email", email), ("password", password), ("return_to", return_to)];
        let refused = client.post_form("/sign-in", &form).await;
        let page = String::from_utf8(refused.body.clone()).unwrap();
        assert_eq!(refused.status, status, "{page}");
        assert!(page.contains("role=\"alert\"") && !page.contains("<script>"), "{page}");
        assert!(!page.contains(password), "{page}");
    }
    let form = [("email", "ada@example.com"), ("password", PASSWORD), ("return_to", "/inbox")];
    let from_elsewhere = client.clone().with("origin", "https://evil.example");
    assert_eq!(from_elsewhere.post_form("/sign-in", &form).await.status, 403);
    let answer = client.post_form("/sign-in", &form).await;
    assert_eq!((answer.status.as_u16(), &*answer.header("location")), (303, "/inbox"));
    assert_eq!(client.get("/inbox").await.status, 200);
    let expired = client.post_form("/sign-in/code", &[("code", "123456")]).await;
    assert_eq!(expired.status, 401);

    let from_elsewhere = client.clone().with("origin", "https://evil.example");
    assert_eq!(from_elsewhere.post_form("/sign-out", &[]).await.status, 403);
    let copy = client.clone();
    assert_eq!(copy.get("/inbox").await.status, 200);
    for _ in 0..2 {
        let answer = client.post_form("/sign-out", &[]).await;
        assert_eq!((answer.status.as_u16(), &*answer.header("location")), (303, "/sign-in"));
        assert!(answer.set_cookies().iter().all(|line| line.contains("Max-Age=0")));
        assert_eq!(answer.set_cookies().len(), 2);
    }
    assert_eq!(copy.get("/inbox").await.header("location"), "/sign-in?return_to=/inbox");
    assert_eq!(client.cookies(), []);
}

#[test]
fn quickstart_has_at_most_twenty_five_lines_and_no_html() {
    let readme = include_str!("../../README.md");
    let listing = readme.split("```rust,no_run\n").nth(1).unwrap().split("```").next().unwrap();
    for program in [include_str!("../../examples/quickstart.rs"), listing] {
        let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//!");
        let lines = program.lines().filter(is_code).count();
        assert!(lines <= 25, "{lines} lines: {program}");
        assert!(!program.contains("html") && !program.contains("Html"), "{program}");
        assert!(program.contains(".with_graceful_shutdown(") && program.contains("auth.shutdown("));
    }
    assert!(
        listing.contains(".trusted_proxy("),
        "rate limits by network are set with a trusted proxy"
    );
}

#[tokio::test]
async fn testbed_reads_its_configuration_from_the_environment() {
    let config = json!({
        "origin": "http://localhost:3000", "user_mode": "managed", "limits": true, "cache_ms": 0,
        "argon2": { "m": 64, "t": 1, "p": 1 }, "oidc": [], "verify_email": false,
    });
    let running = Running::start("testbed", &[("TESTBED", config.to_string())]);
    let address = running.first_line.strip_prefix("listening on http://").unwrap();
    let client = TestClient::connect(address.parse().unwrap());
    assert_eq!(client.get("/public").await.status, 200);
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(client.post("/auth/sign-up", &body).await.status, 201);
    assert_eq!(client.get("/me").await.status, 200);
    let stats = client.get("/testbed/stats").await.json();
    assert_eq!((&stats["statements"], &stats["hashes"]), (&json!(5), &json!(1)));
    assert_eq!(client.get("/testbed/mail?to=ada@example.com").await.json()["messages"], json!([]));
    let events = client.get("/testbed/events").await.json();
    assert_eq!(events["events"][0]["kind"], "signed_up");
    assert!(events["events"][0]["at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn testbed_supports_five_user_storage_modes() {
    for on in [On::Sqlite, On::Postgres] {
        for mode in ["managed", "managed_with_claims", "mapped", "custom", "external"] {
            let database = Database::fresh(on).await;
            let config = json!({
                "database": database.url(), "user_mode": mode, "pool_max": 2,
                "argon2": { "m": 64, "t": 1, "p": 1 },
            });
            let running = Running::start("testbed", &[("TESTBED", config.to_string())]);
            let address = running.first_line.strip_prefix("listening on http://").unwrap();
            let client = TestClient::connect(address.parse().unwrap());
            let body = json!({ "email": "ada@example.com", "password": PASSWORD });
            let answer = client.post("/auth/sign-up", &body).await;
            assert_eq!(answer.status, 201, "{mode}: {}", answer.json());
            assert_eq!(client.get("/admin").await.status, 403, "{mode}");
            let path = format!("/testbed/users/{}", answer.json()["user"]["id"].as_str().unwrap());
            let before = client.get("/testbed/stats").await.json()["statements"].clone();
            let change = json!({ "roles": ["admin"] });
            let changed = client.json(http::Method::PATCH, &path, &change).await;
            assert_eq!(changed.status, 200, "{mode}: {}", changed.json());
            let after = client.get("/testbed/stats").await.json()["statements"].clone();
            assert_eq!(before, after, "{mode}: routes of the testbed are not counted");
            assert_eq!(client.get("/admin").await.status, 200, "{mode}");
            let change = json!({ "status": "disabled" });
            client.json(http::Method::PATCH, &path, &change).await;
            assert_eq!(client.get("/me").await.status, 401, "{mode}");
            drop(running);
            database.remove().await;
        }
    }
}

/// SE-08: two processes share a database, and each holds a WebSocket that the other one revokes.
#[tokio::test]
async fn revocation_in_one_process_closes_connections_of_another() {
    let database = Database::fresh(On::Postgres).await;
    let config = json!({
        "database": database.url(), "pool_max": 2, "argon2": { "m": 64, "t": 1, "p": 1 },
    });
    let start = || {
        let running = Running::start("testbed", &[("TESTBED", config.to_string())]);
        let address = running.first_line.strip_prefix("listening on http://").unwrap();
        let address: SocketAddr = address.parse().unwrap();
        (running, address)
    };
    let ((_one, first), (_two, second)) = (start(), start());
    for (here, there) in [(first, second), (second, first)] {
        let email = format!("user-{}@example.com", here.port());
        let body = json!({ "email": email, "password": PASSWORD, "transport": "bearer" });
        let made = TestClient::connect(here).post("/auth/sign-up", &body).await.json();
        let token = made["tokens"]["access_token"].as_str().unwrap().to_owned();
        let header = [("authorization", format!("Bearer {token}"))];
        let mut socket = crate::live::open(here, "/ws", &header).await.unwrap();
        assert_eq!(crate::live::subject(&mut socket).await["id"], made["user"]["id"]);
        let elsewhere = TestClient::connect(there).bearer(&token);
        assert_eq!(elsewhere.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(crate::live::closed(&mut socket).await, 4401);
    }
    database.remove().await;
}
