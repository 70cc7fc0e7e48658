//! `GET /recovery-codes`, `POST /recovery-codes`.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{RecoveryCodeService, RecoveryCodesLeft};
use crate::{
    contract::{Member, Operation, Schema, Success},
    error::{AuthError, ErrorKind},
    http::{Fresh, SignedIn, client::ClientOf, json::NoMembers},
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &RecoveryCodeService) {
    registry.own_routes(
        service,
        [("/recovery-codes", GET_CODES.to(left).and(CREATE_CODES.to(create)))],
    );
}

const GET_CODES: Operation =
    Operation::get("getRecoveryCodes", "Returns how many recovery codes are left").returns(&[
        Success::json(
            200,
            "The number of codes that were not used.",
            Schema::Object(&[
                Member::new("left", Schema::Integer(10)),
                Member::time("created_at").nullable(),
            ]),
        ),
    ]);

async fn left(
    State(service): State<RecoveryCodeService>,
    SignedIn(auth): SignedIn,
) -> Result<Json<RecoveryCodesLeft>, AuthError> {
    service.left(auth.user()).await.map(Json)
}

const CREATE_CODES: Operation =
    Operation::post("createRecoveryCodes", "Replaces the recovery codes")
        .returns(&[Success::json(
            200,
            "The codes, which cannot be read again.",
            Schema::Object(&[Member::new("codes", Schema::List(&Schema::text("k7q2m-9x0zt")))]),
        )])
        .fails(&[ErrorKind::NoSecondFactor]);

async fn create(
    State(service): State<RecoveryCodeService>,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Json<Value>, AuthError> {
    let codes = service.create(auth.user(), auth.session(), &client).await?;
    Ok(Json(json!({ "codes": codes })))
}
