//! The routes below `/totp`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::Response,
    routing::{delete, get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{TotpEnrollment, TotpService};
use crate::{
    error::{AuthError, ErrorKind},
    http::{
        FreshOrRecovering, Signed, SignedIn as Session,
        client::ClientOf,
        in_process::SharedJson,
        json::{FromMembers, Members},
        reply,
    },
    model::Factor,
    registry::Registry,
    services::{Client, Services, SignedIn},
};

#[derive(Clone)]
struct Routes {
    totp: TotpService,
    services: Services,
}

pub(super) fn register(registry: &mut Registry, service: &TotpService) {
    let routes = Routes { totp: service.clone(), services: registry.services() };
    registry.own_routes(
        &routes,
        [
            ("/totp", get(list)),
            ("/totp/{id}", delete(remove)),
            ("/totp/register/start", post(start)),
            ("/totp/register/finish", post(finish)),
            ("/totp/verify", post(verify)),
        ],
    );
}

struct First {
    challenge: String,
    code: String,
    name: Option<String>,
}

impl FromMembers for First {
    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.required("challenge");
        let code = members.required("code");
        let name = members.name();
        Some(Self { challenge: challenge?, code: code?, name })
    }
}

struct Code {
    code: String,
}

impl FromMembers for Code {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { code: members.required("code")? })
    }
}

async fn start(
    State(Routes { totp, .. }): State<Routes>,
    FreshOrRecovering { auth, authority, .. }: FreshOrRecovering,
) -> Result<Json<TotpEnrollment>, AuthError> {
    totp.start(auth.user(), auth.session(), authority).await.map(Json)
}

async fn finish(
    State(Routes { totp, .. }): State<Routes>,
    ClientOf(client): ClientOf,
    Signed { auth, body }: Signed<First>,
) -> Result<Response, AuthError> {
    let First { challenge, code, name } = body;
    let own = (auth.user(), auth.session());
    let (done, issued) = totp.finish_registration(&challenge, &code, name, own, &client).await?;
    let members = match json!(done) {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    Ok(reply::with_tokens(&totp.core, StatusCode::CREATED, members, &issued))
}

async fn list(
    State(Routes { totp, .. }): State<Routes>,
    Session(auth): Session,
) -> Result<SharedJson, AuthError> {
    Ok(SharedJson(json!({ "totp": totp.list(auth.user()).await? })))
}

async fn remove(
    State(Routes { totp, .. }): State<Routes>,
    ClientOf(client): ClientOf,
    id: Result<Path<String>, PathRejection>,
    FreshOrRecovering { auth, authority, .. }: FreshOrRecovering,
) -> Result<StatusCode, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    totp.take_off((auth.user(), auth.session()), authority, &id, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn verify(
    State(Routes { services, .. }): State<Routes>,
    client: Client,
    Signed { auth, body }: Signed<Code>,
) -> Result<SignedIn, AuthError> {
    services.pending().step_up_with(&client, &auth, Factor::Totp, &body.code).await
}
