//! Users stored by authlayer, with roles and tenants that the application stores.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use std::{collections::HashMap, time::Duration};

use authlayer::{
    Auth, AuthUser, Claims, ClaimsSource, Password, RequireUser, SqliteStore, UserId, UserStorage,
    store::StoreError, users::CachePolicy,
};
use axum::{Json, Router, routing::get};
use sqlx::{Row, SqlitePool};

/// A table of the application with the organization and the role of each user.
struct Staff(SqlitePool);

impl ClaimsSource for Staff {
    async fn claims(&self, user: &UserId) -> Result<Claims, StoreError> {
        let mut all = self.claims_batch(std::slice::from_ref(user)).await?;
        Ok(all.remove(user).unwrap_or_default())
    }

    /// Returns the claims of all users of concurrent requests, with one statement.
    async fn claims_batch(&self, users: &[UserId]) -> Result<HashMap<UserId, Claims>, StoreError> {
        let sql = "SELECT user_id, org, role FROM staff
            WHERE user_id IN (SELECT value FROM json_each($1))";
        let ids = serde_json::to_string(users).map_err(StoreError::new)?;
        let rows = sqlx::query(sql).bind(ids).fetch_all(&self.0).await.map_err(StoreError::new)?;
        let mut all: HashMap<UserId, Claims> = HashMap::new();
        for row in rows {
            let claims = all.entry(UserId::new(row.get::<String, _>("user_id"))).or_default();
            claims.tenant_id = Some(row.get("org"));
            claims.roles.push(row.get("role"));
        }
        Ok(all)
    }
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    sqlx::query("CREATE TABLE staff (user_id TEXT, org TEXT, role TEXT)").execute(&pool).await?;

    // Fetches claims for every request. By default they are cached with a session for five seconds.
    let always = CachePolicy::default().fresh(Duration::ZERO);
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .users(UserStorage::managed_with_claims_cached(Staff(pool.clone()), always))
        .flow(Password::new())
        .build()?;

    let join = async move |user: AuthUser| {
        let sql = "INSERT INTO staff VALUES ($1, 'acme', 'editor')";
        sqlx::query(sql).bind(user.id.as_str()).execute(&pool).await.map_or("no", |_| "welcome")
    };

    let app = Router::new()
        .route("/edit", get(|user: AuthUser| async move { Json(user) }))
        .route_layer(RequireUser::new().role("editor"))
        .route("/join", axum::routing::post(join).route_layer(RequireUser::new()))
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
