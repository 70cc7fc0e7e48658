//! `GET`, `PATCH` and `DELETE /account`, `GET /account/events`, `PUT /account/two-step`.

use axum::{
    Json,
    extract::{RawQuery, State},
    response::Response,
    routing::{get, put},
};
use http::Uri;
use serde_json::{Map, Value, json};

use super::{AccountService, profile::ProfilePatch};
use crate::{
    error::AuthError,
    http::{
        Fresh, Signed, SignedIn,
        client::ClientOf,
        in_process::SharedJson,
        json::{FromMembers, Members, NoMembers},
        query::Query,
        reply,
    },
    model::{Patch, User, Username},
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &AccountService) {
    registry.own_routes(
        service,
        [
            ("/account", get(read).patch(edit).delete(remove)),
            ("/account/two-step", put(set_two_step)),
        ],
    );
    if service.core.audit.is_some() {
        registry.own_routes(service, [("/account/events", get(events))]);
    }
}

/// The maximum length of `display_name`, in characters.
const MAX_NAME_LEN: usize = 200;
/// The maximum length of `avatar_url`, in bytes.
const MAX_URL_LEN: usize = 2048;
/// The maximum length of `locale` (RFC 5646 §4.4.1).
const MAX_LOCALE_LEN: usize = 35;

impl FromMembers for ProfilePatch {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        let is_name = |name: &str| {
            !name.chars().any(char::is_control) && name.chars().nth(MAX_NAME_LEN).is_none()
        };
        let display_name: Patch<String> = members.patch("display_name");
        if display_name.value().is_some_and(|name| !is_name(name)) {
            members.refuse("display_name");
        }
        let is_empty = display_name.value().is_some_and(String::is_empty);
        let display_name = if is_empty { Patch::Clear } else { display_name };
        let avatar_url: Patch<String> = members.patch("avatar_url");
        if avatar_url.value().is_some_and(|url| !is_https(url)) {
            members.refuse("avatar_url");
        }
        let username: Patch<String> = members.patch("username");
        let username = match username.map(|name| Username::parse(&name)) {
            Patch::Keep => Patch::Keep,
            Patch::Clear => Patch::Clear,
            Patch::Set(Ok(name)) => Patch::Set(name),
            Patch::Set(Err(_)) => {
                members.refuse("username");
                Patch::Keep
            }
        };
        let locale: Patch<String> = members.patch("locale");
        if locale.value().is_some_and(|locale| !is_locale(locale)) {
            members.refuse("locale");
        }
        let user_metadata: Patch<Map<String, Value>> = members.patch("user_metadata");
        // `locale` replaces `user_metadata.locale`.
        let inner = user_metadata.value().and_then(|own| own.get("locale"));
        let inner = inner.filter(|own| locale.is_keep() && !own.is_null());
        if inner.is_some_and(|own| !own.as_str().is_some_and(is_locale)) {
            members.refuse("user_metadata");
        }
        members.refuse_others();
        Some(Self { display_name, avatar_url, username, user_metadata, locale })
    }
}

fn is_https(url: &str) -> bool {
    let is_uri = url.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty())
    });
    is_uri && url.len() <= MAX_URL_LEN
}

/// Returns `true` for a language tag (BCP 47) by its form: subtags of one to eight letters and
/// digits, of which the first has letters only.
fn is_locale(tag: &str) -> bool {
    let is_subtag = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let language = tag.split('-').next().unwrap_or_default();
    let is_language = language.len() >= 2 && language.bytes().all(|b| b.is_ascii_alphabetic());
    tag.len() <= MAX_LOCALE_LEN && is_language && tag.split('-').all(is_subtag)
}

struct TwoStep {
    enabled: bool,
}

impl FromMembers for TwoStep {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { enabled: members.required("enabled")? })
    }
}

async fn read(
    State(service): State<AccountService>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    let mut body = json!(service.core.account_facts(auth.user()).await?);
    if let Some(body) = body.as_object_mut() {
        body.insert("user".to_owned(), json!(auth.user()));
    }
    Ok(SharedJson(body))
}

async fn edit(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<ProfilePatch>,
) -> Result<Json<User>, AuthError> {
    service.edit_profile(auth.user(), auth.session(), &body, &client).await.map(Json)
}

async fn events(
    State(service): State<AccountService>,
    SignedIn(auth): SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let (events, next) = service.events(&auth.id, query.once("cursor")?).await?;
    Ok(Json(json!({ "events": events, "next_cursor": next })))
}

async fn set_two_step(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, body, .. }: Fresh<TwoStep>,
) -> Result<Json<Value>, AuthError> {
    let (user, session) = (auth.user(), auth.session());
    let is_on = service.set_two_step(user, session, body.enabled, &client).await?;
    Ok(Json(json!({ "two_step": is_on })))
}

async fn remove(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Response, AuthError> {
    service.delete(auth.user(), auth.session(), &client).await?;
    Ok(reply::signed_out(&service.core))
}
