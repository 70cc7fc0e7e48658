//! `POST /account/recovery`, `POST /account/recovery/cancel`.

use axum::extract::State;
use http::StatusCode;

use super::AccountRecoveryService;
use crate::{
    contract::{
        Member, Operation,
        member::TOKEN,
        shapes::{DONE, PENDING},
    },
    error::{AuthError, ErrorKind},
    http::{
        Registered,
        json::{Body, FromMembers, Members},
    },
    registry::Registry,
    services::{Client, PendingChallenge},
};

type Service = State<AccountRecoveryService>;

pub(super) fn register(registry: &mut Registry, service: &AccountRecoveryService) {
    registry.own_routes(
        service,
        [
            ("/account/recovery", REQUEST_RECOVERY.to(request)),
            ("/account/recovery/cancel", CANCEL_RECOVERY.to(cancel)),
        ],
    );
}

struct Cancel {
    token: String,
}

impl FromMembers for Cancel {
    const MEMBERS: &'static [Member] = &[TOKEN];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { token: members.required("token")? })
    }
}

const REQUEST_RECOVERY: Operation =
    Operation::post("requestRecovery", "Requests a recovery without the strongest factor")
        .returns(&[PENDING])
        .fails(&[ErrorKind::EmailNotVerified, ErrorKind::RateLimited]);

async fn request(
    State(service): Service,
    client: Client,
    Registered(auth): Registered,
) -> Result<PendingChallenge, AuthError> {
    service.request(&client, &auth).await
}

const CANCEL_RECOVERY: Operation =
    Operation::post("cancelRecovery", "Stops a recovery and ends all sessions")
        .returns(&[DONE])
        .fails(&[ErrorKind::InvalidLink]);

async fn cancel(
    State(service): Service,
    client: Client,
    Body(body): Body<Cancel>,
) -> Result<StatusCode, AuthError> {
    service.cancel(&client, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}
