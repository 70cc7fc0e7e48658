//! Responses: errors, and completed sign-ins.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    context::Context,
    cookie::{self, Name},
};
use crate::{
    error::after_commit,
    model::{Basis, BindingKind, Factor, Impersonator, Session, SessionId, Transport, User},
    services::{BoundSessions, ChallengeHandle, Core, Outcome, Pending, SignInOutcome},
    session::IssuedTokens,
};

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The header that offers the registration of a key.
pub(crate) const SESSION_REGISTRATION: HeaderName =
    HeaderName::from_static("secure-session-registration");
pub(super) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A [`Session`] in a response.
#[derive(Debug, Serialize)]
pub(crate) struct SessionView<'a> {
    id: SessionId,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    access_expires_at: Timestamp,
    current: bool,
    factors: Vec<FactorView>,
    ip: Option<&'a str>,
    user_agent: Option<&'a str>,
    transport: Transport,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonator: Option<&'a Impersonator>,
    bound: Option<BindingKind>,
}

/// A verified factor in a response. The enrollment of a factor is not included.
#[derive(Clone, Copy, Debug, Serialize)]
struct FactorView {
    method: Factor,
    at: Timestamp,
}

impl FactorView {
    fn all_of(session: &Session) -> Vec<Self> {
        let shown = session.factors.iter().filter(|proof| proof.basis != Basis::Enrolled);
        shown.map(|proof| Self { method: proof.method, at: proof.at }).collect()
    }
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
            factors: FactorView::all_of(session),
            ip: session.client.ip.as_deref(),
            user_agent: session.client.user_agent.as_deref(),
            transport: session.transport,
            impersonator: session.impersonator.as_ref(),
            bound: session.bound(),
        }
    }
}

/// Returns the response to a sign-in. The session that the request came with is ended.
pub(crate) async fn signed_in(
    core: &Core,
    context: &Context,
    status: StatusCode,
    user: &User,
    issued: IssuedTokens,
) -> Response {
    end_former(core, context, issued.session.id).await;
    complete(core, status, user, issued)
}

/// Returns the response to a sign-in that is complete or requires another verification.
pub(crate) async fn outcome(
    core: &Core,
    context: &Context,
    status: StatusCode,
    outcome: Outcome,
) -> Response {
    match outcome {
        Outcome::Pending(ref asked) => pending(asked),
        Outcome::Complete(complete) => {
            let (user, issued) = *complete;
            signed_in(core, context, status, &user, issued).await
        }
    }
}

/// Ends the session that a request came with, by either of its tokens, if a new session replaces it
/// in the browser.
pub(super) async fn end_former(core: &Core, context: &Context, new: SessionId) {
    context.replace_session();
    let what = "the previous session of a client was not ended by its sign-in";
    let access = context.presented().token().filter(|token| token.session != new);
    if let Some(access) = access {
        after_commit(what, core.sessions.revoke_by_access_token(access)).await;
    }
    let refresh = context.refresh_cookie().filter(|(session, _)| {
        *session != new && access.is_none_or(|access| access.session != *session)
    });
    if let Some((_, token)) = refresh {
        after_commit(what, core.sessions.revoke_by_refresh_token(token)).await;
    }
}

/// Redirects a browser after a sign-in at a provider: with the cookies of its session, or with the
/// challenge of a pending sign-in in a cookie that scripts cannot read.
pub(crate) async fn lead_on(
    core: &Core,
    context: &Context,
    place: &str,
    outcome: Outcome,
) -> Response {
    match outcome {
        Outcome::Complete(complete) => {
            let mut response = see_other(place);
            let (_, issued) = *complete;
            end_former(core, context, issued.session.id).await;
            set_session(core, &mut response, &issued);
            response
        }
        Outcome::Pending(asked) => {
            let page = core.page("verify");
            if page.is_some() {
                let handle = ChallengeHandle::new(asked.handle.expose());
                let stored = core.set_return_to(&handle, place);
                after_commit("the return target of a sign-in was not stored", stored).await;
            }
            let mut response = see_other(page.as_deref().unwrap_or(place));
            let line = cookie::set_pending(core, asked.handle.expose());
            response.headers_mut().append(header::SET_COOKIE, line);
            response
        }
    }
}

/// Updates the cookie of a pending sign-in whose challenge it carried: a session clears it, and
/// another challenge replaces it.
fn with_pending_cookie(core: &Core, challenge: Option<&str>, mut response: Response) -> Response {
    let line = match challenge {
        Some(challenge) => cookie::set_pending(core, challenge),
        None => cookie::clear_pending(core),
    };
    response.headers_mut().append(header::SET_COOKIE, line);
    response
}

/// Returns the response to an answer whose challenge was in the cookie of a pending sign-in.
pub(crate) fn with_next(core: &Core, outcome: SignInOutcome) -> Response {
    let next = match &outcome {
        SignInOutcome::Pending(pending) => Some(pending.challenge().expose().to_owned()),
        SignInOutcome::Complete(_) => None,
    };
    with_pending_cookie(core, next.as_deref(), outcome.into_response())
}

