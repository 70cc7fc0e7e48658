//! Sign-up, sign-in and the account by the pages of the crate: <http://localhost:3000>.
use std::{env, net::SocketAddr, time::Duration};

use authlayer::{Auth, AuthUser, Pages, Password, RequireUser, SqliteStore, Theme};
use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let database = env::var("DATABASE").unwrap_or_else(|_| "app.db".to_owned());

    let auth = Auth::builder(SqliteStore::open(database).await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .flow(Pages::new(Theme::new("Example").accent("#0a7")))
        .build()?;

    let app = Router::new()
        .route("/", get(|user: AuthUser| async move { format!("Hello, {}!", user.id) }))
        .route_layer(RequireUser::new()) // a browser is redirected to the sign-in page
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .layer(auth.layer());

    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("open http://localhost:{port}");
    let server = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
    server.with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    auth.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
