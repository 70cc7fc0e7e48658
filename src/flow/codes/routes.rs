//! `POST /email/change`, `/email/verify`, `/email/undo`.

use axum::{Json, extract::State, response::Response};
use serde_json::{Value, json};

use super::EmailCodeService;
use crate::{
    contract::{Member, Operation, Schema, Success, member::TOKEN, shapes::PENDING},
    error::{AuthError, ErrorKind},
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
            ("/email/change", CHANGE_EMAIL.to(change_email)),
            ("/email/verify", VERIFY_EMAIL.to(step_up)),
            ("/email/undo", UNDO_EMAIL_CHANGE.to(revert_email_change)),
        ],
    );
}

struct NewEmail {
    new_email: String,
}

impl FromMembers for NewEmail {
    const MEMBERS: &'static [Member] =
        &[Member::new("new_email", Schema::format("email", "countess@example.com"))];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { new_email: members.required("new_email")? })
    }
}

struct Undo {
    token: String,
}

impl FromMembers for Undo {
    const MEMBERS: &'static [Member] = &[TOKEN];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { token: members.required("token")? })
    }
}

const CHANGE_EMAIL: Operation =
    Operation::post("changeEmail", "Sends a code to a new email address")
        .returns(&[PENDING])
        .fails(&[ErrorKind::InvalidEmail, ErrorKind::RateLimited]);

async fn change_email(
    State(service): State<EmailCodeService>,
    ClientOf(client): ClientOf,
    Fresh { auth, body, .. }: Fresh<NewEmail>,
) -> Result<Response, AuthError> {
    let asked = service.change_email(auth.user(), auth.session(), &body.new_email, &client).await?;
    Ok(reply::pending(&asked))
}

const VERIFY_EMAIL: Operation = Operation::post(
    "startEmailVerification",
    "Sends a code to verify the user again in this session",
)
.returns(&[PENDING])
.fails(&[ErrorKind::EmailNotVerified, ErrorKind::RateLimited]);

async fn step_up(
    State(service): State<EmailCodeService>,
    ClientOf(client): ClientOf,
    Signed { auth, .. }: Signed<NoMembers>,
) -> Result<Response, AuthError> {
    let asked = service.start_step_up(auth.user(), auth.session(), &client).await?;
    Ok(reply::pending(&asked))
}

const UNDO_EMAIL_CHANGE: Operation =
    Operation::post("undoEmailChange", "Reverts a change of the email address")
        .returns(&[Success::json(
            200,
            "A token that sets a new password.",
            Schema::Object(&[
                Member::text("reset_token", "alk_0123456789abcdef"),
                Member::time("expires_at"),
            ]),
        )])
        .fails(&[ErrorKind::Forbidden, ErrorKind::InvalidLink, ErrorKind::EmailTaken]);

async fn revert_email_change(
    State(service): State<EmailCodeService>,
    ClientOf(client): ClientOf,
    Body(body): Body<Undo>,
) -> Result<Json<Value>, AuthError> {
    let undone = service.revert_email_change(&body.token, &client).await?;
    let token = undone.reset_token.expose();
    Ok(Json(json!({ "reset_token": token, "expires_at": undone.expires_at })))
}
