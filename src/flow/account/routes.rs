//! `GET`, `PATCH` and `DELETE /account`, `GET /account/events`, `PUT /account/two-step`.

use axum::{
    Json,
    extract::{RawQuery, State},
    response::Response,
};
use http::Uri;
use serde_json::{Map, Value, json};

use super::{AccountService, profile::ProfilePatch};
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        shapes::{EVENT_ID, SIGNED_OUT, USER},
    },
    error::{AuthError, ErrorKind},
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
            (
                "/account",
                GET_ACCOUNT.to(read).and(UPDATE_ACCOUNT.to(edit)).and(DELETE_ACCOUNT.to(remove)),
            ),
            ("/account/two-step", SET_TWO_STEP.to(set_two_step)),
        ],
    );
    if service.core.audit.is_some() {
        registry.own_routes(service, [("/account/events", LIST_EVENTS.to(events))]);
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
    const IGNORES_OTHERS: bool = false;
    const MEMBERS: &'static [Member] = &[
        Member::new("display_name", Schema::text_of((0, MAX_NAME_LEN), "Ada")).optional(),
        Member::new("avatar_url", Schema::format("uri", "https://example.com/ada.png")).optional(),
        Member::text("username", "ada").optional(),
        Member::new("locale", Schema::text_of((2, MAX_LOCALE_LEN), "en-GB")).optional(),
        Member::new("user_metadata", Schema::Map(r#"{"theme": "dark"}"#)).optional(),
    ];

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

const ENABLED: Member = Member::new("enabled", Schema::Boolean(true));

struct TwoStep {
    enabled: bool,
}

impl FromMembers for TwoStep {
    const MEMBERS: &'static [Member] = &[ENABLED];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { enabled: members.required("enabled")? })
    }
}

/// Flows outside this crate add members.
const GET_ACCOUNT: Operation =
    Operation::get("getAccount", "Returns the user and the sign-in methods").returns(&[
        Success::json(
            200,
            "The user and the number of credentials of each kind.",
            Schema::Object(&[
                Member::new("user", USER),
                Member::new("has_password", Schema::Boolean(true)),
                Member::new("two_step", Schema::Boolean(false)),
                Member::new("passkeys", Schema::Integer(1)),
                Member::new("security_keys", Schema::Integer(0)),
                Member::new("totp", Schema::Integer(0)),
                Member::new("recovery_codes_left", Schema::Integer(0)),
                Member::new("identities", Schema::Integer(0)),
            ]),
        ),
    ]);

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

const UPDATE_ACCOUNT: Operation =
    Operation::patch("updateAccount", "Changes the profile of the user, as a merge patch")
        .returns(&[Success::json(200, "The user.", USER)])
        .fails(&[ErrorKind::UsernameTaken]);

async fn edit(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<ProfilePatch>,
) -> Result<Json<User>, AuthError> {
    service.edit_profile(auth.user(), auth.session(), &body, &client).await.map(Json)
}

const EVENT: Schema = Schema::Named(
    "Event",
    &[
        Member::text("kind", "signed_in"),
        Member::time("at"),
        Member::new("by", Schema::one_of(&["administrator"])).optional(),
        Member::text("session_id", "0198c2f0-6c5b-7000-8000-000000000000").optional(),
        Member::text("ip", "203.0.113.7").optional(),
        Member::text("user_agent", "Mozilla/5.0").optional(),
        Member::new("detail", Schema::Map("{}")),
    ],
);
const LIST_EVENTS: Operation =
    Operation::get("listAccountEvents", "Lists the events of the account")
        .query(&[Member::new("cursor", EVENT_ID).optional()])
        .returns(&[Success::json(
            200,
            "A page of events, the newest first, and the cursor of the next page.",
            Schema::Object(&[
                Member::new("events", Schema::List(&EVENT)),
                Member::new("next_cursor", EVENT_ID).nullable(),
            ]),
        )]);

async fn events(
    State(service): State<AccountService>,
    SignedIn(auth): SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, AuthError> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let (events, next) = service.events(&auth.id, query.once("cursor")?).await?;
    Ok(Json(json!({ "events": events, "next_cursor": next })))
}

const SET_TWO_STEP: Operation =
    Operation::put("setTwoStep", "Turns two-step verification on or off")
        .returns(&[Success::json(
            200,
            "Whether it is on.",
            Schema::Object(&[Member::new("two_step", Schema::Boolean(true))]),
        )])
        .fails(&[ErrorKind::NoSecondFactor, ErrorKind::SecondFactorEnrolled]);

async fn set_two_step(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, body, .. }: Fresh<TwoStep>,
) -> Result<Json<Value>, AuthError> {
    let (user, session) = (auth.user(), auth.session());
    let is_on = service.set_two_step(user, session, body.enabled, &client).await?;
    Ok(Json(json!({ "two_step": is_on })))
}

const DELETE_ACCOUNT: Operation = Operation::delete("deleteAccount", "Deletes the account")
    .returns(&[SIGNED_OUT])
    .fails(&[ErrorKind::NotFound, ErrorKind::LastAdmin, ErrorKind::Unsupported]);

async fn remove(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Response, AuthError> {
    service.delete(auth.user(), auth.session(), &client).await?;
    Ok(reply::signed_out(&service.core))
}
