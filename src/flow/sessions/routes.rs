//! `GET /session`, `POST /sign-out`.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    auth::Core,
    error::AuthError,
    http::{
        AuthUser, Context,
        cookie::{self, Name, Sent},
        json::{Body, FromMembers, Members},
        reply::{self, SessionView},
    },
};

pub(super) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/session", get(session))
        .route("/sign-out", post(sign_out))
        .with_state(core)
}

struct SignOut {
    refresh_token: Option<String>,
}

impl FromMembers for SignOut {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { refresh_token: members.optional("refresh_token") })
    }
}

async fn session(auth: AuthUser) -> Json<Value> {
    let session = auth.session();
    Json(json!({ "user": &auth, "session": SessionView::new(session, session.id) }))
}

async fn sign_out(
    State(core): State<Arc<Core>>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    body: Option<Body<SignOut>>,
) -> Result<Response, AuthError> {
    if let Some(token) = context.presented().token() {
        core.sessions.end_by_access(token).await?;
    }
    if let Some(token) = refresh_token(&core, &context, &headers, body) {
        core.sessions.end_by_refresh(&token).await?;
    }
    Ok(reply::signed_out(&core))
}

/// From the body, else from the cookie unless a bearer token speaks for the request.
fn refresh_token(
    core: &Core,
    context: &Context,
    headers: &HeaderMap,
    body: Option<Body<SignOut>>,
) -> Option<String> {
    if let Some(Body(SignOut { refresh_token: Some(text) })) = body {
        return Some(text);
    }
    if !context.reads_cookies() {
        return None;
    }
    match cookie::read(headers, Name::Refresh, core.origins.is_secure()) {
        Sent::Once(text) => Some(text.to_owned()),
        Sent::Nothing | Sent::Twice => None,
    }
}
