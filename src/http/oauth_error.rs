//! Errors in the form of OAuth (RFC 6749 §5.2), for routes that OAuth clients call.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::{
    problem,
    reply::{NO_STORE, NOSNIFF},
};
use crate::error::{AuthError, ErrorKind};

/// An error for an OAuth client.
#[derive(Debug)]
pub(crate) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    /// The scheme of `WWW-Authenticate`, which every 401 has (RFC 9110 §15.5.2).
    scheme: Option<&'static str>,
    retry_after: Option<u64>,
}

impl OAuthError {
    pub(crate) const fn new(code: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, scheme: None, retry_after: None }
    }

    /// The client is unknown.
    pub(crate) const fn invalid_client() -> Self {
        Self { scheme: Some("Bearer"), ..Self::invalid_basic() }
    }

    /// The client is unknown, or did not authenticate with HTTP Basic.
    pub(crate) const fn invalid_basic() -> Self {
        let status = StatusCode::UNAUTHORIZED;
        Self { status, code: "invalid_client", scheme: Some("Basic"), retry_after: None }
    }
}

impl From<AuthError> for OAuthError {
    /// Errors of the request are `invalid_request`, with their status.
    fn from(error: AuthError) -> Self {
        let kind = error.kind();
        let code = match kind {
            ErrorKind::RateLimited | ErrorKind::TooManyAttempts => "slow_down",
            ErrorKind::Unavailable => "temporarily_unavailable",
            _ if kind.status().is_server_error() => "server_error",
            _ => "invalid_request",
        };
        problem::report(&error);
        let retry_after = problem::retry_after(&error);
        Self { status: kind.status(), code, scheme: None, retry_after }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.code }))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if let Some(scheme) = self.scheme {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
