//! The revocation endpoint of a provider (RFC 7009).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};

use super::{FakeIdp, Shared, refuse};

impl FakeIdp {
    /// Returns the revoked tokens, the oldest first.
    pub fn revoked(&self) -> Vec<String> {
        self.state.lock().revoked.clone()
    }
}

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    shared.ask("revoke");
    let form: BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if !shared.is_client(&headers, &form) {
        return refuse("invalid_client");
    }
    assert_eq!(form.get("token_type_hint").map(String::as_str), Some("refresh_token"));
    let mut inner = shared.lock();
    let answer = inner.settings.dress("revoke", StatusCode::OK);
    if answer.status().is_success() {
        inner.revoked.extend(form.get("token").cloned());
    }
    answer.into_response()
}
