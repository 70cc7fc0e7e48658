//! `DELETE /account`.

use axum::{Router, extract::State, response::Response, routing::delete};

use super::AccountService;
use crate::{
    error::AuthError,
    http::{FreshUser, reply},
};

pub(super) fn router(service: AccountService) -> Router {
    Router::new().route("/account", delete(remove)).with_state(service)
}

async fn remove(
    State(service): State<AccountService>,
    FreshUser(auth): FreshUser,
) -> Result<Response, AuthError> {
    service.delete(auth.user()).await?;
    Ok(reply::signed_out(&service.core))
}
