//! Changes of the provider's responses by a test, and the authentication of the client.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::{FakeIdp, Shared, keys::Keys, settings::Settings};

impl FakeIdp {
    /// Sets a member of the metadata; `null` is sent as such.
    pub fn metadata(&self, name: &str, value: impl Into<Value>) {
        self.state.lock().settings.metadata.insert(name.to_owned(), value.into());
    }

    /// Sets a claim of ID tokens only, in place of the usual one; `null` is sent as such.
    pub fn id_token_claim(&self, name: &str, value: impl Into<Value>) {
        self.state.lock().settings.id_token.insert(name.to_owned(), value.into());
    }

    /// Sets a member of the header of ID tokens.
    pub fn id_token_header(&self, name: &str, value: impl Into<Value>) {
        self.state.lock().settings.header.insert(name.to_owned(), value.into());
    }

    /// Sets a claim of UserInfo only; `null` is sent as such.
    pub fn user_info_claim(&self, name: &str, value: impl Into<Value>) {
        self.state.lock().settings.user_info.insert(name.to_owned(), value.into());
    }

    /// Returns UserInfo as a signed JWT from now on.
    pub fn sign_user_info(&self) {
        self.state.lock().settings.sign_user_info = true;
    }

    /// Returns the published key set.
    pub fn keys(&self) -> Value {
        self.state.lock().keys.published(None)
    }

    /// Sets the published key set.
    pub fn publish(&self, keys: Value) {
        self.state.lock().settings.keys = Some(keys);
    }

    /// Sets the signature algorithm by its JOSE name, and publishes a key for it: `RS256` to
    /// `PS512`, `ES512`, `EdDSA` or `Ed25519`.
    pub fn algorithm(&self, name: &'static str) {
        self.state.lock().keys = Keys::of(name);
    }

    /// Sets the error of all authorization responses, or `None` for success.
    pub fn error(&self, error: Option<&str>) {
        self.state.lock().settings.error = error.map(ToOwned::to_owned);
    }

    /// Sets the content type of `discovery`, `jwks`, `token` or `userinfo`. An empty one removes
    /// the header.
    pub fn content_type(&self, what: &'static str, kind: &str) {
        self.state.lock().settings.content_types.insert(what, kind.to_owned());
    }

    /// Sets the status of `discovery`, `jwks`, `token`, `userinfo` or `revoke`.
    pub fn status(&self, what: &'static str, status: u16) {
        let status = StatusCode::from_u16(status).expect("a status");
        self.state.lock().settings.statuses.insert(what, status);
    }

    /// Returns the last authentication method of the client: `client_secret_basic` or
    /// `client_secret_post`.
    pub fn client_auth(&self) -> String {
        self.state.lock().settings.client_auth.clone()
    }

    /// Returns the last client secret that was sent in the body.
    pub fn client_secret(&self) -> String {
        self.state.lock().settings.client_secret.clone()
    }

    /// Reverts all changes.
    pub fn reset(&self) {
        self.state.lock().settings = Settings::default();
    }
}

impl Shared {
    /// Returns whether the client authenticated with its secret, in the header or the body.
    pub(super) fn is_client(&self, headers: &HeaderMap, form: &BTreeMap<String, String>) -> bool {
        let decode = |text: &str| {
            let pair = format!("x={text}");
            let mut pairs = form_urlencoded::parse(pair.as_bytes()).into_owned();
            pairs.next().map(|(_, value)| value).unwrap_or_default()
        };
        let basic = headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
        let basic = basic.and_then(|line| line.strip_prefix("Basic "));
        let method = if basic.is_some() { "client_secret_basic" } else { "client_secret_post" };
        let taken = {
            let settings = &mut self.lock().settings;
            method.clone_into(&mut settings.client_auth);
            settings.client_secret = form.get("client_secret").cloned().unwrap_or_default();
            let methods = settings.metadata.get("token_endpoint_auth_methods_supported");
            let methods = methods.and_then(Value::as_array).filter(|all| !all.is_empty());
            methods.is_none_or(|all| all.contains(&json!(method)))
        };
        match basic {
            _ if !taken => false,
            Some(text) => {
                let text = STANDARD.decode(text).unwrap_or_default();
                let text = String::from_utf8(text).unwrap_or_default();
                text.split_once(':').is_some_and(|(id, secret)| {
                    decode(id) == self.client_id && decode(secret) == self.secret
                })
            }
            None => {
                form.get("client_id") == Some(&self.client_id)
                    && form.get("client_secret") == Some(&self.secret)
            }
        }
    }
}
