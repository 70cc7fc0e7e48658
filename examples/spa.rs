//! An API for a page on another host: open <http://app.example.localhost:3001> for a page of the same
//! site, <http://acme.tenants.example.localhost:3001> for one of a tenant, and
//! <http://elsewhere.localhost:3001> for one of another site.
//!
//! ```sh
//! cargo run --example spa
//! ```

use authlayer::{Auth, AuthUser, Password, RequireUser, SqliteStore};
use axum::{
    Json, Router,
    http::{Method, header},
    response::Html,
    routing::get,
};
use std::{env, net::SocketAddr};
use tokio::net::TcpListener;
use tower_http::cors::{AllowOrigin, CorsLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let app_port = env::var("APP_PORT").unwrap_or_else(|_| "3001".to_owned());
    let api = format!("http://api.example.localhost:{port}");
    let app = format!("http://app.example.localhost:{app_port}");
    let elsewhere = format!("http://elsewhere.localhost:{app_port}");
    let tenants = format!("tenants.example.localhost:{app_port}");

    // Requests that change something are accepted from these origins only.
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(&api)
        .origin(&app)
        .origin(&elsewhere)
        .origin_suffix(&tenants)
        .link_origin(&app)
        .flow(Password::new())
        .build()?;

    // Browsers let the pages of these origins read the responses, and send cookies and bodies.
    let (pages, of_tenants) = ([app.clone(), elsewhere.clone()], format!(".{tenants}"));
    let allowed = AllowOrigin::predicate(move |origin, _| {
        let origin = origin.to_str().unwrap_or_default();
        pages.iter().any(|page| page == origin)
            || origin.starts_with("http://") && origin.ends_with(&of_tenants)
    });
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::DATE, header::RETRY_AFTER]);

    let router = Router::new()
        .route("/me", get(async |user: AuthUser| Json(user)))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer())
        .layer(cors);

    // The page is static, and any server can deliver it.
    let page = Html(include_str!("spa.html").replace("API", &api));
    let pages = Router::new().route("/", get(move || std::future::ready(page.clone())));

    let api_listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let page_listener = TcpListener::bind(format!("127.0.0.1:{app_port}")).await?;
    println!("open {app} or {elsewhere}");
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let api = async { axum::serve(api_listener, router).await };
    let page = async { axum::serve(page_listener, pages).await };
    tokio::try_join!(api, page)?;
    Ok(())
}
