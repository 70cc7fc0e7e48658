//! `GET /recovery-codes`, `POST /recovery-codes`.

use axum::{Json, extract::State, routing::get};
use serde_json::{Value, json};

use super::{RecoveryCodeService, RecoveryCodesLeft};
use crate::{
    error::AuthError,
    http::{Fresh, SignedIn, client::ClientOf, json::NoMembers},
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &RecoveryCodeService) {
    registry.own_routes(service, [("/recovery-codes", get(left).post(create))]);
}

async fn left(
    State(service): State<RecoveryCodeService>,
    SignedIn(auth): SignedIn,
) -> Result<Json<RecoveryCodesLeft>, AuthError> {
    service.left(auth.user()).await.map(Json)
}

async fn create(
    State(service): State<RecoveryCodeService>,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    let codes = service.create(auth.user(), auth.session(), &client).await?;
    Ok(Json(json!({ "codes": codes })))
}
