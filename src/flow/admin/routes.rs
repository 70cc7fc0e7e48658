//! The routes below `/admin`.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    routing::{delete, get, post},
};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    AdminService,
    members::{EventFilter, ListFilter, NewCredential, NewMembers, UserChanges},
};
use crate::{
    error::{AuthError, ErrorKind},
    http::{
        Reader, RouteRules, Writer,
        json::{FromMembers, Members, NoMembers},
        query::Query,
        reply::SessionView,
    },
    model::{Patch, Rule, SessionId, UserId, UserStatus},
    registry::Registry,
};

/// The default and the maximum number of users or events of a page.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// The maximum length of a display name, a role, a scope or a tenant, in characters.
const MAX_TEXT_LEN: usize = 200;

#[derive(Clone)]
struct Routes {
    admin: AdminService,
    to_read: Arc<Rule>,
    to_write: Arc<Rule>,
}

impl RouteRules for Routes {
    fn to_read(&self) -> &Rule {
        &self.to_read
    }

    fn to_write(&self) -> &Rule {
        &self.to_write
    }
}

pub(super) fn register(registry: &mut Registry, admin: &AdminService) {
    let fresh = admin.core.sessions.options().fresh;
    let rule = admin.rule().clone();
    let routes = Routes {
        admin: admin.clone(),
        to_write: Arc::new(rule.clone().and(Rule::max_auth_age(fresh))),
        to_read: Arc::new(rule),
    };
    registry.own_routes(
        &routes,
        [
            ("/admin/users", get(list).post(create)),
            ("/admin/users/{id}", get(read).patch(edit).delete(remove)),
            ("/admin/users/{id}/sessions", get(sessions).delete(revoke_all)),
            ("/admin/users/{id}/sessions/{session}", delete(revoke)),
            ("/admin/users/{id}/factors", get(factors)),
            ("/admin/users/{id}/factors/{factor}", delete(remove_factor)),
            ("/admin/users/{id}/password-reset", post(send_reset)),
        ],
    );
    if admin.core.audit.is_some() {
        registry.own_routes(&routes, [("/admin/events", get(events))]);
    }
}

type PathOf = Result<Path<Vec<String>>, PathRejection>;

/// Returns the id of the user in a path, and that of what belongs to the user. No id has a NUL, which
/// PostgreSQL rejects.
fn ids(path: PathOf) -> Result<(UserId, String), AuthError> {
    let Path(ids) = path.map_err(|_| ErrorKind::NotFound)?;
    if ids.iter().any(|id| id.contains('\0')) {
        return Err(ErrorKind::NotFound.into());
    }
    let mut ids = ids.into_iter();
    Ok((UserId::new(ids.next().unwrap_or_default()), ids.next().unwrap_or_default()))
}

/// Returns a parameter of a query, or the error for a value that is none.
fn value<T: FromStr>(query: &Query, name: &str) -> Result<Option<T>, AuthError> {
    let value = query.once(name)?.map(str::parse::<T>).transpose();
    value.map_err(|_| {
        AuthError::new(ErrorKind::InvalidRequest).with_detail("A parameter has an invalid value.")
    })
}

fn limit(query: &Query) -> Result<u32, AuthError> {
    let limit = value(query, "limit")?.unwrap_or(DEFAULT_LIMIT);
    match (1..=MAX_LIMIT).contains(&limit) {
        true => Ok(limit),
        false => {
            Err(AuthError::new(ErrorKind::InvalidRequest).with_detail("limit must be 1 to 200."))
        }
    }
}

fn list_filter(query: &Query) -> Result<ListFilter, AuthError> {
    let status = match query.once("status")? {
        None => None,
        Some("active") => Some(UserStatus::Active),
        Some("disabled") => Some(UserStatus::Disabled),
        Some(_) => {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("status must be active or disabled."));
        }
    };
    let text = |name| Ok::<_, AuthError>(query.once(name)?.map(ToOwned::to_owned));
    Ok(ListFilter {
        query: text("query")?,
        status,
        role: text("role")?,
        limit: limit(query)?,
        cursor: text("cursor")?,
    })
}

fn event_filter(query: &Query) -> Result<EventFilter, AuthError> {
    let text = |name| Ok::<_, AuthError>(query.once(name)?.map(ToOwned::to_owned));
    Ok(EventFilter {
        user: text("user_id")?.map(UserId::new),
        kind: text("kind")?,
        since: value(query, "since")?,
        until: value(query, "until")?,
        limit: limit(query)?,
        cursor: text("cursor")?,
    })
}

/// Rejects texts that are empty, too long or have control characters.
fn check_texts<'t>(members: &mut Members, name: &str, texts: impl IntoIterator<Item = &'t String>) {
    let is_text = |text: &String| {
        !text.is_empty()
            && !text.chars().any(char::is_control)
            && text.chars().nth(MAX_TEXT_LEN).is_none()
    };
    if !texts.into_iter().all(is_text) {
        members.refuse(name);
    }
}

