//! `POST /device-authorization/request`, `POST /device-authorization/decide`.

use axum::{Json, extract::State};
use http::StatusCode;

use super::{super::DeviceGrantService, DeviceRequest};
use crate::{
    contract::{Member, Operation, Schema, Success, shapes::DONE},
    error::{AuthError, ErrorKind},
    http::{
        Signed,
        client::ClientOf,
        json::{FromMembers, Members},
    },
    registry::Registry,
};

type Service = State<DeviceGrantService>;

pub(crate) fn register(registry: &mut Registry, service: &DeviceGrantService) {
    registry.own_routes(
        service,
        [
            ("/device-authorization/request", CLAIM_DEVICE_REQUEST.to(claim)),
            ("/device-authorization/decide", DECIDE_DEVICE_REQUEST.to(decide)),
        ],
    );
}

const USER_CODE: Member = Member::text("user_code", "WDJB-MJHT");

struct Claim {
    user_code: String,
}

impl FromMembers for Claim {
    const MEMBERS: &'static [Member] = &[USER_CODE];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { user_code: members.required("user_code")? })
    }
}

const CLAIM_DEVICE_REQUEST: Operation =
    Operation::post("claimDeviceRequest", "Returns the request of a program and claims it")
        .returns(&[Success::json(
            200,
            "The program that asks; from now on this session alone can decide.",
            Schema::Named(
                "DeviceRequest",
                &[
                    Member::text("client_id", "notes-cli"),
                    Member::text("client_name", "Notes for the command line"),
                    Member::text("ip", "203.0.113.7").nullable(),
                    Member::text("user_agent", "notes-cli/1.0").nullable(),
                    Member::time("created_at"),
                    Member::time("expires_at"),
                ],
            ),
        )])
        .fails(&[ErrorKind::NotFound, ErrorKind::TooManyAttempts]);

async fn claim(
    State(service): Service,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<Claim>,
) -> Result<Json<DeviceRequest>, AuthError> {
    Ok(Json(service.claim_from(&client, &auth, &body.user_code).await?))
}

struct Decision {
    user_code: String,
    approve: bool,
}

impl FromMembers for Decision {
    const MEMBERS: &'static [Member] = &[USER_CODE, Member::new("approve", Schema::Boolean(true))];

    fn read(members: &mut Members) -> Option<Self> {
        let (user_code, approve) = (members.required("user_code"), members.required("approve"));
        Some(Self { user_code: user_code?, approve: approve? })
    }
}

const DECIDE_DEVICE_REQUEST: Operation =
    Operation::post("decideDeviceRequest", "Approves or denies the request of a program")
        .returns(&[DONE])
        .fails(&[ErrorKind::NotFound, ErrorKind::StepUpRequired, ErrorKind::TooManyAttempts]);

async fn decide(
    State(service): Service,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<Decision>,
) -> Result<StatusCode, AuthError> {
    let Decision { user_code, approve } = body;
    service.decide_from(&client, &auth, &user_code, approve).await?;
    Ok(StatusCode::NO_CONTENT)
}
