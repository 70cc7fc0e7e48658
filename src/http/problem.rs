//! Errors as problem documents (RFC 9457).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::reply::{NO_STORE, NOSNIFF};
use crate::{
    error::{AuthError, ErrorKind, with_sources},
    measure,
};

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let kind = self.kind();
        report(&self);
        let mut body = Map::new();
        body.insert("type".to_owned(), Value::from(format!("urn:authlayer:error:{}", kind.code())));
        body.insert("title".to_owned(), Value::from(kind.title()));
        body.insert("status".to_owned(), Value::from(kind.status().as_u16()));
        body.insert("code".to_owned(), Value::from(kind.code()));
        if let Some(detail) = self.detail() {
            body.insert("detail".to_owned(), Value::from(detail));
        }
        for (name, value) in self.extensions() {
            body.insert((*name).to_owned(), value.clone());
        }
        let mut response = (kind.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM);
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if let Some(challenge) = dpop_challenge(kind) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        } else if kind == ErrorKind::InvalidToken {
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        } else if kind.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after(&self) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Measures an error that is sent to a client, and logs its cause if it is one of the server.
pub(super) fn report(error: &AuthError) {
    let kind = error.kind();
    measure::rejected(kind.code());
    if kind.status().is_server_error() && !error.is_logged() {
        let cause = std::error::Error::source(error).map(with_sources);
        tracing::error!(code = kind.code(), cause, "a request failed");
    }
}

/// Returns after how many seconds a client may repeat its request.
pub(super) fn retry_after(error: &AuthError) -> Option<u64> {
    if error.kind() == ErrorKind::Unavailable {
        return Some(1);
    }
    let seconds = error.extensions().iter().find(|(name, _)| *name == "retry_after");
    seconds.and_then(|(_, seconds)| seconds.as_u64())
}

/// Returns the challenge of an error of a bound token or its proof (RFC 9449 §7.1).
fn dpop_challenge(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::DpopTokenRefused => {
            Some("DPoP error=\"invalid_token\", algs=\"ES256 EdDSA RS256\"")
        }
        ErrorKind::DpopProofRefused => {
            Some("DPoP error=\"invalid_dpop_proof\", algs=\"ES256 EdDSA RS256\"")
        }
        ErrorKind::DpopProofRequired => Some("DPoP algs=\"ES256 EdDSA RS256\""),
        _ => None,
    }
}
