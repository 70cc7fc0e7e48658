//! `PUT /account/two-step`, `DELETE /account`.

use axum::{
    Json,
    extract::State,
    response::Response,
    routing::{delete, put},
};
use serde_json::{Value, json};

use super::AccountService;
use crate::{
    error::AuthError,
    http::{
        Fresh,
        client::ClientOf,
        json::{FromMembers, Members, NoMembers},
        reply,
    },
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &AccountService) {
    registry.own_routes(
        service,
        [("/account", delete(remove)), ("/account/two-step", put(set_two_step))],
    );
}

struct TwoStep {
    enabled: bool,
}

impl FromMembers for TwoStep {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { enabled: members.required("enabled")? })
    }
}

async fn set_two_step(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, body }: Fresh<TwoStep>,
) -> Result<Json<Value>, AuthError> {
    let (user, session) = (auth.user(), auth.session());
    let is_on = service.set_two_step(user, session, body.enabled, &client).await?;
    Ok(Json(json!({ "two_step": is_on })))
}

async fn remove(
    State(service): State<AccountService>,
    ClientOf(client): ClientOf,
    Fresh { auth, .. }: Fresh<NoMembers>,
) -> Result<Response, AuthError> {
    service.delete(auth.user(), auth.session(), &client).await?;
    Ok(reply::signed_out(&service.core))
}
