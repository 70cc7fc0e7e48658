//! Users stored by authlayer, with attributes in a type of the application.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use authlayer::{Auth, AuthError, AuthUser, Password, RequireUser, SqliteStore, UserPatch};
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Plan {
    name: String,
    seats: u32,
}

async fn plan(user: AuthUser) -> Json<Plan> {
    // An attribute of another type is an error. Users without the attribute have the default plan.
    Json(user.attribute("plan").ok().flatten().unwrap_or_default())
}

/// Merges the plan into the attributes (RFC 7396) and replaces the roles.
async fn upgrade(State(auth): State<Auth>, user: AuthUser) -> Result<Json<Plan>, AuthError> {
    let plan = Plan { name: "pro".to_owned(), seats: 50 };
    let patch: UserPatch = serde_json::from_value(serde_json::json!({
        "attributes": { "plan": plan },
        "roles": ["customer"],
    }))
    .map_err(|error| AuthError::new(authlayer::ErrorKind::Misconfigured).with_source(error))?;
    auth.users().patch(&user.id, &patch).await?;
    Ok(Json(plan))
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .build()?;

    let app = Router::new()
        .route("/plan", get(plan))
        .route("/upgrade", post(upgrade))
        .route_layer(RequireUser::new())
        .with_state(auth.clone())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