/// Returns a 303, which drops the method and the body (RFC 9700 §4.12).
pub(crate) fn see_other(place: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let place = HeaderValue::from_str(place).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, place);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Adds a parameter to a redirect target. The value must not need escaping.
pub(crate) fn with_parameter(place: &str, name: &str, value: &str) -> String {
    let (place, fragment) = place.split_once('#').unwrap_or((place, ""));
    let sign = if place.contains('?') { '&' } else { '?' };
    let hash = if fragment.is_empty() { "" } else { "#" };
    format!("{place}{sign}{name}={value}{hash}{fragment}")
}

/// Returns the response to an operation that requires a verification.
pub(crate) fn pending(asked: &Pending) -> Response {
    let mut body = json!({
        "status": "pending",
        "challenge": asked.handle.expose(),
        "methods": asked.methods,
        "expires_at": asked.expires_at,
    });
    if let (Some(body), Some(at)) = (body.as_object_mut(), asked.resend_at) {
        body.insert("resend_at".to_owned(), json!(at));
    }
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

/// Returns the response with a session. The tokens are sent only by its transport.
pub(crate) fn complete(
    core: &Core,
    status: StatusCode,
    user: &User,
    issued: IssuedTokens,
) -> Response {
    complete_with(core, status, user, issued, Map::new())
}

/// Returns the response with a session whose tokens the browser already has.
pub(crate) fn same(status: StatusCode, user: &User, session: &Session) -> Response {
    let session = SessionView::new(session, session.id);
    let body = json!({ "status": "complete", "user": user, "session": session });
    (status, Json(body)).into_response()
}

pub(super) fn complete_with(
    core: &Core,
    status: StatusCode,
    user: &User,
    issued: IssuedTokens,
    mut body: Map<String, Value>,
) -> Response {
    let session = &issued.session;
    body.insert("status".to_owned(), json!("complete"));
    body.insert("user".to_owned(), json!(user));
    body.insert("session".to_owned(), json!(SessionView::new(session, session.id)));
    if session.transport == Transport::Bearer {
        body.insert("tokens".to_owned(), tokens(&issued));
        return (status, Json(body)).into_response();
    }
    let mut response = (status, Json(body)).into_response();
    set_session(core, &mut response, &issued);
    response
}

/// Returns a response with this body and the tokens of a session that was renewed.
pub(crate) fn with_tokens(
    core: &Core,
    status: StatusCode,
    mut body: Map<String, Value>,
    issued: &IssuedTokens,
) -> Response {
    if issued.session.transport == Transport::Bearer {
        body.insert("tokens".to_owned(), tokens(issued));
        return (status, Json(body)).into_response();
    }
    let mut response = if status == StatusCode::NO_CONTENT {
        status.into_response()
    } else {
        (status, Json(body)).into_response()
    };
    set_session(core, &mut response, issued);
    response
}

/// Adds the cookies of a session, and the offer to bind it to a key of the browser.
fn set_session(core: &Core, response: &mut Response, issued: &IssuedTokens) {
    let headers = response.headers_mut();
    for line in cookie::set_both(core, issued) {
        headers.append(header::SET_COOKIE, line);
    }
    offer_binding(core, headers, issued);
}

/// Adds the header that lets a browser bind the session of a verified user to a key (W3C Device Bound
/// Session Credentials).
pub(super) fn offer_binding(core: &Core, headers: &mut HeaderMap, issued: &IssuedTokens) {
    let path = core.offered::<BoundSessions>().and_then(|own| own.registration.as_deref());
    let Some((path, challenge)) = path.zip(issued.offer.as_deref()) else { return };
    let line = format!("(ES256 RS256);path=\"{path}\";challenge=\"{challenge}\"");
    if let Ok(line) = HeaderValue::from_str(&line) {
        headers.insert(SESSION_REGISTRATION, line);
    }
}

fn tokens(issued: &IssuedTokens) -> Value {
    json!({
        "access_token": issued.access.expose(),
        "token_type": issued.token_type(),
        "expires_in": issued.access_expires_in().as_secs(),
        "refresh_token": issued.refresh.expose(),
        "refresh_expires_in": issued.refresh_expires_in().as_secs(),
    })
}

/// Returns a response that clears the token cookies.
pub(crate) fn signed_out(core: &Core) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    forget(core, response.headers_mut());
    response
}

/// Adds the headers that clear the token cookies, and the data of the origin if configured.
pub(crate) fn forget(core: &Core, headers: &mut HeaderMap) {
    if core.sessions.options().resolve_transport(Some(Transport::Cookie)).is_ok() {
        headers.append(header::SET_COOKIE, cookie::clear(core, Name::Access));
        headers.append(header::SET_COOKIE, cookie::clear(core, Name::Refresh));
        if core.sessions.options().clear_site_data {
            let data = HeaderValue::from_static("\"cache\", \"storage\"");
            headers.insert("clear-site-data", data);
        }
    }
}

/// Adds the header of a public document, which caches may store for an hour.
pub(crate) async fn cacheable(mut response: Response) -> Response {
    let hour = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(hour);
    response
}

/// Adds the headers of all routes of this crate: `no-store`, unless the response has another
/// `Cache-Control` (ASVS 14.3.2), and `nosniff`.
pub(crate) fn headed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(NOSNIFF);
    response
}
