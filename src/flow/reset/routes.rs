//! `POST /password/forgot`, `POST /password/reset`, and `/.well-known/change-password`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::json;

use super::PasswordResetService;
use crate::{
    contract::{
        Member, Operation, Schema, Success,
        member::{EMAIL, NEW_PASSWORD, TOKEN},
        shapes::DONE,
    },
    error::{AuthError, ErrorKind},
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
        [
            ("/password/forgot", REQUEST_RESET.to(forgot)),
            ("/password/reset", RESET_PASSWORD.to(reset)),
        ],
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
    const MEMBERS: &'static [Member] = &[EMAIL];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { email: members.required("email")? })
    }
}

struct NewPassword {
    token: String,
    new_password: String,
}

impl FromMembers for NewPassword {
    const MEMBERS: &'static [Member] = &[TOKEN, NEW_PASSWORD];

    fn read(members: &mut Members) -> Option<Self> {
        let token = members.required("token");
        let new_password = members.required("new_password");
        Some(Self { token: token?, new_password: new_password? })
    }
}

const REQUEST_RESET: Operation =
    Operation::post("requestPasswordReset", "Sends a link to set a new password")
        .returns(&[Success::json(202, "For every well-formed address.", Schema::Object(&[]))])
        .fails(&[ErrorKind::Forbidden, ErrorKind::InvalidEmail, ErrorKind::RateLimited]);

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

const RESET_PASSWORD: Operation =
    Operation::post("resetPassword", "Sets a new password and ends all sessions")
        .returns(&[DONE])
        .fails(&[ErrorKind::InvalidLink, ErrorKind::WeakPassword]);

async fn reset(
    State(service): State<PasswordResetService>,
    ClientOf(client): ClientOf,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, AuthError> {
    service.reset(&body.token, &body.new_password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
