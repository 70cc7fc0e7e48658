//! Sign-up, sign-in and account pages of the crate, in the color of the application:
//! <http://localhost:3000>.
//!
//! ```sh
//! cargo run --example pages --features pages
//! ```

use std::net::SocketAddr;

use authlayer::{Auth, AuthUser, Pages, Password, RequireUser, SqliteStore, Theme};
use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin("http://localhost:3000")
        .flow(Password::new())
        .flow(Pages::new(Theme::new("Example").accent("#0a7")))
        .build()?;

    let app = Router::new()
        .route("/", get(|user: AuthUser| async move { format!("Hello, {}!", user.id) }))
        .route_layer(RequireUser::new()) // a browser is redirected to the sign-in page
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .layer(auth.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("open http://localhost:3000");
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
