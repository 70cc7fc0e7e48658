//! The revocation of tokens at a provider (RFC 7009).

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::{FakeIdp, Shared};

impl FakeIdp {
    /// Returns the revoked tokens, the oldest first.
    pub fn revoked(&self) -> Vec<String> {
        self.state.lock().revoked.clone()
    }
}

impl Shared {
    /// Revokes the token of a request, whose client must authenticate.
    pub(super) fn revoke(&self, headers: &HeaderMap, body: &str) -> Response {
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        if !self.is_client(headers, &form) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        assert_eq!(form.get("token_type_hint").map(String::as_str), Some("refresh_token"));
        let mut inner = self.lock();
        let answer = inner.settings.dress("revoke", StatusCode::OK);
        if answer.status().is_success() {
            inner.revoked.extend(form.get("token").cloned());
        }
        answer
    }
}
