//! The routes below `/admin/users/{id}`.

use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::routes::{PathOf, Routes, ids};
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        shapes::{DONE, SESSION},
    },
    error::{AuthError, ErrorKind},
    http::{Reader, Writer, json::NoMembers, reply::SessionView},
    model::SessionId,
    registry::Registry,
};

pub(crate) fn register(registry: &mut Registry, routes: &Routes) {
    registry.own_routes(
        routes,
        [
            (
                "/admin/users/{id}/sessions",
                LIST_SESSIONS.to(sessions).and(REVOKE_SESSIONS.to(revoke_all)),
            ),
            ("/admin/users/{id}/sessions/{session}", REVOKE_SESSION.to(revoke)),
            ("/admin/users/{id}/factors", LIST_FACTORS.to(factors)),
            ("/admin/users/{id}/factors/{factor}", REMOVE_FACTOR.to(remove_factor)),
            ("/admin/users/{id}/password-reset", SEND_PASSWORD_RESET.to(send_reset)),
        ],
    );
}

const LIST_SESSIONS: Operation = Operation::get("listUserSessions", "Lists the sessions of a user")
    .returns(&[Success::json(
        200,
        "The newest hundred sessions, the newest first.",
        Schema::Object(&[Member::new("sessions", Schema::List(&SESSION))]),
    )]);

async fn sessions(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Reader(auth): Reader,
) -> Result<Json<Value>, AuthError> {
    let all = admin.sessions(&ids(path)?.0).await?;
    let current = auth.session().id;
    let views: Vec<_> = all.iter().map(|own| SessionView::new(own, current)).collect();
    Ok(Json(json!({ "sessions": views })))
}

const REVOKE_SESSIONS: Operation =
    Operation::delete("revokeUserSessions", "Ends all sessions of a user").returns(&[
        Success::json(
            200,
            "The number of sessions that were ended.",
            Schema::Object(&[Member::new("revoked", Schema::Integer(2))]),
        ),
    ]);

async fn revoke_all(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    Ok(Json(json!({ "revoked": admin.revoke_all(&auth, &ids(path)?.0).await? })))
}

const REVOKE_SESSION: Operation =
    Operation::delete("revokeUserSession", "Ends a session of a user").returns(&[DONE]);

async fn revoke(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<StatusCode, AuthError> {
    let (id, session) = ids(path)?;
    let session: SessionId = session.parse().map_err(|_| ErrorKind::NotFound)?;
    admin.revoke(&auth, &id, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

const FACTOR: Schema = Schema::Named(
    "UserFactor",
    &[
        Member::text("id", "0198c2f0-6c5b-7000-8000-000000000000"),
        Member::new("kind", Schema::one_of(&["passkey", "security_key", "totp"])),
        Member::text("name", "Ada's laptop"),
        Member::time("created_at"),
        Member::time("last_used_at").nullable(),
    ],
);
const LIST_FACTORS: Operation = Operation::get(
    "listUserFactors",
    "Lists the passkeys, security keys and authenticator apps of a user",
)
.returns(&[Success::json(
    200,
    "The factors, the oldest first.",
    Schema::Object(&[Member::new("factors", Schema::List(&FACTOR))]),
)]);

async fn factors(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    _: Reader,
) -> Result<Json<Value>, AuthError> {
    Ok(Json(json!({ "factors": admin.factors(&ids(path)?.0).await? })))
}

const REMOVE_FACTOR: Operation =
    Operation::delete("removeUserFactor", "Removes a factor of a user").returns(&[DONE]);

async fn remove_factor(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<StatusCode, AuthError> {
    let (id, factor) = ids(path)?;
    admin.remove_factor(&auth, &id, &factor).await?;
    Ok(StatusCode::NO_CONTENT)
}

const SEND_PASSWORD_RESET: Operation =
    Operation::post("sendPasswordReset", "Sends a user a link to set a password")
        .returns(&[Success::json(
            202,
            "The link is sent, if the user is active and has an email address.",
            Schema::Object(&[]),
        )])
        .fails(&[ErrorKind::Unsupported]);

async fn send_reset(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<(StatusCode, Json<Value>), AuthError> {
    admin.send_reset(&auth, &ids(path)?.0).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}
