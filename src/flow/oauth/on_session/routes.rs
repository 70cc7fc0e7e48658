//! `POST /oauth/{provider}/link` and `POST /oauth/{provider}/step-up`.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use serde_json::json;

use crate::{
    contract::{Member, Operation, Schema, Success, member::REDIRECT_TO},
    error::{AuthError, ErrorKind},
    flow::oauth::{
        OAuthService,
        ceremony::{AuthorizationRequest, Ceremony},
    },
    http::{
        Fresh, Signed,
        client::ClientOf,
        cookie,
        json::{FromMembers, Members},
    },
    model::{ClientInfo, User},
    services::Core,
};

type Service = State<OAuthService>;

const AUTHORIZATION_URL: Success = Success::json(
    200,
    "The URL of the provider, to which a page redirects the browser.",
    Schema::Object(&[Member::new(
        "authorization_url",
        Schema::format("uri", "https://idp.example.com/authorize?client_id=example"),
    )]),
)
.with_cookies();

pub(in crate::flow::oauth) struct LinkBody {
    redirect_to: Option<String>,
}

impl FromMembers for LinkBody {
    const NEEDS_BODY: bool = false;
    const MEMBERS: &'static [Member] = &[REDIRECT_TO];

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { redirect_to: members.optional("redirect_to") })
    }
}

pub(in crate::flow::oauth) const LINK: Operation =
    Operation::post("linkIdentity", "Starts to link an identity")
        .returns(&[AUTHORIZATION_URL])
        .fails(&[
            ErrorKind::InvalidRedirect,
            ErrorKind::TransportDisabled,
            ErrorKind::RateLimited,
            ErrorKind::ProviderError,
        ]);

pub(in crate::flow::oauth) async fn link(
    State(service): Service,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Fresh { auth, body, .. }: Fresh<LinkBody>,
) -> Result<Response, AuthError> {
    let ceremony = service.link_ceremony(auth.session(), body.redirect_to)?;
    lead(&service, ceremony, auth.user(), &client, &headers).await
}

pub(in crate::flow::oauth) const STEP_UP: Operation =
    Operation::post("verifyIdentity", "Starts to verify the user at the provider")
        .returns(&[AUTHORIZATION_URL])
        .fails(&[
            ErrorKind::InvalidRedirect,
            ErrorKind::NotFound,
            ErrorKind::TransportDisabled,
            ErrorKind::RateLimited,
            ErrorKind::ProviderError,
        ]);

pub(in crate::flow::oauth) async fn step_up(
    State(service): Service,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Signed { auth, body }: Signed<LinkBody>,
) -> Result<Response, AuthError> {
    let ceremony = service.step_up_ceremony(auth.session(), body.redirect_to)?;
    lead(&service, ceremony, auth.user(), &client, &headers).await
}

/// Begins a ceremony of a user, and returns the URL to which a page redirects the browser.
async fn lead(
    service: &OAuthService,
    ceremony: Ceremony,
    user: &User,
    client: &ClientInfo,
    headers: &HeaderMap,
) -> Result<Response, AuthError> {
    let core = service.core();
    core.limits.ceremony(client.ip.as_deref()).await?;
    let started = service.begin(ceremony, Some(user)).await?;
    let body = json!({ "authorization_url": started.authorization_url });
    Ok(with_flow(core, headers, Json(body).into_response(), &started))
}

/// Sets the cookie of a started request.
pub(in crate::flow::oauth) fn with_flow(
    core: &Core,
    headers: &HeaderMap,
    mut response: Response,
    started: &AuthorizationRequest,
) -> Response {
    for line in cookie::set_flow(core, headers, &started.cookie, &started.secret) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}
