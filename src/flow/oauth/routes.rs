//! The routes of a provider, and those that all providers share.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{
    OAuthService,
    ceremony::Started,
    service::{Callback, Landing, Start},
};
use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    http::{
        AuthUser, Context, FreshUser,
        client::ClientInfo,
        cookie,
        json::{Body, FromMembers, Members},
        query::Query,
        reply, strict,
    },
    model::Transport,
};

type Service = State<OAuthService>;

pub(super) fn router(service: OAuthService) -> Router {
    let path = |rest: &str| format!("/oauth/{}/{rest}", service.id());
    let own = Router::new()
        .route(&path("start"), get(start))
        .route(&path("callback"), get(callback))
        .route(&path("link"), post(link))
        .route(&path("backchannel-logout"), post(sign_out_by))
        .route(&path("signed-out"), get(signed_out));
    let shared = Router::new()
        .route("/oauth/exchange", post(exchange))
        .route("/identities", get(identities))
        .route("/identities/{id}", delete(unlink));
    let routes = if service.shared { own.merge(shared) } else { own };
    routes.with_state(service)
}

struct LinkBody {
    redirect_to: Option<String>,
}

impl FromMembers for LinkBody {
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
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, AuthError> {
    let start = read_start(query.as_deref().unwrap_or_default())?;
    let core = service.core();
    match service.start(start).await {
        Ok(started) => {
            let response = reply::see_other(&started.authorization_url);
            Ok(with_flow(core, &headers, response, &started))
        }
        Err(error) if error.kind() == ErrorKind::ProviderError => {
            Ok(reply::show_error(core, error))
        }
        Err(error) => Err(error),
    }
}

fn read_start(query: &str) -> Result<Start, AuthError> {
    let query = Query::parse(query);
    let transport = match query.once("transport")? {
        None => None,
        Some("cookie") => Some(Transport::Cookie),
        Some("bearer") => Some(Transport::Bearer),
        Some(_) => {
            return Err(AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("transport is cookie or bearer."));
        }
    };
    Ok(Start {
        redirect_to: query.once("redirect_to")?.map(ToOwned::to_owned),
        transport,
        code_challenge: query.once("code_challenge")?.map(ToOwned::to_owned),
    })
}

fn with_flow(
    core: &Core,
    headers: &HeaderMap,
    mut response: Response,
    started: &Started,
) -> Response {
    for line in cookie::set_flow(core, headers, &started.cookie, &started.secret) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

async fn callback(
    State(service): Service,
    context: Context,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let core = service.core();
    if strict::comes_without_cookies(core, &headers) {
        return strict::load_again();
    }
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let tag = query.once("state").ok().flatten().and_then(OAuthService::cookie_tag);
    let secret = tag.as_deref().and_then(|tag| cookie::flow_secret(core, &headers, tag));
    let landed = async {
        let callback = Callback {
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
    let mut response = landed.await.unwrap_or_else(|error| reply::show_error(core, error));
    if let Some(tag) = tag.filter(|_| secret.is_some()) {
        for line in cookie::clear_flow(core, &headers, &tag) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }
    response
}

async fn land(core: &Core, context: &Context, landing: Landing) -> Result<Response, AuthError> {
    match landing {
        Landing::Browser { outcome, redirect_to } => {
            reply::lead_on(core, context, &redirect_to, outcome).await
        }
        Landing::Native { code, redirect_to } => {
            let place = reply::with_parameter(&redirect_to, "code", code.expose());
            Ok(reply::see_other(&place))
        }
    }
}

async fn link(
    State(service): Service,
    FreshUser(auth): FreshUser,
    headers: HeaderMap,
    body: Option<Body<LinkBody>>,
) -> Result<Response, AuthError> {
    let core = service.core();
    let redirect_to = body.and_then(|Body(body)| body.redirect_to);
    let started = service.start_link(auth.user(), auth.session(), redirect_to).await?;
    let body = Json(json!({ "authorization_url": started.authorization_url }));
    Ok(with_flow(core, &headers, body.into_response(), &started))
}

async fn exchange(
    State(service): Service,
    context: Context,
    ClientInfo(client): ClientInfo,
    Body(body): Body<ExchangeBody>,
) -> Result<Response, AuthError> {
    let outcome = service.exchange(&body.code, &body.code_verifier, client).await?;
    reply::outcome(service.core(), &context, StatusCode::OK, outcome).await
}

async fn identities(State(service): Service, auth: AuthUser) -> Result<Json<Value>, AuthError> {
    let all = service.core().identities(&auth.id).await?;
    let views = all.linked.iter().map(|(own, snapshot)| {
        json!({
            "id": own.id,
            "provider": snapshot.provider,
            "subject": snapshot.subject,
            "email": snapshot.email,
            "linked_at": own.created_at,
        })
    });
    Ok(Json(json!({
        "identities": views.collect::<Vec<_>>(),
        "has_password": all.has_password,
        "passkeys": all.passkeys,
    })))
}

async fn unlink(
    State(service): Service,
    FreshUser(auth): FreshUser,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, AuthError> {
    let Path(id) = id.map_err(|_| ErrorKind::NotFound)?;
    let core: &Arc<Core> = service.core();
    core.unlink(auth.user(), &id, auth.session().id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign_out_by(
    State(service): Service,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, AuthError> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = kind.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    if !essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return Err(ErrorKind::UnsupportedMediaType.into());
    }
    let text = std::str::from_utf8(&body).map_err(|_| ErrorKind::InvalidRequest)?;
    let form = Query::parse(text);
    let token = form.once("logout_token")?.ok_or(ErrorKind::InvalidRequest)?;
    service.sign_out_by(token).await?;
    Ok(StatusCode::OK)
}

/// The way back from the provider after a sign-out. Whatever comes along is not read: the
/// session here ended before (RP-Initiated Logout 1.0 §3).
async fn signed_out() -> Response {
    reply::see_other("/")
}
