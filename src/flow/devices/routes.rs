//! `GET /devices`, `DELETE /devices/{id}`, `DELETE /devices`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::DeviceService;
use crate::{
    contract::{Member, Operation, Schema, Success, shapes::DONE},
    error::{AuthError, ErrorKind},
    http::{Signed, SignedIn, client::ClientOf, in_process::SharedJson, json::NoMembers},
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &DeviceService) {
    registry.own_routes(
        service,
        [
            ("/devices", LIST_DEVICES.to(list).and(FORGET_DEVICES.to(forget_all))),
            ("/devices/{id}", FORGET_DEVICE.to(forget)),
        ],
    );
}

const DEVICE: Schema = Schema::Named(
    "Device",
    &[
        Member::text("id", "0198c2f06c5b70008000000000000000"),
        Member::text("user_agent", "Mozilla/5.0").nullable(),
        Member::text("ip", "203.0.113.7").nullable(),
        Member::time("created_at"),
        Member::time("last_used_at"),
        Member::time("expires_at"),
        Member::new("current", Schema::Boolean(true)),
    ],
);
const LIST_DEVICES: Operation = Operation::get("listDevices", "Lists the remembered devices")
    .returns(&[Success::json(
        200,
        "The devices, the newest first.",
        Schema::Object(&[Member::new("devices", Schema::List(&DEVICE))]),
    )]);

async fn list(
    State(service): State<DeviceService>,
    SignedIn(auth): SignedIn,
) -> Result<SharedJson, AuthError> {
    Ok(SharedJson(json!({ "devices": service.list(auth.session()).await? })))
}

const FORGET_DEVICE: Operation =
    Operation::delete("forgetDevice", "Forgets a remembered device").returns(&[DONE]);

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

const FORGET_DEVICES: Operation =
    Operation::delete("forgetDevices", "Forgets all remembered devices").returns(&[Success::json(
        200,
        "The number of devices that were forgotten.",
        Schema::Object(&[Member::new("forgotten", Schema::Integer(2))]),
    )]);

async fn forget_all(
    State(service): State<DeviceService>,
    ClientOf(client): ClientOf,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    let forgotten = service.forget_all(auth.user(), auth.session(), &client).await?;
    Ok(Json(json!({ "forgotten": forgotten })))
}
