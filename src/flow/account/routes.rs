//! `DELETE /account`.

use axum::{Router, extract::State, response::Response, routing::delete};

use super::AccountService;
use crate::{
    error::AuthError,
    http::{AuthUser, fresh, reply},
};

pub(super) fn router(service: AccountService) -> Router {
    Router::new().route("/account", delete(remove)).with_state(service)
}

async fn remove(
    State(service): State<AccountService>,
    auth: AuthUser,
) -> Result<Response, AuthError> {
    fresh(&service.core, &auth)?;
    service.delete(auth.user()).await?;
    Ok(reply::signed_out(&service.core))
}
