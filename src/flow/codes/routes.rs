//! `POST /email/change`, `/email/verify`, `/email/undo`.

use axum::{Json, extract::State, response::Response, routing::post};
use serde_json::{Value, json};

use super::EmailCodeService;
use crate::{
    error::AuthError,
    http::{
        Fresh, Signed,
        client::ClientOf,
        json::{Body, FromMembers, Members, NoMembers},
        reply,
    },
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &EmailCodeService) {
    registry.own_routes(
        service,
        [
            ("/email/change", post(change_email)),
            ("/email/verify", post(step_up)),
            ("/email/undo", post(revert_email_change)),
        ],
    );
}

struct NewEmail {
    new_email: String,
}

impl FromMembers for NewEmail {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { new_email: members.required("new_email")? })
    }
}

struct Undo {
    token: String,
}

impl FromMembers for Undo {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { token: members.required("token")? })
    }
}

async fn change_email(
    State(service): State<EmailCodeService>,
    ClientOf(client): ClientOf,
    Fresh { auth, body, .. }: Fresh<NewEmail>,
) -> Result<Response, AuthError> {
    let asked = service.change_email(auth.user(), auth.session(), &body.new_email, &client).await?;
    Ok(reply::pending(&asked))
}

async fn step_up(
    State(service): State<EmailCodeService>,
    ClientOf(client): ClientOf,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Response, AuthError> {
    let asked = service.start_step_up(auth.user(), auth.session(), &client).await?;
    Ok(reply::pending(&asked))
}

async fn revert_email_change(
    State(service): State<EmailCodeService>,
    ClientOf(client): ClientOf,
    Body(body): Body<Undo>,
) -> Result<Json<Value>, AuthError> {
    let undone = service.revert_email_change(&body.token, &client).await?;
    let token = undone.reset_token.expose();
    Ok(Json(json!({ "reset_token": token, "expires_at": undone.expires_at })))
}
