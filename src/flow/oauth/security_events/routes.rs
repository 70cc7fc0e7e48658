//! `POST /oauth/{provider}/events`.

use axum::extract::State;
use http::StatusCode;

use super::EventFormat;
use crate::{
    contract::{ErrorBody, ErrorForm, Operation, Route, Success},
    error::AuthError,
    flow::oauth::OAuthService,
    http::security_event::{DeliveredToken, DeliveryFailure},
    registry::Registry,
};

/// The provider is no browser: the signature of the token authenticates it.
pub(in crate::flow::oauth) fn register(registry: &mut Registry, service: &OAuthService) {
    let path = |rest: &str| format!("/oauth/{}/{rest}", service.id());
    let route: Route<_> = RECEIVE.to(receive);
    let route = route.with_parameter("provider", service.id()).tagged("oauth");
    registry.own_routes_from_elsewhere(service, [(&path("events"), route)]);
}

const FORM: ErrorBody = ErrorBody {
    about: "An error of the delivery of security events (RFC 8935 §2.3).",
    code: "err",
    is_described: true,
};

const RECEIVE: Operation = Operation {
    errors: ErrorForm::Codes(
        FORM,
        &[
            (
                400,
                &[
                    "invalid_request",
                    "invalid_key",
                    "invalid_issuer",
                    "invalid_audience",
                    "authentication_failed",
                ],
            ),
            (413, &["invalid_request"]),
            (415, &["invalid_request"]),
            (500, &["internal"]),
            (502, &["provider_error"]),
            (503, &["unavailable"]),
        ],
    ),
    ..Operation::post("receiveSecurityEvents", "Receives security events of the provider").returns(
        &[
            Success::empty(202, "Processed."),
            Success::empty(200, "Processed, of the form that Apple sends."),
        ],
    )
};

async fn receive(
    State(service): State<OAuthService>,
    token: Result<DeliveredToken, AuthError>,
) -> Result<StatusCode, DeliveryFailure> {
    let (token, format, done) = match token? {
        DeliveredToken::Standard(token) => (token, EventFormat::Standard, StatusCode::ACCEPTED),
        DeliveredToken::Apple(token) => (token, EventFormat::Apple, StatusCode::OK),
    };
    service.receive_security_events(&token, format).await?;
    Ok(done)
}
