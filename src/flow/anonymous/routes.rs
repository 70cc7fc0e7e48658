//! `POST /anonymous`.

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::AnonymousUserService;
use crate::{
    contract::{
        Member, Operation,
        member::{DEVICE_TOKEN, PERSISTENT, TRANSPORT},
        shapes::CREATED,
    },
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        AuthUser, Context,
        json::{Body, FromMembers, Members},
        reply,
    },
    model::Transport,
    registry::Registry,
    services::{Client, SignInOptions},
};

pub(super) fn register(registry: &mut Registry, service: &AnonymousUserService) {
    registry.own_routes(service, [("/anonymous", CREATE_ANONYMOUS_USER.to(begin))]);
}

struct BeginBody {
    options: SignInOptions,
}

impl FromMembers for BeginBody {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[TRANSPORT, PERSISTENT, DEVICE_TOKEN];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { options: members.sign_in_options() })
    }
}

const CREATE_ANONYMOUS_USER: Operation =
    Operation::post("createAnonymousUser", "Creates a user without any credential")
        .optional_session()
        .returns(&[CREATED])
        .fails(&[
            ErrorKind::Unauthenticated,
            ErrorKind::SignUpDisabled,
            ErrorKind::UsernameTaken,
            ErrorKind::RateLimited,
        ]);

async fn begin(
    State(service): State<AnonymousUserService>,
    context: Context,
    client: Client,
    Body(body): Body<BeginBody>,
) -> Result<Response, AuthError> {
    if let Some(auth) = context.optional().await? {
        return same(&service, &auth).await;
    }
    let client = client.with_options(body.options);
    client.begin(&service.core, Purpose::SignUp).await?;
    let info = client.info().clone();
    let options = client.options();
    let outcome = service.create_with(&options, info, Some(client.members())).await?;
    Ok(reply::outcome(&service.core, &context, StatusCode::CREATED, outcome).await)
}

/// Returns the existing session of an anonymous user, so that repeated requests of a browser do not
/// create several users.
async fn same(service: &AnonymousUserService, auth: &AuthUser) -> Result<Response, AuthError> {
    let (core, user) = (&service.core, auth.user());
    auth.require_own()?;
    if !user.is_anonymous || auth.api_key().is_some() {
        return Err(AuthError::new(ErrorKind::Forbidden).with_detail("Sign out first"));
    }
    if auth.session().transport == Transport::Bearer {
        let issued = core.renew_session(user, auth.session()).await?;
        return Ok(reply::complete(core, StatusCode::CREATED, user, issued));
    }
    Ok(reply::same(StatusCode::CREATED, user, auth.session()))
}
