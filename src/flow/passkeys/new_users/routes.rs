//! `POST /passkeys/sign-up/start`, `POST /passkeys/sign-up/finish`.

use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use serde_json::Value;

use super::super::{
    PasskeyService,
    routes::{Answer, begun},
};
use crate::{
    contract::{
        Member, Operation,
        member::{DISPLAY_NAME, EMAIL},
        shapes::{CEREMONY, CREATED, PENDING},
    },
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        Context,
        json::{Body, FromMembers, Members},
        reply,
    },
    registry::Registry,
    services::Client,
};

type Service = State<PasskeyService>;

pub(crate) fn register(registry: &mut Registry, service: &PasskeyService) {
    registry.own_routes(
        service,
        [
            ("/passkeys/sign-up/start", START_SIGN_UP.to(start_sign_up)),
            ("/passkeys/sign-up/finish", FINISH_SIGN_UP.to(finish_sign_up)),
        ],
    );
}

struct Newcomer {
    email: String,
    display_name: Option<String>,
}

impl FromMembers for Newcomer {
    const MEMBERS: &'static [Member] = &[EMAIL, DISPLAY_NAME];

    fn read(members: &mut Members) -> Option<Self> {
        let display_name = members.optional_text("display_name", 200);
        Some(Self { email: members.required("email")?, display_name })
    }
}

const START_SIGN_UP: Operation =
    Operation::post("startPasskeySignUp", "Starts to create a user with a passkey")
        .returns(&[CEREMONY])
        .fails(&[
            ErrorKind::Forbidden,
            ErrorKind::SignUpDisabled,
            ErrorKind::InvalidEmail,
            ErrorKind::RateLimited,
        ]);

async fn start_sign_up(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Newcomer>,
) -> Result<Json<Value>, AuthError> {
    client.begin(&service.core, Purpose::SignUp).await?;
    let (ip, members) = (client.info().ip.as_deref(), client.members());
    let anonymous = context.anonymous(&service.core).await?;
    let current = anonymous.as_ref().map(|auth| (auth.user(), auth.session()));
    let Newcomer { email, display_name } = body;
    let started = service.start_sign_up_with(current, &email, display_name, ip, members);
    Ok(begun(&started.await?))
}

const FINISH_SIGN_UP: Operation =
    Operation::post("finishPasskeySignUp", "Creates a user with a passkey")
        .returns(&[CREATED, PENDING])
        .fails(&[
            ErrorKind::SignUpDisabled,
            ErrorKind::EmailTaken,
            ErrorKind::UsernameTaken,
            ErrorKind::PasskeyTaken,
            ErrorKind::UnusablePasskey,
            ErrorKind::RateLimited,
        ]);

async fn finish_sign_up(
    State(service): Service,
    context: Context,
    client: Client,
    Body(body): Body<Answer>,
) -> Result<Response, AuthError> {
    let Answer { challenge, credential, name, options } = body;
    let (info, members) = (client.info().clone(), client.members());
    let finished =
        service.finish_sign_up_with(&challenge, &credential, name, &options, info, members);
    let outcome = finished.await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::CREATED, outcome).await)
}
