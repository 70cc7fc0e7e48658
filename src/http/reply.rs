//! Answers: problems, and completed sign-ins.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    context::Context,
    cookie::{self, Name},
};
use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    model::{Proof, Session, SessionId, Transport, User},
    session::Issued,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A [`Session`] as it stands on the wire.
#[derive(Debug, Serialize)]
pub(crate) struct SessionView<'a> {
    id: SessionId,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    access_expires_at: Timestamp,
    current: bool,
    factors: &'a [Proof],
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    transport: Transport,
}

impl<'a> SessionView<'a> {
    pub(crate) fn new(session: &'a Session, current: SessionId) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            access_expires_at: session.access_expires_at,
            current: session.id == current,
            factors: &session.factors,
            ip: session.client.ip.as_deref(),
            user_agent: session.client.user_agent.as_deref(),
            transport: session.transport,
        }
    }
}

/// Answers a sign-in: the session that the request came with gives way to the new one.
pub(crate) async fn signed_in(
    core: &Core,
    context: &Context,
    status: StatusCode,
    user: &User,
    issued: Issued,
) -> Result<Response, AuthError> {
    if let Some(former) = context.presented().token() {
        core.sessions.end_by_access(former).await?;
    }
    Ok(complete(core, status, user, issued))
}

/// Answers with a session: its tokens go by its transport and by no other way.
pub(crate) fn complete(core: &Core, status: StatusCode, user: &User, issued: Issued) -> Response {
    let session = &issued.session;
    let mut body = json!({
        "status": "complete",
        "user": user,
        "session": SessionView::new(session, session.id),
    });
    if session.transport == Transport::Bearer {
        if let Some(body) = body.as_object_mut() {
            let tokens = json!({
                "access_token": issued.access.expose(),
                "token_type": "Bearer",
                "expires_in": issued.access_life().as_secs(),
                "refresh_token": issued.refresh.expose(),
                "refresh_expires_in": issued.refresh_life().as_secs(),
            });
            body.insert("tokens".to_owned(), tokens);
        }
        return (status, Json(body)).into_response();
    }
    let mut response = (status, Json(body)).into_response();
    for line in cookie::set_both(core, &issued) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

/// Makes the browser forget our cookies and what it kept of the signed-in pages.
pub(crate) fn signed_out(core: &Core) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    forget(core, &mut response);
    response
}

/// Adds to an answer what makes the browser forget.
pub(crate) fn forget(core: &Core, response: &mut Response) {
    let headers = response.headers_mut();
    if core.sessions.options().transport(Some(Transport::Cookie)).is_ok() {
        headers.append(header::SET_COOKIE, cookie::clear(core, Name::Access));
        headers.append(header::SET_COOKIE, cookie::clear(core, Name::Refresh));
        headers.insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    }
}

/// `no-store`, on every answer of our routes but those that say otherwise (ASVS 14.3.2).
pub(crate) async fn never_stored(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    response
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let kind = self.kind();
        if kind.status().is_server_error() {
            let cause = std::error::Error::source(&self).map(chain);
            tracing::error!(code = kind.code(), cause, "a request failed");
        }
        let mut body = Map::new();
        body.insert("type".to_owned(), Value::from(format!("urn:authlayer:error:{}", kind.code())));
        body.insert("title".to_owned(), Value::from(kind.title()));
        body.insert("status".to_owned(), Value::from(kind.status().as_u16()));
        body.insert("code".to_owned(), Value::from(kind.code()));
        if let Some(detail) = self.detail() {
            body.insert("detail".to_owned(), Value::from(detail));
        }
        for (name, value) in self.members() {
            body.insert((*name).to_owned(), value.clone());
        }
        let mut response = (kind.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM);
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        if kind == ErrorKind::InvalidToken {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        } else if kind.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if kind == ErrorKind::Unavailable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
