//! Routers with states of their own, guards, and step-up authentication for one route.
//!
//! ```sh
//! cargo run --example guards --features passkeys
//! ```

use std::{net::SocketAddr, sync::Arc, time::Duration};

use authlayer::{
    AccessRule, Auth, AuthError, AuthUser, Authorized, Factor, Passkeys, Password, Public,
    RequireUser, Rule, SqliteStore, Undecided, UserId,
};
use axum::{
    Router,
    extract::{FromRef, Path, State},
    routing::{delete, get, post},
};

#[derive(Clone)]
struct App {
    auth: Auth,
    billing: Arc<Billing>,
}

struct Billing {
    currency: &'static str,
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl FromRef<App> for Arc<Billing> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.billing)
    }
}

struct Editor;

impl AccessRule for Editor {
    fn rule() -> Rule {
        Rule::role("editor").or(Rule::role("admin"))
    }
}

async fn invoices(State(billing): State<Arc<Billing>>, user: AuthUser) -> String {
    format!("invoices of {} in {}", user.id, billing.currency)
}

async fn pay(State(billing): State<Arc<Billing>>, user: AuthUser) -> String {
    format!("{} paid in {}", user.id, billing.currency)
}

async fn edit(user: Authorized<Editor>, Path(page): Path<String>) -> String {
    format!("{} edits {page}", user.id)
}

async fn disable(State(auth): State<Auth>, Path(user): Path<String>) -> Result<(), AuthError> {
    auth.users().disable(&UserId::new(user)).await.map(drop)
}

fn billing() -> Router<App> {
    let step_up = RequireUser::new().factor(Factor::Passkey).max_auth_age(Duration::from_secs(600));
    Router::new()
        .route("/invoices", get(invoices))
        .route("/pay", post(pay).layer(step_up))
        .route_layer(RequireUser::new().scope("billing:read"))
}

fn administration() -> Router<App> {
    Router::new()
        .route("/users/{id}", delete(disable))
        .route_layer(RequireUser::new().role("admin").two_factor())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin("http://localhost:3000")
        .flow(Password::new())
        .flow(Passkeys::new("Example"))
        .build()?;
    let app = App { auth: auth.clone(), billing: Arc::new(Billing { currency: "EUR" }) };
    let router = Router::new()
        .route("/", get(async || "home").layer(Public))
        .route("/pages/{page}", post(edit))
        .nest("/billing", billing())
        .nest("/admin", administration())
        .nest("/auth", auth.router())
        // A route that neither extracts the user, nor is guarded, nor is `Public`, is an error.
        .layer(auth.layer().require_decision(Undecided::Reject))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("open http://localhost:3000");
    Ok(axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
