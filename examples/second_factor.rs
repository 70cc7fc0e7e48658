//! A YubiKey in OTP mode as a second factor, validated by an HTTP service.
//!
//! ```sh
//! VALIDATION_URL=https://otp.example.com/validate cargo run --example second_factor
//! ```

use std::{net::SocketAddr, time::Duration};

use authlayer::{
    Auth, AuthError, AuthUser, ConfigError, ErrorKind, Factor, Flow, FreshUser, JsonBody, Password,
    Registry, RequireUser, SecondFactor, SqliteStore, Strength,
    services::{Account, CredentialOptions, Credentials, FactorAttempt, FactorCheck},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

/// The name of the factor on the wire.
pub const YUBIKEY: Factor = Factor::custom("yubikey_otp");

/// The data of an enrolled key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key {
    counter: u64,
}

/// A validated OTP: the public id of the key, and a counter that only rises.
#[derive(Deserialize)]
struct Otp {
    public_id: String,
    counter: u64,
}

#[derive(Clone)]
struct YubiKey {
    http: reqwest::Client,
    url: String,
    keys: Credentials<Key>,
}

impl YubiKey {
    async fn validate(&self, otp: &str) -> Result<Option<Otp>, AuthError> {
        let request = self.http.post(&self.url).json(&serde_json::json!({ "otp": otp }));
        let response = async { request.send().await?.error_for_status()?.json().await };
        response.await.map_err(AuthError::unavailable)
    }
}

impl SecondFactor for YubiKey {
    fn factor(&self) -> Factor {
        YUBIKEY
    }

    fn strength(&self) -> Strength {
        Strength::OneTimeCode
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.count(&self.keys) > 0
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        let Some(otp) = self.validate(attempt.code()).await? else {
            return Ok(FactorCheck::Rejected);
        };
        let keys = attempt.account().credentials(&self.keys);
        let is_next =
            |key: &Key, lookup: &str| lookup == otp.public_id && key.counter < otp.counter;
        let Some(key) = keys.iter().find(|key| is_next(&key.data, &key.lookup)) else {
            return Ok(FactorCheck::Rejected);
        };
        // The counter is stored with the session, unless another sign-in has stored one first.
        let used = self.keys.replacing(key, Key { counter: otp.counter });
        Ok(FactorCheck::AcceptedUsing(used))
    }
}

/// The flow, over the URL of the validation service.
#[derive(Debug)]
pub struct YubiKeys {
    /// The client of the validation service.
    pub http: reqwest::Client,
    /// The URL of the validation service.
    pub url: String,
}

impl Flow for YubiKeys {
    type Service = Credentials<Key>;

    fn name(&self) -> &str {
        "yubikeys"
    }

    fn register(self, registry: &mut Registry) -> Result<Credentials<Key>, ConfigError> {
        // A process without this flow then rejects a sign-in instead of skipping the factor.
        let options = CredentialOptions::default().second_factor(true);
        let options = options.max_per_user(5).counted_as("yubikeys");
        let keys = registry.credentials("yubikey", options);
        let factor = YubiKey { http: self.http, url: self.url, keys: keys.clone() };
        registry.routes(&factor, [("/yubikeys", post(enroll))]).second_factor(factor);
        Ok(keys)
    }
}

#[derive(Deserialize)]
struct Enroll {
    otp: String,
}

async fn enroll(
    State(yubikey): State<YubiKey>,
    user: FreshUser,
    JsonBody(body): JsonBody<Enroll>,
) -> Result<StatusCode, AuthError> {
    let otp = yubikey.validate(&body.otp).await?.ok_or(ErrorKind::InvalidCode)?;
    yubikey.keys.add(&user, &otp.public_id, Key { counter: otp.counter }).await?;
    Ok(StatusCode::CREATED)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin("http://localhost:3000")
        .flow(Password::new())
        .flow(YubiKeys { http, url: std::env::var("VALIDATION_URL")? })
        .build()?;
    let app = Router::new()
        .route("/", get(|user: AuthUser| async move { format!("Hello, {}!", user.id) }))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("open http://localhost:3000");
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