impl FromMembers for NewMembers {
    fn read(members: &mut Members) -> Option<Self> {
        let email: Option<String> = members.required("email");
        let password: Option<String> = members.optional("password");
        let invite = members.optional("invite").unwrap_or(false);
        let display_name = members.optional_text("display_name", MAX_TEXT_LEN);
        let roles: Vec<String> = members.optional("roles").unwrap_or_default();
        check_texts(members, "roles", &roles);
        let scopes: Vec<String> = members.optional("scopes").unwrap_or_default();
        check_texts(members, "scopes", &scopes);
        let email_verified = members.optional("email_verified").unwrap_or(false);
        let credential = match (password, invite) {
            (Some(_), true) => {
                members.refuse("invite");
                members.refuse("password");
                return None;
            }
            (Some(password), false) => NewCredential::Password(password),
            (None, true) => NewCredential::Invitation,
            (None, false) => NewCredential::None,
        };
        Some(Self { email: email?, credential, display_name, roles, scopes, email_verified })
    }
}

/// Returns a member of a patch that has to have a value.
fn replaced<T: DeserializeOwned>(members: &mut Members, name: &'static str) -> Option<T> {
    match members.patch(name) {
        Patch::Keep => None,
        Patch::Clear => {
            members.refuse(name);
            None
        }
        Patch::Set(value) => Some(value),
    }
}

impl FromMembers for UserChanges {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        let display_name: Patch<String> = members.patch("display_name");
        let is_empty = display_name.value().is_some_and(String::is_empty);
        let display_name = if is_empty { Patch::Clear } else { display_name };
        check_texts(members, "display_name", display_name.value());
        let username: Patch<String> = members.patch("username");
        check_texts(members, "username", username.value());
        let tenant_id: Patch<String> = members.patch("tenant_id");
        check_texts(members, "tenant_id", tenant_id.value());
        let roles: Patch<Vec<String>> = members.patch("roles");
        check_texts(members, "roles", roles.value().into_iter().flatten());
        let scopes: Patch<Vec<String>> = members.patch("scopes");
        check_texts(members, "scopes", scopes.value().into_iter().flatten());
        let email = replaced(members, "email");
        let email_verified = replaced(members, "email_verified");
        let status = replaced(members, "status");
        let attributes: Patch<Map<String, Value>> = members.patch("attributes");
        let user_metadata: Patch<Map<String, Value>> = members.patch("user_metadata");
        let app_metadata: Patch<Map<String, Value>> = members.patch("app_metadata");
        members.refuse_others();
        Some(Self {
            display_name,
            username,
            email,
            email_verified,
            roles,
            scopes,
            tenant_id,
            attributes,
            user_metadata,
            app_metadata,
            status,
        })
    }
}

async fn list(
    State(Routes { admin, .. }): State<Routes>,
    _: Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let (users, next) = admin.list(list_filter(&query)?).await?;
    Ok(Json(json!({ "users": users, "next_cursor": next })))
}

async fn create(
    State(Routes { admin, .. }): State<Routes>,
    Writer { auth, body }: Writer<NewMembers>,
) -> Result<(StatusCode, Json<Value>), AuthError> {
    Ok((StatusCode::CREATED, Json(admin.create(&auth, body).await?)))
}

async fn read(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    _: Reader,
) -> Result<Json<Value>, AuthError> {
    admin.find(&ids(path)?.0).await.map(Json)
}

async fn edit(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, body }: Writer<UserChanges>,
) -> Result<Json<Value>, AuthError> {
    admin.edit(&auth, &ids(path)?.0, body).await.map(Json)
}

async fn remove(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<StatusCode, AuthError> {
    admin.delete(&auth, &ids(path)?.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

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

async fn revoke_all(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    Ok(Json(json!({ "revoked": admin.revoke_all(&auth, &ids(path)?.0).await? })))
}

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

async fn factors(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    _: Reader,
) -> Result<Json<Value>, AuthError> {
    Ok(Json(json!({ "factors": admin.factors(&ids(path)?.0).await? })))
}

async fn remove_factor(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<StatusCode, AuthError> {
    let (id, factor) = ids(path)?;
    admin.remove_factor(&auth, &id, &factor).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send_reset(
    State(Routes { admin, .. }): State<Routes>,
    path: PathOf,
    Writer { auth, .. }: Writer<NoMembers>,
) -> Result<(StatusCode, Json<Value>), AuthError> {
    admin.send_reset(&auth, &ids(path)?.0).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

async fn events(
    State(Routes { admin, .. }): State<Routes>,
    _: Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let (events, next) = admin.events(event_filter(&query)?).await?;
    Ok(Json(json!({ "events": events, "next_cursor": next })))
}
