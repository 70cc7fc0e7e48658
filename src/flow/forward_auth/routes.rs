//! `GET /forward-auth` and `GET /forward-auth/{rule}`.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};

use super::ForwardAuthService;
use crate::{
    contract::{Operation, Success},
    error::{AuthError, ErrorKind},
    http::{forward, set_forwarded_subject},
    registry::Registry,
};

const ERROR: HeaderName = HeaderName::from_static("x-auth-error");

/// The site that the request comes from is judged with its method, which the proxy states.
pub(super) fn register(registry: &mut Registry, service: &ForwardAuthService) {
    registry.own_routes_from_elsewhere(
        service,
        [
            ("/forward-auth", AUTHORIZE.to(any)),
            ("/forward-auth/{rule}", AUTHORIZE_BY_RULE.to(by_rule)),
        ],
    );
}

const ALLOWED: &[Success] =
    &[Success::empty(200, "The request may be forwarded.").with_header("X-Auth-Subject")];
const REFUSALS: &[ErrorKind] = &[
    ErrorKind::Unauthenticated,
    ErrorKind::DeviceProofRequired,
    ErrorKind::DpopProofRefused,
    ErrorKind::CrossOrigin,
    ErrorKind::Forbidden,
    ErrorKind::StepUpRequired,
    ErrorKind::SetupRequired,
];

const AUTHORIZE: Operation =
    Operation::get("authorizeForwarded", "Tells a proxy whether it may forward a request")
        .any_token()
        .returns(ALLOWED)
        .fails(REFUSALS)
        .errors_in_header();

async fn any(State(service): State<ForwardAuthService>, parts: Parts) -> Response {
    judge(&service, None, parts).await
}

const AUTHORIZE_BY_RULE: Operation =
    Operation::get("authorizeForwardedByRule", "Tells a proxy whether a request passes a rule")
        .any_token()
        .returns(ALLOWED)
        .fails(REFUSALS)
        .errors_in_header();

async fn by_rule(
    State(service): State<ForwardAuthService>,
    rule: Result<Path<String>, PathRejection>,
    parts: Parts,
) -> Response {
    match rule {
        Ok(Path(rule)) => judge(&service, Some(&rule), parts).await,
        Err(_) => AuthError::from(ErrorKind::NotFound).into_response(),
    }
}

async fn judge(service: &ForwardAuthService, rule: Option<&str>, parts: Parts) -> Response {
    let Some(rule) = service.rule(rule) else {
        return AuthError::from(ErrorKind::NotFound).into_response();
    };
    let judged = async {
        let user = forward::judge(parts, rule).await?;
        let mut response = StatusCode::OK.into_response();
        set_forwarded_subject(response.headers_mut(), Some(&user.subject()))?;
        Ok(response)
    };
    judged.await.unwrap_or_else(refused)
}

/// Returns the status and the headers of an error, and its code in a header.
fn refused(error: AuthError) -> Response {
    let code = HeaderValue::from_static(error.kind().code());
    let problem = error.into_response();
    let mut response = problem.status().into_response();
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        for value in problem.headers().get_all(&name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response.headers_mut().insert(ERROR, code);
    response
}
