//! `POST /verify`, `/verify/resend`, `/email/change`, `/email/verify`, `/email/undo`.

use axum::{Json, extract::State, response::Response, routing::post};
use serde_json::{Value, json};

use super::CodesService;
use crate::{
    error::AuthError,
    http::{
        AuthUser, Context, Fresh, Signed,
        client::ClientInfo,
        json::{Body, FromMembers, Members, NoMembers},
        reply,
    },
    registry::Registry,
};

pub(super) fn register(registry: &mut Registry, service: &CodesService) {
    registry.own_routes(
        service,
        [
            ("/verify", post(verify)),
            ("/verify/resend", post(resend)),
            ("/email/change", post(change_email)),
            ("/email/verify", post(step_up)),
            ("/email/undo", post(undo_email)),
        ],
    );
}

struct Answer {
    challenge: String,
    code: String,
    remember: Option<bool>,
}

impl FromMembers for Answer {
    fn read(members: &mut Members) -> Option<Self> {
        let challenge = members.required("challenge");
        let code = members.required("code");
        let remember = members.optional("remember");
        Some(Self { challenge: challenge?, code: code?, remember })
    }
}

struct Again {
    challenge: String,
}

impl FromMembers for Again {
    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { challenge: members.required("challenge")? })
    }
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

async fn verify(
    State(service): State<CodesService>,
    context: Context,
    ClientInfo(client): ClientInfo,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    // A bad token beside the handle is as good as none.
    let auth: Option<AuthUser> = context.signed_in().await?;
    let owner = auth.as_ref().map(|auth| (auth.user(), auth.session()));
    let remember = body.remember.unwrap_or_default();
    let verified = service.verify(&body.challenge, &body.code, remember, owner, client).await?;
    Ok(reply::verified(service.core(), &context, verified.outcome, verified.device).await)
}

async fn resend(
    State(service): State<CodesService>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<Again>,
) -> Result<Response, AuthError> {
    Ok(reply::pending(&service.resend(&body.challenge, &client).await?))
}

async fn change_email(
    State(service): State<CodesService>,
    ClientInfo(client): ClientInfo,
    Fresh { auth, body }: Fresh<NewEmail>,
) -> Result<Response, AuthError> {
    let asked = service.change_email(auth.user(), auth.session(), &body.new_email, &client).await?;
    Ok(reply::pending(&asked))
}

async fn step_up(
    State(service): State<CodesService>,
    ClientInfo(client): ClientInfo,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Response, AuthError> {
    let asked = service.start_step_up(auth.user(), auth.session(), &client).await?;
    Ok(reply::pending(&asked))
}

async fn undo_email(
    State(service): State<CodesService>,
    ClientInfo(client): ClientInfo,
    Body(body): Body<Undo>,
) -> Result<Json<Value>, AuthError> {
    let undone = service.undo_email(&body.token, &client).await?;
    let token = undone.reset_token.expose();
    Ok(Json(json!({ "reset_token": token, "expires_at": undone.expires_at })))
}
