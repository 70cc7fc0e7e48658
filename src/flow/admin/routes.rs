//! `GET` and `POST /admin/users`, `GET`, `PATCH` and `DELETE /admin/users/{id}`,
//! `GET /admin/events`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    AdminService,
    members::{NewMembers, UserChanges},
    requests::{EVENT_PARAMETERS, USER_PARAMETERS, event_filter, list_filter},
};
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        shapes::{DONE, EVENT_ID, IDENTITY, USER},
    },
    error::{AuthError, ErrorKind},
    http::{Reader, RouteRules, Writer, json::NoMembers, query::Query},
    model::{Rule, UserId},
    registry::Registry,
    services::AdminRules,
};

/// The state of the routes.
#[derive(Clone)]
pub(super) struct Routes {
    pub(super) admin: AdminService,
    rules: AdminRules,
}

impl Routes {
    pub(super) fn new(admin: &AdminService) -> Self {
        let fresh = admin.core.sessions.options().fresh;
        let rule = admin.rule().clone();
        let rules = AdminRules {
            to_write: Arc::new(rule.clone().and(Rule::max_auth_age(fresh))),
            to_read: Arc::new(rule),
        };
        Self { admin: admin.clone(), rules }
    }
}

impl RouteRules for Routes {
    fn to_read(&self) -> &Rule {
        &self.rules.to_read
    }

    fn to_write(&self) -> &Rule {
        &self.rules.to_write
    }
}

pub(super) fn register(registry: &mut Registry, routes: &Routes) {
    registry.offer(routes.rules.clone());
    registry.own_routes(
        routes,
        [
            ("/admin/users", LIST_USERS.to(list).and(CREATE_USER.to(create))),
            (
                "/admin/users/{id}",
                GET_USER.to(read).and(UPDATE_USER.to(edit)).and(DELETE_USER.to(remove)),
            ),
        ],
    );
    if routes.admin.core.audit.is_some() {
        registry.own_routes(routes, [("/admin/events", LIST_EVENTS.to(events))]);
    }
}

/// The ids in a path.
pub(super) type PathOf = Result<Path<Vec<String>>, PathRejection>;

/// Returns the id of the user in a path, and that of what belongs to the user. No id has a NUL, which
/// PostgreSQL rejects.
pub(super) fn ids(path: PathOf) -> Result<(UserId, String), AuthError> {
    let Path(ids) = path.map_err(|_| ErrorKind::NotFound)?;
    if ids.iter().any(|id| id.contains('\0')) {
        return Err(ErrorKind::NotFound.into());
    }
    let mut ids = ids.into_iter();
    Ok((UserId::new(ids.next().unwrap_or_default()), ids.next().unwrap_or_default()))
}

const ADMIN_USER: Schema = Schema::AllOf(&[
    USER,
    Schema::Object(&[
        Member::new("app_metadata", Schema::Map(r#"{"plan": "pro"}"#)),
        Member::new("has_password", Schema::Boolean(true)),
        Member::new("two_step", Schema::Boolean(false)),
        Member::new("passkeys", Schema::Integer(1)),
        Member::new("security_keys", Schema::Integer(0)),
        Member::new("totp", Schema::Integer(0)),
        Member::new("recovery_codes_left", Schema::Integer(0)),
        Member::new("identities", Schema::List(&IDENTITY)),
        Member::time("last_seen_at").nullable(),
    ]),
]);
const LIST_USERS: Operation = Operation::get("listUsers", "Lists users")
    .query(USER_PARAMETERS)
    .returns(&[Success::json(
        200,
        "A page of users, the newest first, and the cursor of the next page.",
        Schema::Object(&[
            Member::new("users", Schema::List(&ADMIN_USER)),
            Member::text("next_cursor", "eyJwb3NpdGlvbiI6e319").nullable(),
        ]),
    )])
    .fails(&[ErrorKind::Unsupported]);

async fn list(
    State(Routes { admin, .. }): State<Routes>,
    _: Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let (users, next) = admin.list(list_filter(&query)?).await?;
    Ok(Json(json!({ "users": users, "next_cursor": next })))
}

const CREATE_USER: Operation =
    Operation::post("createUser", "Creates a user, with a password or an invitation")
        .returns(&[Success::json(201, "The user.", ADMIN_USER)])
        .fails(&[
            ErrorKind::SignUpDisabled,
            ErrorKind::EmailTaken,
            ErrorKind::UsernameTaken,
            ErrorKind::InvalidEmail,
            ErrorKind::WeakPassword,
            ErrorKind::Unsupported,
        ]);

async fn create(
    State(Routes { admin, .. }): State<Routes>,
    Writer { auth, body }: Writer<NewMembers>,
) -> Result<(StatusCode, Json<Value>), AuthError> {
    Ok((StatusCode::CREATED, Json(admin.create(&auth, body).await?)))
}

const GET_USER: Operation = Operation::get("getUser", "Returns a user").returns(&[Success::json(
    200,
    "The user.",
    ADMIN_USER,
)]);

async fn read(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    _: Reader,
) -> Result<Json<Value>, AuthError> {
    admin.find(&ids(path)?.0).await.map(Json)
}

const UPDATE_USER: Operation = Operation::patch("updateUser", "Changes a user, as a merge patch")
    .returns(&[Success::json(200, "The user.", ADMIN_USER)])
    .fails(&[
        ErrorKind::EmailTaken,
        ErrorKind::UsernameTaken,
        ErrorKind::LastAdmin,
        ErrorKind::InvalidEmail,
        ErrorKind::Unsupported,
    ]);

async fn edit(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, body }: Writer<UserChanges>,
) -> Result<Json<Value>, AuthError> {
    admin.edit(&auth, &ids(path)?.0, body).await.map(Json)
}

const DELETE_USER: Operation = Operation::delete("deleteUser", "Deletes a user")
    .returns(&[DONE])
    .fails(&[ErrorKind::LastAdmin, ErrorKind::Unsupported]);

async fn remove(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<StatusCode, AuthError> {
    admin.delete(&auth, &ids(path)?.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

const EVENT: Schema = Schema::Named(
    "AuditEvent",
    &[
        Member::text("kind", "signed_in"),
        Member::time("at"),
        Member::text("user_id", "0198c2f0-6c5b-7000-8000-000000000000").optional(),
        Member::text("session_id", "0198c2f0-6c5b-7000-8000-000000000000").optional(),
        Member::text("actor_id", "0198c2f0-6c5b-7000-8000-000000000000").optional(),
        Member::text("ip", "203.0.113.7").optional(),
        Member::text("user_agent", "Mozilla/5.0").optional(),
        Member::new("detail", Schema::Map("{}")),
    ],
);
const LIST_EVENTS: Operation = Operation::get("listEvents", "Lists the events of all users")
    .query(EVENT_PARAMETERS)
    .returns(&[Success::json(
        200,
        "A page of events, the newest first, and the cursor of the next page.",
        Schema::Object(&[
            Member::new("events", Schema::List(&EVENT)),
            Member::new("next_cursor", EVENT_ID).nullable(),
        ]),
    )]);

async fn events(
    State(Routes { admin, .. }): State<Routes>,
    _: Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let (events, next) = admin.events(event_filter(&query)?).await?;
    Ok(Json(json!({ "events": events, "next_cursor": next })))
}
