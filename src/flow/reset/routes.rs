//! `POST /password/forgot`, `POST /password/reset`, and `/.well-known/change-password`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::json;

use super::PasswordResetService;
use crate::{
    error::AuthError,
    hook::Purpose,
    http::{
        client::ClientOf,
        json::{Body, FromMembers, Members},
    },
    registry::Registry,
    services::Client,
};

pub(super) fn register(registry: &mut Registry, service: &PasswordResetService) {
    registry.own_routes(
        service,
        [("/password/forgot", post(forgot)), ("/password/reset", post(reset))],
    );
}

/// Redirects password managers to the page for changing the password.
pub(super) fn well_known(registry: &mut Registry, service: &PasswordResetService) {
    if let Some(page) = service.change_page().map(ToOwned::to_owned) {
        registry.well_known("change-password", get(async move || Redirect::to(&page)));
    }
}

struct Forgot {
    email: String,
}

impl FromMembers for Forgot {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { email: members.required("email")? })
    }
}

struct NewPassword {
    token: String,
    new_password: String,
}

impl FromMembers for NewPassword {
    fn read(members: &mut Members) -> Option<Self> {
        let token = members.required("token");
        let new_password = members.required("new_password");
        Some(Self { token: token?, new_password: new_password? })
    }
}

async fn forgot(
    State(service): State<PasswordResetService>,
    client: Client,
    Body(body): Body<Forgot>,
) -> Result<Response, AuthError> {
    client.begin(service.core(), Purpose::PasswordReset).await?;
    let client = client.info().clone();
    service.request(&body.email, &client).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response())
}

async fn reset(
    State(service): State<PasswordResetService>,
    ClientOf(client): ClientOf,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, AuthError> {
    service.reset(&body.token, &body.new_password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
