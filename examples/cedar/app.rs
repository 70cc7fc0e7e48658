//! Notes with authorization by Cedar policies.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use authlayer::{Auth, AuthError, AuthUser, ErrorKind, Policies, PolicyRequest, RequirePolicy};
use axum::{
    Extension, Json, Router,
    extract::{FromRequestParts, Path},
    http::{Method, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

pub(crate) const POLICIES: &str = include_str!("policies.cedar");

#[derive(Clone, Deserialize, Serialize)]
struct Note {
    #[serde(skip_deserializing)]
    owner: String,
    #[serde(skip_deserializing)]
    tenant: Option<String>,
    text: String,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    on_hold: bool,
}

type Notes = Arc<Mutex<BTreeMap<u64, Note>>>;

/// Returns the policy request: the action, and the note with its owner, tenant and state.
async fn question(notes: Notes, mut parts: Parts) -> Result<PolicyRequest, Response> {
    let path = Path::<u64>::from_request_parts(&mut parts, &()).await;
    let Path(id) = path.map_err(IntoResponse::into_response)?;
    let note = notes.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    let note = note.ok_or_else(|| AuthError::from(ErrorKind::NotFound).into_response())?;
    let action = if parts.method == Method::DELETE { "delete" } else { "read" };
    let ask = PolicyRequest::new(action, "Note", id.to_string())
        .owner(note.owner)
        .attribute("public", note.public)
        .attribute("on_hold", note.on_hold);
    Ok(match note.tenant {
        Some(tenant) => ask.attribute("tenant", tenant),
        None => ask,
    })
}

async fn write(user: AuthUser, notes: Extension<Notes>, Json(note): Json<Note>) -> Json<u64> {
    let note = Note { owner: user.id.to_string(), tenant: user.tenant_id.clone(), ..note };
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let id = notes.len() as u64 + 1;
    notes.insert(id, note);
    Json(id)
}

async fn read(notes: Extension<Notes>, Path(id): Path<u64>) -> Json<Option<Note>> {
    Json(notes.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned())
}

async fn delete(notes: Extension<Notes>, Path(id): Path<u64>) -> Json<Option<Note>> {
    Json(notes.lock().unwrap_or_else(PoisonError::into_inner).remove(&id))
}

pub(crate) fn app(auth: &Auth, policies: &Policies) -> Router {
    let notes = Notes::default();
    let asked = Arc::clone(&notes);
    let guard = RequirePolicy::new(policies, move |parts| question(Arc::clone(&asked), parts));
    Router::new()
        .route("/notes/{id}", get(read).delete(delete).route_layer(guard))
        .route("/notes", post(write))
        .layer(Extension(notes))
        .nest("/auth", auth.router())
        .layer(auth.layer())
}
