//! `GET` and `POST /api-keys`, `DELETE /api-keys/{id}`.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use http::StatusCode;
use serde_json::json;

use super::{ApiKeyService, NewApiKey};
use crate::{
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
        [("/api-keys", get(list).post(create)), ("/api-keys/{id}", delete(revoke))],
    );
}

struct NewBody {
    name: String,
    scopes: Vec<String>,
    expires_in: Option<u64>,
}

impl FromMembers for NewBody {
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

async fn list(
    State(service): State<ApiKeyService>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    let keys = service.list(Some(&auth.id)).await?;
    Ok(SharedJson(json!({ "api_keys": keys.iter().map(ApiKey::to_json).collect::<Vec<_>>() })))
}

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
