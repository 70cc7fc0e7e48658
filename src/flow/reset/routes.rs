//! `POST /password/forgot`, `POST /password/reset`, and `/.well-known/change-password`.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::json;

use super::ResetService;
use crate::{
    auth::Auth,
    error::{AuthError, ErrorKind},
    http::{
        client::ClientInfo,
        json::{Body, FromMembers, Members},
    },
};

pub(super) fn router(service: ResetService) -> Router {
    Router::new()
        .route("/password/forgot", post(forgot))
        .route("/password/reset", post(reset))
        .with_state(service)
}

impl Auth {
    /// What stands at fixed places of the origin, to be merged at its root: so far
    /// `/.well-known/change-password`, which leads password managers to the page that
    /// [`Reset::change_page`](super::Reset::change_page) names.
    pub fn well_known(&self) -> Router {
        let page = self.flow::<ResetService>().and_then(ResetService::change_page);
        let page = page.map(ToOwned::to_owned);
        let redirect = async move || match &page {
            Some(page) => Redirect::to(page).into_response(),
            None => AuthError::from(ErrorKind::NotFound).into_response(),
        };
        Router::new().route("/.well-known/change-password", get(redirect))
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
    State(service): State<ResetService>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<Forgot>,
) -> Result<Response, AuthError> {
    service.forgot(&body.email, client.ip.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response())
}

async fn reset(
    State(service): State<ResetService>,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, AuthError> {
    service.reset(&body.token, &body.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}
