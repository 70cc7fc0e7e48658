//! The routes of a provider, and those that all providers share.

use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{
    OAuthService,
    ceremony::{AuthorizationRequest, Ceremony},
    form_post::posted_callback,
    identities::{identities, unlink},
    native,
    parameters::{CallbackOutcome, CallbackParams, StartOptions},
};
use crate::{
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        Context, Fresh, Signed,
        client::ClientOf,
        cookie,
        error_page::{Visitor, show_error},
        json::{Body, FromMembers, Members},
        query::{Form, Query},
        reply, strict,
    },
    model::{ClientInfo, Transport, User},
    registry::Registry,
    services::{Client, Core},
};

type Service = State<OAuthService>;

pub(super) fn register(registry: &mut Registry, service: &OAuthService) {
    let path = |rest: &str| format!("/oauth/{}/{rest}", service.id());
    registry
        .own_routes(
            service,
            [
                (&path("start"), get(start)),
                (&path("link"), post(link)),
                (&path("step-up"), post(step_up)),
                (&path("signed-out"), get(signed_out)),
            ],
        )
        // A logout token is sent by the provider and not by a browser, so it is exempt from the
        // cross-origin check.
        .own_routes_from_elsewhere(
            service,
            [(&path("backchannel-logout"), post(back_channel_logout))],
        );
    if service.provider.uses_form_post() {
        // The form is posted by a page of the provider. It decides nothing.
        let route = get(callback).post(posted_callback);
        registry.own_routes_from_elsewhere(service, [(&path("callback"), route)]);
    } else {
        registry.own_routes(service, [(&path("callback"), get(callback))]);
    }
    if service.provider.accepts_id_tokens() {
        native::register(registry, service);
    }
    registry.shared(|registry| {
        registry.own_routes(
            service,
            [
                ("/oauth/exchange", post(exchange)),
                ("/identities", get(identities)),
                ("/identities/{id}", delete(unlink)),
            ],
        );
        service.clone()
    });
}

struct LinkBody {
    redirect_to: Option<String>,
}

impl FromMembers for LinkBody {
    const NEEDS_BODY: bool = false;

    fn read(members: &mut Members) -> Option<Self> {
        Some(Self { redirect_to: members.optional("redirect_to") })
    }
}

struct ExchangeBody {
    code: String,
    code_verifier: String,
}

impl FromMembers for ExchangeBody {
    fn read(members: &mut Members) -> Option<Self> {
        let (code, code_verifier) = (members.required("code"), members.required("code_verifier"));
        Some(Self { code: code?, code_verifier: code_verifier? })
    }
}

async fn start(
    State(service): Service,
    client: Client,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, AuthError> {
    if is_prefetch(&headers) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let start = read_start(query.as_deref().unwrap_or_default())?;
    let ceremony = service.sign_in_ceremony(start)?;
    let core = service.core();
    let visitor = Visitor { headers: &headers, query: query.as_deref(), context: None };
    if let Err(error) = client.begin(core, Purpose::SignIn).await {
        return Ok(show_error(core, visitor, error));
    }
    if let Err(error) = count(core, client.info()).await {
        return Ok(show_error(core, visitor, error));
    }
    match service.begin(ceremony, None).await {
        Ok(started) => {
            let response = reply::see_other(&started.authorization_url);
            Ok(with_flow(core, &headers, response, &started))
        }
        Err(error) if error.kind() == ErrorKind::ProviderError => {
            Ok(show_error(core, visitor, error))
        }
        Err(error) => Err(error),
    }
}

/// Counts the start of a ceremony. Limits are checked last: a request that is rejected for its
/// parameters stores nothing and reaches no provider, so it uses up no start of its network, and its
/// response does not depend on how many others there were.
pub(super) async fn count(core: &Core, client: &ClientInfo) -> Result<(), AuthError> {
    core.limits.ceremony(client.ip.as_deref()).await
}

/// Returns whether a browser prefetches the URL, in which case no request is started.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let lines = headers.get_all(*name).iter();
        lines.filter_map(|line| line.to_str().ok()).any(|line| {
            let mut parts = line.split([';', ',']).map(str::trim);
            parts.any(|part| part.eq_ignore_ascii_case("prefetch"))
        })
    })
}

