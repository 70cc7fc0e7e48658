//! `DELETE /account`.

use axum::{extract::State, response::Response, routing::delete};

use super::AccountService;
use crate::{
    error::AuthError,
    http::{Fresh, client::ClientOf, json::NoMembers, reply},
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &AccountService) {
    registry.own_routes(service, [("/account", delete(remove))]);
}

async fn remove(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Response, AuthError> {
    service.delete(auth.user(), auth.session(), &client).await?;
    Ok(reply::signed_out(&service.core))
}
