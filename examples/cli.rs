//! A program that signs in in a terminal, by the device authorization grant (RFC 8628).
//!
//! `cargo run --example cli --features pages` runs the application, and
//! `SERVER=http://localhost:3000 cargo run --example cli --features pages` the program: it shows a
//! code, and waits until you have approved it in a browser.

use std::{env, error::Error, net::SocketAddr, time::Duration};

use authlayer::{Auth, DeviceGrant, Pages, Password, SqliteStore, Theme};
use axum::Router;
use reqwest::Client;
use serde_json::Value;

const CLIENT_ID: &str = "notes-cli";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    match env::var("SERVER") {
        Ok(server) => sign_in(&server).await,
        Err(_) => serve().await,
    }
}

/// Runs the application.
async fn serve() -> Outcome {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let origin = format!("http://localhost:{port}");
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(&origin)
        .flow(Password::new())
        .flow(DeviceGrant::new().client(CLIENT_ID, "Notes for the command line"))
        .flow(Pages::new(Theme::new("Notes")))
        .build()?;
    let app = Router::new()
        .nest("/auth", auth.router())
        .nest("/account", auth.pages())
        .merge(auth.well_known())
        .layer(auth.layer());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("open {origin}/account/sign-up");
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// Signs in at an application, and shows the user.
async fn sign_in(server: &str) -> Outcome {
    let http = Client::builder().user_agent("notes-cli/1.0").build()?;
    let metadata = format!("{server}/.well-known/oauth-authorization-server");
    let metadata: Value = http.get(metadata).send().await?.error_for_status()?.json().await?;
    let start = text(&metadata, "device_authorization_endpoint")?;
    let token = text(&metadata, "token_endpoint")?;

    let form = [("client_id", CLIENT_ID)];
    let started = http.post(start).form(&form).send().await?.error_for_status()?;
    let started: Value = started.json().await?;
    println!("Open {} and enter the code", text(&started, "verification_uri")?);
    println!("{}", text(&started, "user_code")?);

    let device_code = text(&started, "device_code")?;
    let mut interval = started.get("interval").and_then(Value::as_u64).unwrap_or(5);
    let tokens = loop {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        let form =
            [("grant_type", DEVICE_CODE), ("client_id", CLIENT_ID), ("device_code", device_code)];
        let answer: Value = http.post(token).form(&form).send().await?.json().await?;
        match answer.get("error").and_then(Value::as_str) {
            None => break answer,
            Some("authorization_pending") => {}
            Some("slow_down") => interval += 5,
            Some("access_denied") => return Err("the program was denied".into()),
            Some("expired_token") => return Err("the code has expired".into()),
            Some(other) => return Err(other.into()),
        }
    };

    // Store the refresh token in the key store of the operating system. The next start exchanges it
    // at the same endpoint, with `grant_type=refresh_token`.
    let session = format!("{server}/auth/session");
    let request = http.get(session).bearer_auth(text(&tokens, "access_token")?);
    let session: Value = request.send().await?.error_for_status()?.json().await?;
    let user = session.get("user").ok_or("the response lacks `user`")?;
    println!("Signed in as {}", text(user, "email")?);
    Ok(())
}

fn text<'a>(body: &'a Value, name: &str) -> Outcome<&'a str> {
    let value = body.get(name).and_then(Value::as_str);
    value.ok_or_else(|| format!("the response lacks `{name}`").into())
}
