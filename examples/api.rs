//! A JSON API for a single-page application, with many sign-in methods, a password rule of the
//! application, second factors, and an orderly shutdown.
//!
//! ```sh
//! SMTP_URL=… GITHUB_ID=… GITHUB_SECRET=… \
//!     cargo run --example api --features passkeys,totp,oauth,smtp
//! ```

use std::{env, net::SocketAddr, time::Duration};

use authlayer::{
    Auth, AuthUser, EmailCodes, GitHub, Passkeys, Password, PasswordReset, RecoveryCodes,
    RequireUser, Rule, SecondFactors, SmtpMailer, SqliteStore, Totp, Undecided,
};
use axum::{
    Json, Router,
    routing::{get, post},
};

async fn create_note(user: AuthUser, Json(text): Json<String>) -> Json<String> {
    Json(format!("{}: {text}", user.id))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Auth::builder(SqliteStore::open("app.db").await?)
        .origin("https://app.example.com")
        .trusted_proxy("10.0.0.0/8")
        .mailer(SmtpMailer::from_url(&env::var("SMTP_URL")?)?)
        .flow(Password::new().rule(|password, about| {
            let name = about.display_name.unwrap_or_default();
            if !name.is_empty() && password.contains(name) { Err("contains_name") } else { Ok(()) }
        }))
        .flow(EmailCodes::new())
        .flow(PasswordReset::new())
        .flow(Passkeys::new("Example"))
        .flow(Totp::new("Example"))
        .flow(RecoveryCodes::new())
        .flow(GitHub::new(env::var("GITHUB_ID")?, env::var("GITHUB_SECRET")?))
        .second_factors(SecondFactors::new().required_for(Rule::role("admin")))
        .error_page("/sign-in")
        .build()?;

    let app = Router::new()
        .route("/api/me", get(|user: AuthUser| async move { Json(user) }))
        .route("/api/notes", post(create_note))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .merge(auth.well_known())
        .layer(auth.layer().require_decision(Undecided::Reject));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async { _ = tokio::signal::ctrl_c().await })
        .await?;
    // Messages that are queued are sent before the process exits.
    auth.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
