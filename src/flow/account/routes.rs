//! `DELETE /account`.

use axum::{Router, extract::State, response::Response, routing::delete};

use super::AccountService;
use crate::{
    error::AuthError,
    http::{Fresh, client::ClientInfo, json::NoMembers, reply},
};

pub(super) fn router(service: AccountService) -> Router {
    Router::new().route("/account", delete(remove)).with_state(service)
}

async fn remove(
    State(service): State<AccountService>,
    ClientInfo(client): ClientInfo,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Response, AuthError> {
    service.delete(auth.user(), auth.session(), &client).await?;
    Ok(reply::signed_out(&service.core))
}
