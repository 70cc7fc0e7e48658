//! `GET /session`, `GET` and `DELETE /sessions`, `POST /refresh`, `POST /ticket`,
//! `POST /sign-out`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    contract::{
        Member, Operation, Schema, Success,
        member::REDIRECT_TO,
        shapes::{COMPLETE, SESSION, SIGNED_OUT, USER},
    },
    error::{AuthError, ErrorKind},
    http::{
        Signed, SignedIn, SignedOrImpersonated, cookie,
        in_process::SharedJson,
        json::{Body, FromMembers, Members, NoMembers},
        query::Query,
        reply::{self, SessionView},
    },
    model::SessionId,
    registry::Registry,
    services::{Client, Core, TICKET_LIFE},
};

pub(super) fn register(registry: &mut Registry, core: &Arc<Core>) {
    registry.own_routes(
        core,
        [
            ("/session", GET_SESSION.to(session)),
            ("/sessions", LIST_SESSIONS.to(list).and(REVOKE_SESSIONS.to(end_many))),
            ("/sessions/{id}", REVOKE_SESSION.to(end_one)),
            ("/refresh", REFRESH.to(refresh)),
            ("/ticket", CREATE_TICKET.to(ticket)),
            ("/sign-out", SIGN_OUT.to(sign_out)),
        ],
    );
}

const REFRESH_TOKEN: Member = Member::text("refresh_token", "art_0123456789abcdef").optional();

struct RefreshToken {
    refresh_token: Option<String>,
}

impl FromMembers for RefreshToken {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[REFRESH_TOKEN];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { refresh_token: members.optional("refresh_token") })
    }
}

struct SignOutBody {
    refresh_token: Option<String>,
    provider_logout: bool,
    redirect_to: Option<String>,
}

impl FromMembers for SignOutBody {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[
        REFRESH_TOKEN,
        Member::new("provider_logout", Schema::Boolean(false)).optional(),
        REDIRECT_TO,
    ];

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

const GET_SESSION: Operation = Operation::get("getSession", "Returns the user and the session")
    .returns(&[Success::json(
        200,
        "The user and the session.",
        Schema::Object(&[Member::new("user", USER), Member::new("session", SESSION)]),
    )]);

async fn session(SignedIn(auth): SignedIn) -> Json<Value> {
    let session = auth.session();
    Json(json!({ "user": &auth, "session": SessionView::new(session, session.id) }))
}

const LIST_SESSIONS: Operation = Operation::get("listSessions", "Lists the sessions of the user")
    .returns(&[Success::json(
        200,
        "The newest hundred sessions, the newest first.",
        Schema::Object(&[Member::new("sessions", Schema::List(&SESSION))]),
    )]);

async fn list(
    State(core): State<Arc<Core>>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    let sessions = core.sessions.list(&auth.id).await?;
    let current = auth.session().id;
    let views: Vec<_> = sessions.iter().map(|session| SessionView::new(session, current)).collect();
    Ok(SharedJson(json!({ "sessions": views })))
}

const REVOKE_SESSION: Operation =
    Operation::delete("revokeSession", "Ends a session of the user").returns(&[SIGNED_OUT]);

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

const REVOKE_SESSIONS: Operation =
    Operation::delete("revokeSessions", "Ends the other sessions of the user, or all of them")
        .query(&[Member::new("scope", Schema::one_of(&["others", "all"])).optional()])
        .returns(&[Success::json(
            200,
            "The number of sessions that were ended.",
            Schema::Object(&[Member::new("revoked", Schema::Integer(2))]),
        )
        .with_cookies()]);

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
    reply::forget(&core, response.headers_mut());
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

const CREATE_TICKET: Operation =
    Operation::post("createTicket", "Creates a ticket for one live connection").returns(&[
        Success::json(
            200,
            "The ticket.",
            Schema::Object(&[
                Member::text("ticket", "atk_0123456789abcdef"),
                Member::new("expires_in", Schema::Integer(30)),
            ]),
        ),
    ]);

/// Returns a ticket that opens one live connection on this session.
async fn ticket(
    State(core): State<Arc<Core>>,
    SignedOrImpersonated { auth, .. }: SignedOrImpersonated<NoMembers>,
) -> Result<Response, AuthError> {
    let ticket = core.issue_ticket(auth.session()).await?;
    let seconds = TICKET_LIFE.as_secs();
    let body = json!({ "ticket": ticket.expose(), "expires_in": seconds });
    Ok(Json(body).into_response())
}

const REFRESH: Operation = Operation::post("refresh", "Replaces the tokens of a session")
    .refresh_token()
    .returns(&[COMPLETE])
    .fails(&[
        ErrorKind::InvalidRefreshToken,
        ErrorKind::DeviceProofRequired,
        ErrorKind::DpopProofRefused,
    ]);

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

const SIGN_OUT: Operation = Operation::post("signOut", "Ends the session")
    .any_token()
    .returns(&[
        SIGNED_OUT,
        Success::json(
            200,
            "The session has ended. The URL signs out at the provider.",
            Schema::Object(&[Member::new(
                "logout_url",
                Schema::format("uri", "https://idp.example.com/logout"),
            )]),
        )
        .with_cookies(),
    ])
    .fails(&[ErrorKind::InvalidRedirect]);

async fn sign_out(
    State(core): State<Arc<Core>>,
    client: Client,
    Body(body): Body<SignOutBody>,
) -> Result<Response, AuthError> {
    let target = body.redirect_to.as_deref().unwrap_or("/");
    // An invalid target is rejected before anything is revoked.
    core.redirects.check(target)?;
    let elsewhere = match client.context().access_token() {
        Some(token) if body.provider_logout => core.end_elsewhere(token, target).await?,
        _ => None,
    };
    let done = core.sessions.sign_out(&client, body.refresh_token.as_deref()).await?;
    match elsewhere {
        None => Ok(done.into_response()),
        Some(url) => Ok((done, Json(json!({ "logout_url": url }))).into_response()),
    }
}

/// Returns the refresh token in the cookie.
fn kept(core: &Core, headers: &HeaderMap) -> Option<String> {
    cookie::refresh_token(core, headers).map(ToOwned::to_owned)
}
