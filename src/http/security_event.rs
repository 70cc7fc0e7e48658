//! Requests that deliver a Security Event Token, and the form of their errors (RFC 8935).

use axum::{
    Json,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{
    json::{self, require_type},
    problem,
    reply::{NO_STORE, NOSNIFF},
};
use crate::{
    contract::{BodyKind, Extract, Extracted, Member, RequestBody},
    error::{AuthError, ErrorKind},
};

/// The maximum length of a body, in bytes.
const MAX_BODY_LEN: usize = 64 * 1024;

/// A delivered token.
#[derive(Debug)]
pub(crate) enum DeliveredToken {
    /// The body is the token.
    Standard(String),
    /// The body is an object with the token in `payload`, as Apple sends it.
    Apple(String),
}

impl<S: Send + Sync> FromRequest<S> for DeliveredToken {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let (parts, body) = request.into_parts();
        let bytes = json::collect(body, MAX_BODY_LEN).await?;
        if require_type(&parts.headers, b"application/secevent+jwt").is_ok() {
            let token = String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidRequest)?;
            return Ok(Self::Standard(token));
        }
        require_type(&parts.headers, b"application/json")?;
        let members = json::object(&bytes)?;
        let token = members.get("payload").and_then(Value::as_str);
        Ok(Self::Apple(token.ok_or(ErrorKind::InvalidRequest)?.to_owned()))
    }
}

/// A token, or an object with one.
const BODY: RequestBody = RequestBody {
    kind: BodyKind::Json,
    members: &[Member::text("payload", "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl")],
    is_required: true,
    admits_others: true,
    or_text: Some("application/secevent+jwt"),
};

impl Extract for Result<DeliveredToken, AuthError> {
    fn add(extracted: &mut Extracted) {
        extracted.body = Some(BODY);
    }
}

/// An error for the sender of a token (RFC 8935 §2.3).
#[derive(Debug)]
pub(crate) struct DeliveryFailure {
    status: StatusCode,
    code: String,
    description: &'static str,
    retry_after: Option<u64>,
}

impl From<AuthError> for DeliveryFailure {
    fn from(error: AuthError) -> Self {
        let kind = error.kind();
        problem::report(&error);
        let own = error.extensions().iter().find(|(name, _)| *name == "err");
        let own = own.and_then(|(_, code)| code.as_str());
        Self {
            status: match kind {
                ErrorKind::InvalidMembers => StatusCode::BAD_REQUEST,
                _ => kind.status(),
            },
            code: match own {
                Some(code) => code.to_owned(),
                None if kind.status().is_server_error() => kind.code().to_owned(),
                None => "invalid_request".to_owned(),
            },
            description: error.detail().unwrap_or_else(|| kind.title()),
            retry_after: problem::retry_after(&error),
        }
    }
}

impl IntoResponse for DeliveryFailure {
    fn into_response(self) -> Response {
        let body = Json(json!({ "err": self.code, "description": self.description }));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
