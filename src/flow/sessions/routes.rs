//! `GET /session`, `GET` and `DELETE /sessions`, `POST /refresh`, `POST /ticket`,
//! `POST /sign-out`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    error::{AuthError, ErrorKind},
    http::{
        Context, Signed, SignedIn, cookie,
        in_process::SharedJson,
        json::{Body, FromMembers, Members, NoMembers},
        query::Query,
        reply::{self, SessionView},
    },
    model::SessionId,
    registry::Registry,
    services::Core,
    services::TICKET_LIFE,
};

pub(super) fn register(registry: &mut Registry, core: &Arc<Core>) {
    registry.own_routes(
        core,
        [
            ("/session", get(session)),
            ("/sessions", get(list).delete(end_many)),
            ("/sessions/{id}", delete(end_one)),
            ("/refresh", post(refresh)),
            ("/ticket", post(ticket)),
            ("/sign-out", post(sign_out)),
        ],
    );
}

struct RefreshToken {
    refresh_token: Option<String>,
    provider_logout: bool,
    redirect_to: Option<String>,
}

impl FromMembers for RefreshToken {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        let provider_logout = members.optional("provider_logout").unwrap_or_default();
        let redirect_to = members.optional("redirect_to");
        Some(Self {
            refresh_token: members.optional("refresh_token"),
            provider_logout,
            redirect_to,
        })
    }
}

async fn session(SignedIn(auth): SignedIn) -> Json<Value> {
    let session = auth.session();
    Json(json!({ "user": &auth, "session": SessionView::new(session, session.id) }))
}

async fn list(
    State(core): State<Arc<Core>>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    let sessions = core.sessions.list(&auth.id).await?;
    let current = auth.session().id;
    let views: Vec<_> = sessions.iter().map(|session| SessionView::new(session, current)).collect();
    Ok(SharedJson(json!({ "sessions": views })))
}

async fn end_one(
    State(core): State<Arc<Core>>,
    id: Result<Path<String>, PathRejection>,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Response, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    let id: SessionId = id.parse().map_err(|_| ErrorKind::NotFound)?;
    if !core.sessions.revoke_own(id, &auth.id).await? {
        return Err(ErrorKind::NotFound.into());
    }
    if id == auth.session().id {
        return Ok(reply::signed_out(&core));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn end_many(
    State(core): State<Arc<Core>>,
    RawQuery(query): RawQuery,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Response, AuthError> {
    let all = scope_is_all(query.as_deref().unwrap_or_default())?;
    if !all {
        let revoked = core.end_sessions(auth.session(), false).await?;
        return Ok(Json(json!({ "revoked": revoked })).into_response());
    }
    let revoked = core.end_sessions(auth.session(), true).await?;
    let mut response = Json(json!({ "revoked": revoked })).into_response();
    reply::forget(&core, &mut response);
    Ok(response)
}

/// Parses `scope`: `others` (default) or `all`, at most once.
fn scope_is_all(query: &str) -> Result<bool, AuthError> {
    match Query::parse(query).once("scope")? {
        None | Some("others") => Ok(false),
        Some("all") => Ok(true),
        Some(_) => Err(AuthError::new(ErrorKind::InvalidRequest)
            .with_detail("scope must be others or all, and occur at most once.")),
    }
}

/// Returns a ticket that opens one live connection on this session.
async fn ticket(
    State(core): State<Arc<Core>>,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Response, AuthError> {
    let ticket = core.issue_ticket(auth.session()).await?;
    let seconds = TICKET_LIFE.as_secs();
    let body = json!({ "ticket": ticket.expose(), "expires_in": seconds });
    Ok(Json(body).into_response())
}

async fn refresh(
    State(core): State<Arc<Core>>,
    headers: HeaderMap,
    Body(body): Body<RefreshToken>,
) -> Result<Response, AuthError> {
    let token = body
        .refresh_token
        .or_else(|| kept(&core, &headers))
        .ok_or(ErrorKind::InvalidRefreshToken)?;
    let (user, issued) = core.sessions.refresh(&token).await?;
    Ok(reply::complete(&core, StatusCode::OK, &user, issued))
}

async fn sign_out(
    State(core): State<Arc<Core>>,
    context: Context,
    headers: HeaderMap,
    Body(body): Body<RefreshToken>,
) -> Result<Response, AuthError> {
    let presented = context.presented();
    let target = body.redirect_to.as_deref().unwrap_or("/");
    // An invalid target is rejected before anything is revoked.
    core.redirects.check(target)?;
    let elsewhere = match presented.token() {
        Some(token) if body.provider_logout => core.end_elsewhere(token, target).await?,
        _ => None,
    };
    if let Some(token) = presented.token() {
        core.sessions.revoke_by_access_token(token).await?;
    }
    let kept = || if presented.is_bearer() { None } else { kept(&core, &headers) };
    if let Some(token) = body.refresh_token.or_else(kept) {
        core.sessions.revoke_by_refresh_token(&token).await?;
    }
    match elsewhere {
        None => Ok(reply::signed_out(&core)),
        Some(url) => {
            let mut response = Json(json!({ "logout_url": url })).into_response();
            reply::forget(&core, &mut response);
            Ok(response)
        }
    }
}

/// Returns the refresh token in the cookie.
fn kept(core: &Core, headers: &HeaderMap) -> Option<String> {
    cookie::refresh_token(core, headers).map(ToOwned::to_owned)
}
