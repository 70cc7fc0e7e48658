//! Users in an existing table of the application.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use authlayer::{
    Auth, AuthUser, Password, RequireUser, SqliteStore, UserProfile, UserStorage, UserTable,
};
use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS accounts (
    account_id INTEGER PRIMARY KEY AUTOINCREMENT,
    mail TEXT NOT NULL UNIQUE COLLATE NOCASE,
    full_name TEXT,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    plan TEXT NOT NULL DEFAULT 'free',
    seats INTEGER NOT NULL DEFAULT 3)";

/// The additional columns of the table, which handlers extract as `UserProfile<Account>`.
#[derive(Serialize, Deserialize)]
struct Account {
    plan: String,
    seats: u32,
}

async fn account(user: AuthUser, account: UserProfile<Account>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "id": user.id, "name": user.display_name, "account": *account }))
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    // The application and authlayer share one pool and one database.
    let options = SqliteConnectOptions::new().in_memory(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    let store = SqliteStore::from_pool(pool).await?;

    // `UserStorage::mapped` inspects the table: a column that is missing or has a wrong type is an error.
    let table = UserTable::new("accounts")
        .id("account_id")
        .email("mail")
        .display_name("full_name")
        .active("is_active")
        .extra("plan")
        .extra("seats")
        .profile::<Account>();
    let users = UserStorage::mapped(&store, table).await?;

    let auth = Auth::builder(store)
        .origin(format!("http://localhost:{port}"))
        .users(users)
        .flow(Password::new())
        .build()?;

    let app = Router::new()
        .route("/account", get(account))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
