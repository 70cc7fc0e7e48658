//! `GET /session`, `POST /refresh`, `POST /sign-out`.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    http::{
        AuthUser, Context, cookie,
        json::{Body, FromMembers, Members},
        reply::{self, SessionView},
    },
};

pub(super) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/session", get(session))
        .route("/refresh", post(refresh))
        .route("/sign-out", post(sign_out))
        .with_state(core)
}

struct RefreshToken {
    refresh_token: Option<String>,
}

impl FromMembers for RefreshToken {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { refresh_token: members.optional("refresh_token") })
    }
}

async fn session(auth: AuthUser) -> Json<Value> {
    let session = auth.session();
    Json(json!({ "user": &auth, "session": SessionView::new(session, session.id) }))
}

async fn refresh(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    body: Option<Body<RefreshToken>>,
) -> Result<Response, AuthError> {
    let token =
        given(body).or_else(|| kept(&core, &headers)).ok_or(ErrorKind::InvalidRefreshToken)?;
    let (user, issued) = core.sessions.refresh(&token).await?;
    Ok(reply::complete(&core, StatusCode::OK, &user, issued))
}

async fn sign_out(
    State(core): State<Arc<Core>>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    body: Option<Body<RefreshToken>>,
) -> Result<Response, AuthError> {
    let presented = context.presented();
    if let Some(token) = presented.token() {
        core.sessions.end_by_access(token).await?;
    }
    let kept = || if presented.is_bearer() { None } else { kept(&core, &headers) };
    if let Some(token) = given(body).or_else(kept) {
        core.sessions.end_by_refresh(&token).await?;
    }
    Ok(reply::signed_out(&core))
}

/// The refresh token of the body.
fn given(body: Option<Body<RefreshToken>>) -> Option<String> {
    body.and_then(|Body(RefreshToken { refresh_token })| refresh_token)
}

/// The refresh token that the browser keeps.
fn kept(core: &Core, headers: &HeaderMap) -> Option<String> {
    cookie::refresh_token(core, headers).map(ToOwned::to_owned)
}