fn read_start(query: &str) -> Result<StartOptions, AuthError> {
    let query = Query::parse(query);
    let transport = match query.once("transport")? {
        None => None,
        Some("cookie") => Some(Transport::Cookie),
        Some("bearer") => Some(Transport::Bearer),
        Some(_) => {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("transport must be cookie or bearer."));
        }
    };
    let persistent = match query.once("persistent")? {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("persistent must be true or false."));
        }
    };
    Ok(StartOptions {
        redirect_to: query.once("redirect_to")?.map(ToOwned::to_owned),
        transport,
        persistent,
        code_challenge: query.once("code_challenge")?.map(ToOwned::to_owned),
        login_hint: query.once("login_hint")?.map(ToOwned::to_owned),
        prompts: query.all("prompt").map(ToOwned::to_owned).collect(),
        scopes: query.all("scope").map(ToOwned::to_owned).collect(),
    })
}

fn with_flow(
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

async fn callback(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let core = service.core();
    if strict::comes_without_cookies(core, &headers) {
        return strict::load_again();
    }
    let visitor = Visitor { headers: &headers, query: query.as_deref(), context: Some(&context) };
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let tag = query.once("state").ok().flatten().and_then(OAuthService::cookie_tag);
    let secret = tag.as_deref().and_then(|tag| cookie::flow_secret(core, &headers, tag));
    let landed = async {
        let callback = CallbackParams {
            code: query.once("code")?,
            state: query.once("state")?,
            iss: query.once("iss")?,
            error: query.once("error")?,
            secret,
        };
        let user = context.signed_in().await?;
        let signed_in = user.as_ref().map(|auth| (auth.user(), auth.session()));
        let landing = service.callback(callback, signed_in, client).await?;
        land(core, &context, landing).await
    };
    let mut response = landed.await.unwrap_or_else(|error| show_error(core, visitor, error));
    if let Some(tag) = tag.filter(|_| secret.is_some()) {
        for line in cookie::clear_flow(core, &headers, &tag) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    response
}

async fn land(
    core: &Core,
    context: &Context,
    landing: CallbackOutcome,
) -> Result<Response, AuthError> {
    match landing {
        CallbackOutcome::Browser { outcome, redirect_to } => {
            Ok(reply::lead_on(core, context, &redirect_to, outcome).await)
        }
        CallbackOutcome::Native { code, redirect_to } => {
            let place = reply::with_parameter(&redirect_to, "code", code.expose());
            Ok(reply::see_other(&place))
        }
    }
}

async fn link(
    State(service): Service,
    ClientOf(client): ClientOf,
    headers: HeaderMap,
    Fresh { auth, body, .. }: Fresh<LinkBody>,
) -> Result<Response, AuthError> {
    let ceremony = service.link_ceremony(auth.session(), body.redirect_to)?;
    lead(&service, ceremony, auth.user(), &client, &headers).await
}

async fn step_up(
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
    count(core, client).await?;
    let started = service.begin(ceremony, Some(user)).await?;
    let body = Json(json!({ "authorization_url": started.authorization_url }));
    Ok(with_flow(core, headers, body.into_response(), &started))
}

async fn exchange(
    State(service): Service,
    context: Context,
    ClientOf(client): ClientOf,
    Body(body): Body<ExchangeBody>,
) -> Result<Response, AuthError> {
    let outcome = service.redeem_code(&body.code, &body.code_verifier, client).await?;
    Ok(reply::outcome(service.core(), &context, StatusCode::OK, outcome).await)
}

async fn back_channel_logout(
    State(service): Service,
    form: Result<Form, AuthError>,
) -> Result<StatusCode, AuthError> {
    let end = async {
        let Form(form) = form?;
        let token = form.once("logout_token")?.ok_or(ErrorKind::InvalidRequest)?;
        service.back_channel_logout(token).await
    };
    end.await.map_err(refused_logout)?;
    Ok(StatusCode::OK)
}

/// Returns 400 for a token that is too long or could not be verified (Back-Channel Logout 1.0
/// §2.8).
fn refused_logout(error: AuthError) -> AuthError {
    match error.kind() {
        ErrorKind::PayloadTooLarge | ErrorKind::ProviderError => {
            AuthError::new(ErrorKind::InvalidRequest).with_source(error)
        }
        _ => error,
    }
}

/// Redirects to the application after a sign-out at the provider, to the target that the sign-out
/// requested (RP-Initiated Logout 1.0 §3). It is checked again, since the URL can be changed.
async fn signed_out(State(service): Service, RawQuery(query): RawQuery) -> Response {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let state = query.once("state").ok().flatten();
    let target = state.and_then(|state| service.core().signed_out_target(state));
    reply::see_other(target.as_deref().unwrap_or("/"))
}
