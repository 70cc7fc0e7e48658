//! An application that serves its own routes and those of authlayer in one OpenAPI document.
//!
//! ```sh
//! cargo run --example openapi --features openapi
//! curl http://localhost:3000/openapi.json
//! ```

use std::sync::Arc;

use authlayer::{
    Auth, AuthUser, Password, SqliteStore,
    utoipa::openapi::{
        HttpMethod, Info, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, ResponseBuilder,
        path::OperationBuilder, security::SecurityRequirement,
    },
};
use axum::{Json, Router, routing::get};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .flow(Password::new())
        .build()?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("open http://localhost:{port}/openapi.json");
    axum::serve(listener, app(&auth)).await?;
    Ok(())
}

fn app(auth: &Auth) -> Router {
    let document = Arc::new(document(auth));
    Router::new()
        .route("/notes", get(notes))
        .route("/openapi.json", get(async move || Json(Arc::clone(&document))))
        .nest("/auth", auth.router())
        .layer(auth.layer())
}

async fn notes(user: AuthUser) -> Json<Vec<String>> {
    Json(vec![format!("A note of {}", user.id)])
}

/// The document of the application, with the routes of authlayer at their mount path. An
/// application usually derives its own part with the macros of utoipa.
fn document(auth: &Auth) -> OpenApi {
    let none: [&str; 0] = [];
    let notes = OperationBuilder::new()
        .operation_id(Some("listNotes"))
        .summary(Some("Lists the notes of the user"))
        .securities(Some([
            SecurityRequirement::new("cookie", none),
            SecurityRequirement::new("bearer", none),
        ]))
        .response("200", ResponseBuilder::new().description("The notes."))
        .response("401", ResponseBuilder::new().description("Sign in to continue."));
    let paths = PathsBuilder::new().path("/notes", PathItem::new(HttpMethod::Get, notes));
    let own = OpenApiBuilder::new().info(Info::new("Notes", "1.0.0")).paths(paths).build();
    let mut routes = auth.openapi();
    routes.servers = None;
    own.nest("/auth", routes)
}
