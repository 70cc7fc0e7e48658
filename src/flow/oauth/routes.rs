//! The routes of a provider, and those that all providers share.

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};

use super::{
    OAuthService,
    form_post::{POSTED_CALLBACK, posted_callback},
    id_tokens,
    identities::{LIST_IDENTITIES, UNLINK_IDENTITY, identities, unlink},
    native::{EXCHANGE, exchange},
    on_session::{LINK, STEP_UP, link, step_up, with_flow},
    parameters::{CallbackOutcome, CallbackParams, StartOptions},
    security_events,
    sign_out::{LOGOUT, SIGNED_OUT, back_channel_logout, signed_out},
};
use crate::{
    contract::{
        Member, Operation, Route, Schema, Success,
        member::{REDIRECT_TO, TRANSPORT},
    },
    error::{AuthError, ErrorKind},
    hook::Purpose,
    http::{
        Context,
        client::ClientOf,
        cookie,
        error_page::{Visitor, show_error},
        prefetch::is_prefetch,
        query::Query,
        reply, strict,
    },
    model::Transport,
    registry::Registry,
    services::{Client, Core},
};

type Service = State<OAuthService>;

pub(super) fn register(registry: &mut Registry, service: &OAuthService) {
    let path = |rest: &str| format!("/oauth/{}/{rest}", service.id());
    let own = |route: Route<_>| route.with_parameter("provider", service.id()).tagged("oauth");
    registry
        .own_routes(
            service,
            [
                (&path("start"), own(START.to(start))),
                (&path("link"), own(LINK.to(link))),
                (&path("step-up"), own(STEP_UP.to(step_up))),
                (&path("signed-out"), own(SIGNED_OUT.to(signed_out))),
            ],
        )
        // A logout token is sent by the provider and not by a browser, so it is exempt from the
        // cross-origin check.
        .own_routes_from_elsewhere(
            service,
            [(&path("backchannel-logout"), own(LOGOUT.to(back_channel_logout)))],
        );
    if service.provider.uses_form_post() {
        // The form is posted by a page of the provider. It decides nothing.
        let route = CALLBACK.to(callback).and(POSTED_CALLBACK.to(posted_callback));
        registry.own_routes_from_elsewhere(service, [(&path("callback"), own(route))]);
    } else {
        registry.own_routes(service, [(&path("callback"), own(CALLBACK.to(callback)))]);
    }
    if service.provider.accepts_id_tokens() {
        id_tokens::register(registry, service);
    }
    if service.provider.receives_security_events() {
        security_events::register(registry, service);
    }
    registry.shared(|registry| {
        registry.own_routes(
            service,
            [
                ("/oauth/exchange", EXCHANGE.to(exchange).tagged("oauth")),
                ("/identities", LIST_IDENTITIES.to(identities).tagged("oauth")),
                ("/identities/{id}", UNLINK_IDENTITY.to(unlink).tagged("oauth")),
            ],
        );
        service.clone()
    });
}

const START: Operation = Operation::get("startProviderSignIn", "Leads to the provider")
    .query(&[
        REDIRECT_TO,
        TRANSPORT,
        Member::new("persistent", Schema::one_of(&["true", "false"])).optional(),
        Member::text("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").optional(),
        Member::text("login_hint", "ada@example.com").optional(),
        Member::text("prompt", "login").optional(),
        Member::text("scope", "email").optional(),
    ])
    .returns(&[
        Success::redirect("The provider, or the error page of the application.").with_cookies(),
        Success::empty(204, "A prefetch, which starts nothing."),
    ])
    .fails(&[
        ErrorKind::InvalidRedirect,
        ErrorKind::TransportDisabled,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::RateLimited,
        ErrorKind::ProviderError,
    ]);

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
    // Limits are checked last: a request that is rejected for its parameters stores nothing and
    // reaches no provider, so it uses up no start of its network, and its response does not depend
    // on how many others there were.
    if let Err(error) = core.limits.ceremony(client.info().ip.as_deref()).await {
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

fn read_start(query: &str) -> Result<StartOptions, AuthError> {
    let query = Query::parse(query);
    let transport = match query.once("transport")? {
        None => None,
        Some("cookie") => Some(Transport::Cookie),
        Some("bearer") => Some(Transport::Bearer),
        Some(_) => return Err(invalid("transport must be cookie or bearer.")),
    };
    let persistent = match query.once("persistent")? {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(invalid("persistent must be true or false.")),
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

fn invalid(detail: &'static str) -> AuthError {
    AuthError::new(ErrorKind::InvalidRequest).with_detail(detail)
}

const CALLBACK: Operation = Operation::get("finishProviderSignIn", "Returns from the provider")
    .query(&[
        Member::text("code", "0123456789abcdef").optional(),
        Member::text("state", "0123456789abcdef").optional(),
        Member::text("iss", "https://idp.example.com").optional(),
        Member::text("error", "access_denied").optional(),
    ])
    .optional_session()
    .returns(&[
        Success::redirect("The application, or its error page.").with_cookies(),
        Success::text("text/html", "A page that loads this URL again, with strict cookies."),
    ])
    .fails(&[
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::InvalidState,
        ErrorKind::InvalidRedirect,
        ErrorKind::ProviderDenied,
        ErrorKind::EmailNotVerified,
        ErrorKind::SignUpDisabled,
        ErrorKind::AccountDisabled,
        ErrorKind::AccountExists,
        ErrorKind::IdentityTaken,
        ErrorKind::UsernameTaken,
        ErrorKind::TransportDisabled,
        ErrorKind::StepUpRequired,
        ErrorKind::RateLimited,
        ErrorKind::ProviderError,
    ]);

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
