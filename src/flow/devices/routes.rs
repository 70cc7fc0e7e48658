//! `GET /devices`, `DELETE /devices/{id}`, `DELETE /devices`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    routing::{delete, get},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::DeviceService;
use crate::{
    error::{AuthError, ErrorKind},
    http::{Signed, SignedIn, client::ClientOf, in_process::SharedJson, json::NoMembers},
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &DeviceService) {
    registry.own_routes(
        service,
        [("/devices", get(list).delete(forget_all)), ("/devices/{id}", delete(forget))],
    );
}

async fn list(
    State(service): State<DeviceService>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    Ok(SharedJson(json!({ "devices": service.list(auth.session()).await? })))
}

async fn forget(
    State(service): State<DeviceService>,
    ClientOf(client): ClientOf,
    id: Result<Path<String>, PathRejection>,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<StatusCode, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    service.forget(auth.user(), auth.session(), &id, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn forget_all(
    State(service): State<DeviceService>,
    ClientOf(client): ClientOf,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    let forgotten = service.forget_all(auth.user(), auth.session(), &client).await?;
    Ok(Json(json!({ "forgotten": forgotten })))
}
