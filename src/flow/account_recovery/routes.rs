//! `POST /account/recovery`, `POST /account/recovery/cancel`.

use axum::{extract::State, routing::post};
use http::StatusCode;

use super::AccountRecoveryService;
use crate::{
    error::AuthError,
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
        [("/account/recovery", post(request)), ("/account/recovery/cancel", post(cancel))],
    );
}

struct Cancel {
    token: String,
}

impl FromMembers for Cancel {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { token: members.required("token")? })
    }
}

async fn request(
    State(service): Service,
    client: Client,
    Registered(auth): Registered,
) -> Result<PendingChallenge, AuthError> {
    service.request(&client, &auth).await
}

async fn cancel(
    State(service): Service,
    client: Client,
    Body(body): Body<Cancel>,
) -> Result<StatusCode, AuthError> {
    service.cancel(&client, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}
