//! Routes of a flow outside the crate that other sites call, and the page of their errors.

use authlayer::{
    Auth, AuthError, Client, ConfigError, ErrorKind, EventKind, Flow, Registry, SqliteStore,
    services::Services,
    session::{CookieOptions, SameSite, SessionOptions},
    testing::{EventRecorder, TestClient},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::Method;

/// The callback of a partner, and a route that receives signed messages.
struct Partner;

impl Flow for Partner {
    type Service = ();

    fn name(&self) -> &str {
        "partner"
    }

    fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
        let services = registry.services();
        let routes = [("/partner/callback", get(callback)), ("/partner/messages", post(receive))];
        registry.routes_from_elsewhere(&services, routes);
        Ok(())
    }
}

async fn callback(State(services): State<Services>, client: Client) -> Response {
    if let Some(page) = client.same_site_reload() {
        return page;
    }
    services.error_redirect(&client, AuthError::new(ErrorKind::ProviderDenied))
}

async fn receive(client: Client) -> Result<Response, AuthError> {
    if !client.headers().contains_key("x-signature") {
        client.require_same_origin()?;
    }
    Ok("received".into_response())
}

const ELSEWHERE: [(&str, &str); 2] =
    [("origin", "https://partner.example"), ("sec-fetch-site", "cross-site")];

async fn client(
    same_site: SameSite,
    error_page: Option<&str>,
) -> (Auth, TestClient, EventRecorder) {
    let events = EventRecorder::new();
    let cookies = CookieOptions::default().same_site(same_site);
    let mut builder = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("https://app.example.com")
        .event_sink(events.clone())
        .session_options(SessionOptions::default().cookie(cookies))
        .flow(Partner);
    if let Some(page) = error_page {
        builder = builder.error_page(page);
    }
    let auth = builder.build().unwrap();
    let client = TestClient::new(axum::Router::new().nest("/auth", auth.router()));
    (auth, client, events)
}

#[tokio::test]
async fn route_from_elsewhere_can_require_its_own_site() {
    let (_auth, client, events) = client(SameSite::Lax, None).await;
    let signed = [ELSEWHERE.as_slice(), &[("x-signature", "valid")]].concat();
    let own = [("origin", "https://app.example.com")];
    for (headers, status) in
        [(&*signed, 200), (ELSEWHERE.as_slice(), 403), (own.as_slice(), 200), (&[], 200)]
    {
        let answer = client.send(Method::POST, "/auth/partner/messages", headers, b"").await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 403 {
            assert_eq!(answer.code(), "cross_origin");
            assert_eq!(events.count(EventKind::CrossOriginRefused), 1);
        }
    }
}

#[tokio::test]
async fn strict_cookies_are_awaited_before_anything_is_consumed() {
    let path = "/auth/partner/callback";
    let (_auth, browser, _) = client(SameSite::Strict, Some("/failed")).await;
    let page = browser.send(Method::GET, path, &ELSEWHERE, b"").await;
    assert_eq!((page.status.as_u16(), &*page.header("refresh")), (200, "0"));
    assert_eq!(page.header("location"), "");
    let own = [("sec-fetch-site", "same-origin")];
    let answer = browser.send(Method::GET, path, &own, b"").await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), "/failed?error=provider_denied");

    let (_auth, browser, _) = client(SameSite::Lax, None).await;
    let answer = browser.send(Method::GET, path, &ELSEWHERE, b"").await;
    assert_eq!((answer.status.as_u16(), &*answer.code()), (403, "provider_denied"));
}
