//! `GET` and `POST /api-keys`, `DELETE /api-keys/{id}`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use super::{ApiKeyService, NewApiKey};
use crate::{
    contract::{Member, Operation, Schema, Success, shapes::DONE},
    error::{AuthError, ErrorKind},
    http::{
        Fresh, Signed, SignedIn,
        client::ClientOf,
        in_process::SharedJson,
        json::{FromMembers, Members, NoMembers},
    },
    model::{ApiKey, ApiKeyId, KeyOwner},
    registry::Registry,
};

/// The maximum length of a name, in characters.
const LONGEST_NAME: usize = 64;

pub(super) fn register(registry: &mut Registry, service: &ApiKeyService) {
    registry.own_routes(
        service,
        [
            ("/api-keys", LIST_API_KEYS.to(list).and(CREATE_API_KEY.to(create))),
            ("/api-keys/{id}", REVOKE_API_KEY.to(revoke)),
        ],
    );
}

const SCOPES: Member = Member::new("scopes", Schema::List(&Schema::text("notes:read")));

struct NewBody {
    name: String,
    scopes: Vec<String>,
    expires_in: Option<u64>,
}

impl FromMembers for NewBody {
    const MEMBERS: &'static [Member] = &[
        Member::new("name", Schema::text_of((1, LONGEST_NAME), "backup")),
        SCOPES,
        Member::new("expires_in", Schema::Integer(86_400)).optional(),
    ];

    fn read(members: &mut Members) -> Option<Self> {
        let name: Option<String> = members.required("name");
        let is_name = |name: &str| {
            let long = name.chars().nth(LONGEST_NAME).is_some();
            !name.trim().is_empty() && !long && !name.chars().any(char::is_control)
        };
        if name.as_deref().is_some_and(|name| !is_name(name)) {
            members.refuse("name");
        }
        let scopes = members.required("scopes");
        let expires_in = members.optional("expires_in");
        if expires_in == Some(0) {
            members.refuse("expires_in");
        }
        Some(Self { name: name?, scopes: scopes?, expires_in })
    }
}

const API_KEY: Schema = Schema::Named(
    "ApiKey",
    &[
        Member::text("id", "0198c2f0-6c5b-7000-8000-000000000000"),
        Member::text("name", "backup"),
        Member::text("hint", "aak_0123"),
        SCOPES,
        Member::time("created_at"),
        Member::time("expires_at").nullable(),
        Member::time("last_used_at").nullable(),
    ],
);
const LIST_API_KEYS: Operation = Operation::get("listApiKeys", "Lists the API keys of the user")
    .returns(&[Success::json(
        200,
        "The keys, without their secrets.",
        Schema::Object(&[Member::new("api_keys", Schema::List(&API_KEY))]),
    )]);

async fn list(
    State(service): State<ApiKeyService>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    let keys = service.list(Some(&auth.id)).await?;
    Ok(SharedJson(json!({ "api_keys": keys.iter().map(ApiKey::to_json).collect::<Vec<_>>() })))
}

const CREATE_API_KEY: Operation = Operation::post("createApiKey", "Creates an API key")
    .returns(&[Success::json(
        201,
        "The key, which cannot be read again.",
        Schema::AllOf(&[API_KEY, Schema::Object(&[Member::text("key", "aak_0123456789abcdef")])]),
    )])
    .fails(&[ErrorKind::NotFound]);

async fn create(
    State(service): State<ApiKeyService>,
    ClientOf(client): ClientOf,
    Fresh { auth, body, .. }: Fresh<NewBody>,
) -> Result<Response, AuthError> {
    let new = NewApiKey {
        owner: KeyOwner::User(auth.id.clone()),
        name: body.name,
        scopes: body.scopes,
        lifetime: body.expires_in.map(Duration::from_secs),
    };
    let (key, plain) = service.create_within(new, Some(auth.session()), &client).await?;
    let mut made = key.to_json();
    if let Some(made) = made.as_object_mut() {
        made.insert("key".to_owned(), json!(plain.expose()));
    }
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

const REVOKE_API_KEY: Operation =
    Operation::delete("revokeApiKey", "Revokes an API key").returns(&[DONE]);

async fn revoke(
    State(service): State<ApiKeyService>,
    id: Result<Path<String>, PathRejection>,
    ClientOf(client): ClientOf,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<StatusCode, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    let id: ApiKeyId = id.parse().map_err(|_| ErrorKind::NotFound)?;
    service.revoke_for(id, Some(&auth.id), Some(&client)).await?;
    Ok(StatusCode::NO_CONTENT)
}
