//! The queries and bodies of requests below `/admin`.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::members::{EventFilter, ListFilter, NewCredential, NewMembers, UserChanges};
use crate::{
    contract::{
        Member, Schema,
        member::{DISPLAY_NAME, EMAIL, PASSWORD},
        shapes::EVENT_ID,
    },
    error::{AuthError, ErrorKind},
    http::{
        json::{FromMembers, Members},
        query::Query,
    },
    model::{Patch, UserId, UserStatus},
};

/// The default and the maximum number of users or events of a page.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// The maximum length of a display name, a role, a scope or a tenant, in characters.
const MAX_TEXT_LEN: usize = 200;

const LIMIT: Member = Member::new("limit", Schema::IntegerOf((1, 200), 50)).optional();
const STATUS: Member = Member::new("status", Schema::one_of(&["active", "disabled"]));
const ROLES: Member =
    Member::new("roles", Schema::List(&Schema::text_of((1, MAX_TEXT_LEN), "editor"))).optional();
const SCOPES: Member =
    Member::new("scopes", Schema::List(&Schema::text_of((1, MAX_TEXT_LEN), "notes:read")))
        .optional();
const EMAIL_VERIFIED: Member = Member::new("email_verified", Schema::Boolean(true));

/// The parameters of a list of users.
pub(crate) const USER_PARAMETERS: &[Member] = &[
    Member::text("query", "ada@").optional(),
    STATUS.optional(),
    Member::text("role", "editor").optional(),
    LIMIT,
    Member::text("cursor", "eyJwb3NpdGlvbiI6e319").optional(),
];
/// The parameters of a list of events.
pub(crate) const EVENT_PARAMETERS: &[Member] = &[
    Member::text("user_id", "0198c2f0-6c5b-7000-8000-000000000000").optional(),
    Member::text("kind", "signed_in").optional(),
    Member::time("since").optional(),
    Member::time("until").optional(),
    LIMIT,
    Member::new("cursor", EVENT_ID).optional(),
];

/// Returns the parameters of a list of users.
pub(crate) fn list_filter(query: &Query) -> Result<ListFilter, AuthError> {
    let status = match query.once("status")? {
        None => None,
        Some("active") => Some(UserStatus::Active),
        Some("disabled") => Some(UserStatus::Disabled),
        Some(_) => {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("status must be active or disabled."));
        }
    };
    Ok(ListFilter {
        query: value(query, "query")?,
        status,
        role: value(query, "role")?,
        limit: limit(query)?,
        cursor: value(query, "cursor")?,
    })
}

/// Returns the parameters of a list of events.
pub(crate) fn event_filter(query: &Query) -> Result<EventFilter, AuthError> {
    Ok(EventFilter {
        user: value::<String>(query, "user_id")?.map(UserId::new),
        kind: value(query, "kind")?,
        since: value(query, "since")?,
        until: value(query, "until")?,
        limit: limit(query)?,
        cursor: value(query, "cursor")?,
    })
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

/// Rejects texts that are empty, too long or have control characters.
pub(crate) fn check_texts<'t>(
    members: &mut Members,
    name: &str,
    texts: impl IntoIterator<Item = &'t String>,
) {
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
    const MEMBERS: &'static [Member] = &[
        EMAIL,
        PASSWORD.optional(),
        DISPLAY_NAME,
        ROLES,
        SCOPES,
        EMAIL_VERIFIED.optional(),
        Member::new("invite", Schema::Boolean(false)).optional(),
    ];

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
    const IGNORES_OTHERS: bool = false;
    const MEMBERS: &'static [Member] = &[
        DISPLAY_NAME,
        Member::new("username", Schema::text_of((1, MAX_TEXT_LEN), "ada")).optional(),
        EMAIL.optional_not_null(),
        EMAIL_VERIFIED.optional_not_null(),
        ROLES,
        SCOPES,
        Member::new("tenant_id", Schema::text_of((1, MAX_TEXT_LEN), "acme")).optional(),
        Member::new("attributes", Schema::Map("{}")).optional(),
        Member::new("user_metadata", Schema::Map(r#"{"locale": "en"}"#)).optional(),
        Member::new("app_metadata", Schema::Map(r#"{"plan": "pro"}"#)).optional(),
        STATUS.optional_not_null(),
    ];

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
