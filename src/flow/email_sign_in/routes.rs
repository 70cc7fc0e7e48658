//! `POST /email-sign-in` and `POST /email-sign-in/link`.

use axum::extract::State;

use super::EmailSignInService;
use crate::{
    contract::{
        Member, Operation, Schema,
        member::{DEVICE_TOKEN, DISPLAY_NAME, EMAIL, PERSISTENT, REDIRECT_TO, TOKEN, TRANSPORT},
        shapes::{COMPLETE, CREATED, PENDING},
    },
    error::{AuthError, ErrorKind},
    http::json::{Body, FromMembers, Members},
    registry::Registry,
    services::{Client, PendingChallenge, SignInOptions, SignInOutcome},
};

const MAX_NAME_LEN: usize = 200;

pub(super) fn register(registry: &mut Registry, service: &EmailSignInService) {
    registry.own_routes(
        service,
        [
            ("/email-sign-in", START_EMAIL_SIGN_IN.to(start)),
            ("/email-sign-in/link", FOLLOW_EMAIL_LINK.to(follow_link)),
        ],
    );
}

struct StartBody {
    email: String,
    display_name: Option<String>,
    redirect_to: Option<String>,
    options: SignInOptions,
}

impl FromMembers for StartBody {
    const MEMBERS: &'static [Member] =
        &[EMAIL, DISPLAY_NAME, REDIRECT_TO, TRANSPORT, PERSISTENT, DEVICE_TOKEN];

    fn read(members: &mut Members) -> Option<Self> {
        let email = members.required("email");
        let display_name = members.optional_text("display_name", MAX_NAME_LEN);
        let redirect_to = members.optional("redirect_to");
        let options = members.sign_in_options();
        Some(Self { email: email?, display_name, redirect_to, options })
    }
}

struct LinkBody {
    token: String,
    confirm: Option<bool>,
    options: SignInOptions,
}

impl FromMembers for LinkBody {
    const MEMBERS: &'static [Member] = &[
        TOKEN,
        Member::new("confirm", Schema::Boolean(true)).optional(),
        TRANSPORT,
        PERSISTENT,
        DEVICE_TOKEN,
    ];

    fn read(members: &mut Members) -> Option<Self> {
        let token = members.required("token");
        let confirm = members.optional("confirm");
        let options = members.sign_in_options();
        Some(Self { token: token?, confirm, options })
    }
}

const START_EMAIL_SIGN_IN: Operation =
    Operation::post("startEmailSignIn", "Sends a code and a link to sign in")
        .returns(&[PENDING])
        .fails(&[ErrorKind::InvalidEmail, ErrorKind::InvalidRedirect, ErrorKind::RateLimited]);

async fn start(
    State(service): State<EmailSignInService>,
    client: Client,
    Body(body): Body<StartBody>,
) -> Result<PendingChallenge, AuthError> {
    let client = client.with_options(body.options).with_return_to(body.redirect_to.as_deref());
    service.start(&client, &body.email, body.display_name).await
}

const FOLLOW_EMAIL_LINK: Operation = Operation::post("followEmailLink", "Signs in with a link")
    .optional_session()
    .returns(&[COMPLETE, CREATED, PENDING])
    .fails(&[
        ErrorKind::InvalidLink,
        ErrorKind::ConfirmRequired,
        ErrorKind::SignUpDisabled,
        ErrorKind::EmailTaken,
        ErrorKind::UsernameTaken,
        ErrorKind::InvalidCredentials,
        ErrorKind::RateLimited,
    ]);

/// The options of this request count only if the user confirms. In the browser that requested the
/// link, the options of that request apply.
async fn follow_link(
    State(service): State<EmailSignInService>,
    client: Client,
    Body(body): Body<LinkBody>,
) -> Result<SignInOutcome, AuthError> {
    let confirm = body.confirm.unwrap_or_default();
    let client = if confirm { client.with_options(body.options) } else { client };
    service.follow_link(&client, &body.token, confirm).await
}
