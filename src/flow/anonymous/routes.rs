//! `POST /anonymous`.

use axum::{Router, extract::State, response::Response, routing::post};
use http::StatusCode;

use super::AnonymousService;
use crate::{
    error::{AuthError, ErrorKind},
    http::{
        Context,
        client::ClientInfo,
        json::{Body, FromMembers, Members},
        reply,
    },
    model::Transport,
};

pub(super) fn router(service: AnonymousService) -> Router {
    Router::new().route("/anonymous", post(begin)).with_state(service)
}

struct BeginBody {
    transport: Option<Transport>,
}

impl FromMembers for BeginBody {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { transport: members.optional("transport") })
    }
}

async fn begin(
    State(service): State<AnonymousService>,
    context: Context,
    ClientInfo(client): ClientInfo,
    Body(body): Body<BeginBody>,
) -> Result<Response, AuthError> {
    if context.optional().await?.is_some() {
        return Err(AuthError::new(ErrorKind::Forbidden).with_detail("Sign out first"));
    }
    let transport = service.core.sessions.options().transport(body.transport)?;
    let outcome = service.begin(transport, client).await?;
    reply::outcome(&service.core, &context, StatusCode::CREATED, outcome).await
}
