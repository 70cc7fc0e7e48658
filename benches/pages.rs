//! The processor time of a page beside the work of its flow: the page of the account against the
//! routes whose responses it shows, and the page for sign-in, which has no such work, against an
//! authenticated request. Rounds alternate, and the figures are medians.
//!
//! `cargo bench --features pages,totp --bench pages`

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark")]

use authlayer::{
    ApiKeys, Auth, AuthUser, EmailCodes, Pages, Password, RecoveryCodes, SqliteStore, StderrMailer,
    Theme, Totp, UserId,
};
use axum::{Router, body::Body, response::Response, routing::get};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower_service::Service;

const ORIGIN: &str = "http://localhost:3000";
/// The values of the account page.
const PARTS: [&str; 5] =
    ["/auth/account", "/auth/sessions", "/auth/totp", "/auth/api-keys", "/auth/devices"];
const ROUNDS: usize = 15;
const CALLS: u32 = 1_000;

/// Returns the processor time of all threads in microseconds.
fn processor_time() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads");
    let times = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    times.sum::<f64>() / 1_000.0
}

/// Calls the router, which must succeed.
async fn call(
    router: &mut Router,
    method: Method,
    path: &str,
    cookie: &str,
    body: &Value,
) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ORIGIN, ORIGIN)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT_LANGUAGE, "en")
        .header(header::COOKIE, cookie)
        .body(if body.is_null() { Body::empty() } else { Body::from(body.to_string()) });
    let called = router.call(request.expect("a request")).await;
    let response = called.expect("a response");
    assert!(response.status() < StatusCode::BAD_REQUEST, "{path}: {}", response.status());
    response
}

/// Returns the text of a response, which a server would send.
async fn read(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(bytes.into()).expect("text")
}

/// Returns the microseconds of one call of these paths.
async fn measure(router: &mut Router, paths: &[&str], cookie: &str) -> f64 {
    let before = processor_time();
    for _ in 0..CALLS {
        for path in paths {
            read(call(router, Method::GET, path, cookie, &Value::Null).await).await;
        }
    }
    (processor_time() - before) / f64::from(CALLS)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().expect("a round")
}

/// An application, and the cookies of a user with five sessions and five API keys.
async fn application() -> (Router, String) {
    let auth = Auth::builder(SqliteStore::memory().await.expect("a store"))
        .origin(ORIGIN)
        .mailer(StderrMailer)
        .sealing_keys([[1; 32]])
        .flow(Password::new())
        .flow(EmailCodes::new().verify_email_on_sign_up(false))
        .flow(Totp::new("Example"))
        .flow(RecoveryCodes::new())
        .flow(ApiKeys::new())
        .flow(Pages::new(Theme::new("Example").accent("#0a7")))
        .build()
        .expect("a configuration");
    let mut router = Router::new()
        .route("/me", get(async |user: AuthUser| user.id.to_string()))
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .layer(auth.layer());
    let ada =
        json!({ "email": "ada@example.com", "password": "zq8 xw2v plum", "display_name": "Ada" });
    let made = read(call(&mut router, Method::POST, "/auth/sign-up", "", &ada).await).await;
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let id = made.pointer("/user/id").and_then(Value::as_str).expect("an id");
    let grant = |user: &mut authlayer::User| user.scopes.push("notes:read".to_owned());
    auth.users().edit(&UserId::new(id), grant).await.expect("a user");
    let mut cookie = String::new();
    for _ in 0..4 {
        let signed_in = call(&mut router, Method::POST, "/auth/sign-in", "", &ada).await;
        let lines = signed_in.headers().get_all(header::SET_COOKIE).iter();
        let pairs = lines.filter_map(|line| line.to_str().ok()?.split(';').next());
        cookie = pairs.collect::<Vec<_>>().join("; ");
    }
    for number in 0..5 {
        let key = json!({ "name": format!("Key {number}"), "scopes": ["notes:read"] });
        call(&mut router, Method::POST, "/auth/api-keys", &cookie, &key).await;
    }
    (router, cookie)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (mut router, cookie) = application().await;
    let measured: [(&str, &[&str], &str); 4] = [
        ("authenticated request", &["/me"], &cookie),
        ("sign-in page", &["/account/sign-in"], ""),
        ("account page", &["/account/security"], &cookie),
        ("the routes that the account page shows", &PARTS, &cookie),
    ];
    let mut rounds = [(); 4].map(|()| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, paths, cookie), times) in measured.iter().zip(&mut rounds) {
            times.push(measure(&mut router, paths, cookie).await);
        }
    }
    let [request, sign_in, account, parts] = rounds.map(median);
    for (name, time) in measured.iter().map(|own| own.0).zip([request, sign_in, account, parts]) {
        println!("| {name} | {time:.1} µs | {:.1} |", time / request);
    }
    let own = account - parts;
    println!("| the account page beside these routes | {own:.1} µs | {:.1} |", own / request);
    let page = call(&mut router, Method::GET, "/account/security", &cookie, &Value::Null).await;
    println!("the account page has {} bytes", read(page).await.len());
}
