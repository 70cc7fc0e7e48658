//! The minimum that an application would implement without this crate: the hash of a random token,
//! one table of sessions and one of users, one prepared query, and optionally a cache.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
    routing::get,
};
use http::{StatusCode, request::Parts};
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row, SqlitePool, postgres::PgPoolOptions, sqlite::SqliteConnectOptions};

use crate::{
    PEOPLE, file,
    measure::{Credentials, Failure},
    postgres,
};

#[derive(Clone)]
struct User {
    id: String,
    _email: String,
    expires_at: i64,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

struct Floor {
    pool: Pool,
    cache: Option<Cache<[u8; 32], Arc<User>>>,
}

const TABLES: [&str; 2] = [
    "CREATE TABLE floor_users (id TEXT PRIMARY KEY, email TEXT NOT NULL)",
    "CREATE TABLE floor_sessions (hash TEXT PRIMARY KEY, user_id TEXT NOT NULL, expires_at BIGINT NOT NULL)",
];
const FIND: &str = "SELECT u.id, u.email, s.expires_at FROM floor_sessions s
    JOIN floor_users u ON u.id = s.user_id WHERE s.hash = $1";

impl Floor {
    async fn find(&self, token: &str) -> Result<Option<Arc<User>>, sqlx::Error> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let now =
            std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as i64;
        if let Some(user) = self.cache.as_ref().and_then(|cache| cache.get(&hash)) {
            return Ok(Some(user).filter(|user| user.expires_at > now));
        }
        let text = hex(&hash);
        let user = match &self.pool {
            Pool::Sqlite(pool) => {
                let row = sqlx::query(FIND).bind(text).fetch_optional(pool).await?;
                row.map(|row| User { id: row.get(0), _email: row.get(1), expires_at: row.get(2) })
            }
            Pool::Postgres(pool) => {
                let row = sqlx::query(FIND).bind(text).fetch_optional(pool).await?;
                row.map(|row| User { id: row.get(0), _email: row.get(1), expires_at: row.get(2) })
            }
        };
        let user = user.filter(|user| user.expires_at > now).map(Arc::new);
        if let (Some(cache), Some(user)) = (&self.cache, &user) {
            cache.insert(hash, Arc::clone(user));
        }
        Ok(user)
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

struct Me(Arc<User>);

#[derive(Clone)]
struct Shared(Arc<Floor>);

impl<S: Send + Sync> FromRequestParts<S> for Me
where
    Shared: FromRef<S>,
{
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let floor = Shared::from_ref(state);
        let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let found = floor.0.find(token.ok_or(StatusCode::UNAUTHORIZED)?).await;
        let found = found.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        found.map(Me).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// Rejects requests without the user that the layer adds.
async fn signed_in(request: Request, next: Next) -> Result<Response, StatusCode> {
    match request.extensions().get::<Arc<User>>() {
        Some(_) => Ok(next.run(request).await),
        None => Err(StatusCode::UNAUTHORIZED),
    }
}

pub async fn router(name: &str) -> Result<(Router, Credentials), Failure> {
    let pool = if name.ends_with("postgres") {
        Pool::Postgres(PgPoolOptions::new().max_connections(10).connect(&postgres()?).await?)
    } else {
        let options = SqliteConnectOptions::new()
            .filename(file()?)
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        Pool::Sqlite(SqlitePool::connect_with(options).await?)
    };
    let cache = (name.contains("cache") || name == "floor-layer").then(|| Cache::new(100_000));
    let floor = Floor { pool, cache };
    let run = async |sql: &'static str| match &floor.pool {
        Pool::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await.map(drop),
        Pool::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(drop),
    };
    run("DROP TABLE IF EXISTS floor_users").await?;
    run("DROP TABLE IF EXISTS floor_sessions").await?;
    for table in TABLES {
        run(table).await?;
    }
    let mut credentials = Vec::new();
    for person in 0..PEOPLE {
        let token = hex(&Sha256::digest(format!("token {person}")));
        let (id, mail) =
            (format!("0191f0c0-0000-7000-8000-{person:012}"), format!("p{person}@example.com"));
        let hash = hex(&Sha256::digest(&token));
        let user = "INSERT INTO floor_users VALUES ($1, $2)";
        let session = "INSERT INTO floor_sessions VALUES ($1, $2, 9000000000000)";
        match &floor.pool {
            Pool::Sqlite(pool) => {
                sqlx::query(user).bind(&id).bind(mail).execute(pool).await?;
                sqlx::query(session).bind(hash).bind(&id).execute(pool).await?;
            }
            Pool::Postgres(pool) => {
                sqlx::query(user).bind(&id).bind(mail).execute(pool).await?;
                sqlx::query(session).bind(hash).bind(&id).execute(pool).await?;
            }
        }
        credentials.push(("authorization", format!("Bearer {token}")));
    }
    if name == "floor-layer" {
        // A layer that adds the user for handlers, as the layer of authlayer does.
        let shared = Shared(floor.into());
        let look = async |State(floor): State<Shared>, mut request: Request, next: Next| {
            let header = request.headers().get("authorization");
            let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
            if let Some(token) = token
                && let Ok(Some(user)) = floor.0.find(token).await
            {
                request.extensions_mut().insert(user);
            }
            next.run(request).await
        };
        let router = Router::new()
            .route("/layered", get(async || "ok"))
            .route("/me", get(async |user: axum::Extension<Arc<User>>| user.id.clone()))
            .route("/guarded", get(async || "ok").route_layer(axum::middleware::from_fn(signed_in)))
            .layer(axum::middleware::from_fn_with_state(shared, look))
            .route("/public", get(async || "ok"));
        return Ok((router, credentials));
    }
    let shared = Shared(floor.into());
    let guard = axum::middleware::from_extractor_with_state::<Me, _>(shared.clone());
    let router = Router::new()
        .route("/public", get(async || "ok"))
        .route("/layered", get(async || "ok"))
        .route("/me", get(async |me: Me| me.0.id.clone()))
        .route("/guarded", get(async || "ok").route_layer(guard))
        .with_state(shared);
    Ok((router, credentials))
}
