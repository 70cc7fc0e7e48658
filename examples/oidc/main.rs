//! Sign-in with an OpenID provider on <http://localhost:3000>. The example starts the provider, the
//! certified `oidc-provider` for Node.js. It accepts any name with any password.
//!
//! ```sh
//! cargo run --example oidc --features oauth
//! ```

use authlayer::{Auth, AuthUser, Oidc, RequireUser, SqliteStore};
use axum::{Json, Router, response::Html, routing::get};
use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let provider_port = std::env::var("PROVIDER_PORT").unwrap_or_else(|_| "4000".to_owned());
    let origin = format!("http://localhost:{port}");
    let _provider = Running(start_provider(&origin, &provider_port)?);

    let corp = Oidc::new("corp", format!("http://localhost:{provider_port}"), "corp")
        .client_secret("not-a-secret-outside-this-example")
        .store_id_token(true);
    let auth = Auth::builder(SqliteStore::memory().await?).origin(&origin).flow(corp).build()?;

    let app = Router::new()
        .route("/me", get(|user: AuthUser| async move { Json(user) }))
        .route_layer(RequireUser::new())
        .route("/", get(|| async { Html(include_str!("index.html")) }))
        .nest("/auth", auth.router())
        .layer(auth.layer());

    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("open {origin}");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).with_graceful_shutdown(interrupted()).await?)
}

/// Stops the provider when the example stops.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
    }
}

fn start_provider(app: &str, port: &str) -> Result<Child, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/oidc");
    if !folder.join("node_modules").exists() {
        let installed = Command::new("npm").args(["ci", "--silent"]).current_dir(&folder).status();
        if !installed?.success() {
            return Err("npm could not install the provider".into());
        }
    }
    let mut provider = Command::new("node")
        .arg("provider.mjs")
        .current_dir(&folder)
        .env("APP", app)
        .env("PROVIDER_PORT", port)
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = provider.stdout.take().ok_or("the provider has no standard output")?;
    let mut output = BufReader::new(stdout);
    // The first line is printed when the provider accepts requests.
    output.read_line(&mut String::new())?;
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::stderr()));
    Ok(provider)
}

async fn interrupted() {
    let _signal = tokio::signal::ctrl_c().await;
}
