//! `POST /email-sign-in` and `POST /email-sign-in/link`.

use axum::{extract::State, routing::post};

use super::EmailSignInService;
use crate::{
    error::AuthError,
    http::json::{Body, FromMembers, Members},
    registry::Registry,
    services::{Client, PendingChallenge, SignInOptions, SignInOutcome},
};

const MAX_NAME_LEN: usize = 200;

pub(super) fn register(registry: &mut Registry, service: &EmailSignInService) {
    registry.own_routes(
        service,
        [("/email-sign-in", post(start)), ("/email-sign-in/link", post(follow_link))],
    );
}

struct StartBody {
    email: String,
    display_name: Option<String>,
    redirect_to: Option<String>,
    options: SignInOptions,
}

impl FromMembers for StartBody {
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
    fn read(members: &mut Members) -> Option<Self> {
        let token = members.required("token");
        let confirm = members.optional("confirm");
        let options = members.sign_in_options();
        Some(Self { token: token?, confirm, options })
    }
}

async fn start(
    State(service): State<EmailSignInService>,
    client: Client,
    Body(body): Body<StartBody>,
) -> Result<PendingChallenge, AuthError> {
    let client = client.with_options(body.options).with_return_to(body.redirect_to.as_deref());
    service.start(&client, &body.email, body.display_name).await
}

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
