//! A signed token that is verified for each request and cannot be revoked.

use std::time::{Duration, SystemTime};

use axum::{
    Router,
    extract::{FromRef, FromRequestParts},
    routing::get,
};
use http::{StatusCode, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::{
    PEOPLE,
    measure::{Credentials, Failure},
};

#[derive(Deserialize, Serialize)]
struct Claims {
    sub: String,
    exp: u64,
}

#[derive(Clone)]
struct Keys(std::sync::Arc<(DecodingKey, Validation)>);

impl<S: Send + Sync> FromRequestParts<S> for Claims
where
    Keys: FromRef<S>,
{
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let keys = Keys::from_ref(state);
        let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
        let data = decode::<Self>(token, &keys.0.0, &keys.0.1);
        Ok(data.map_err(|_| StatusCode::UNAUTHORIZED)?.claims)
    }
}

pub fn router() -> Result<(Router, Credentials), Failure> {
    let secret = [7; 32];
    let until = SystemTime::UNIX_EPOCH.elapsed()? + Duration::from_secs(86_400);
    let token = |person: usize| {
        let claims = Claims { sub: format!("user-{person}"), exp: until.as_secs() };
        encode(&Header::default(), &claims, &EncodingKey::from_secret(&secret))
    };
    let tokens =
        (0..PEOPLE).map(|person| Ok(("authorization", format!("Bearer {}", token(person)?))));
    let keys = Keys((DecodingKey::from_secret(&secret), Validation::new(Algorithm::HS256)).into());
    let guard = axum::middleware::from_extractor_with_state::<Claims, _>(keys.clone());
    let router = Router::new()
        .route("/public", get(async || "ok"))
        .route("/layered", get(async || "ok"))
        .route("/me", get(async |claims: Claims| claims.sub))
        .route("/guarded", get(async || "ok").route_layer(guard))
        .with_state(keys);
    Ok((router, tokens.collect::<Result<_, Failure>>()?))
}
