//! A page with sign-up, passwords and passkeys: <http://localhost:3000>.

use authlayer::{Auth, AuthUser, Passkeys, Password, RequireUser, SqliteStore};
use axum::{Json, Router, response::Html, routing::get};
use std::net::SocketAddr;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let origin = format!("http://localhost:{port}");
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.db");
    let database = std::env::var("DATABASE").unwrap_or_else(|_| database.to_owned());

    let auth = Auth::builder(SqliteStore::open(database).await?)
        .origin(&origin)
        .flow(Password::new())
        .flow(Passkeys::new("Quickstart"))
        .build()?;

    let app = Router::new()
        .route("/me", get(|user: AuthUser| async move { Json(user) }))
        .route_layer(RequireUser::new())
        .route("/", get(|| async { Html(include_str!("quickstart.html")) }))
        .nest("/auth", auth.router())
        .layer(auth.layer());

    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("open {origin}");
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
