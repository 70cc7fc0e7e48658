//! Changes of a provider's responses.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

/// The changes by a test.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) metadata: Map<String, Value>,
    pub(super) id_token: Map<String, Value>,
    pub(super) header: Map<String, Value>,
    pub(super) user_info: Map<String, Value>,
    pub(super) keys: Option<Value>,
    pub(super) error: Option<String>,
    pub(super) sign_user_info: bool,
    pub(super) client_auth: String,
    pub(super) client_secret: String,
    pub(super) content_types: BTreeMap<&'static str, String>,
    pub(super) statuses: BTreeMap<&'static str, StatusCode>,
}

impl Settings {
    /// Returns a response with the configured status and content type.
    pub(super) fn dress(&self, what: &str, answer: impl IntoResponse) -> Response {
        let mut answer = answer.into_response();
        if let Some(status) = self.statuses.get(what) {
            *answer.status_mut() = *status;
        }
        match self.content_types.get(what).map(String::as_str) {
            None => {}
            Some("") => drop(answer.headers_mut().remove(header::CONTENT_TYPE)),
            Some(kind) => {
                let kind = HeaderValue::from_str(kind).expect("ASCII");
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
        }
        answer
    }
}
