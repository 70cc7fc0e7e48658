//! The parameters of a posted response, sealed with a key that is derived from the state.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    crypto::{
        handle::OneTimeToken,
        seal::{Sealer, SealingKey, SealingKeys},
        secret::Secret,
    },
    error::{AuthError, ErrorKind},
};

/// The parameters of a posted response.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Posted {
    pub(super) code: Option<String>,
    pub(super) error: Option<String>,
    pub(super) iss: Option<String>,
    /// The name of the user, which is not signed.
    pub(super) name: Option<String>,
}

impl Posted {
    /// Seals the parameters with a key that only the holder of the state has.
    pub(super) fn seal(&self, state: &OneTimeToken) -> Result<String, AuthError> {
        let text = serde_json::to_vec(self).map_err(AuthError::misconfigured)?;
        sealer(state)?.seal(&context(state), &text)
    }

    /// Opens sealed parameters.
    pub(super) fn open(state: &OneTimeToken, sealed: &str) -> Result<Self, AuthError> {
        let text = sealer(state)?.open(&context(state), sealed)?;
        serde_json::from_slice(&text).map_err(|_| ErrorKind::InvalidState.into())
    }
}

/// Returns the name in the `user` parameter of Apple: `{"name": {"firstName", "lastName"}}`.
pub(super) fn name_of(user: &str) -> Option<String> {
    let user: Value = serde_json::from_str(user).ok()?;
    let part = |name: &str| user.pointer(name).and_then(Value::as_str).map(str::trim);
    let parts = [part("/name/firstName"), part("/name/lastName")];
    let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Each state seals once, and no key of the application is needed.
fn sealer(state: &OneTimeToken) -> Result<Sealer, AuthError> {
    let key = Secret::<32>::from_bytes(state.derive_key("form_post"));
    let keys = SealingKeys::new(vec![SealingKey::from_bytes(*key.expose())]);
    Ok(keys.map_err(AuthError::misconfigured)?.sealer("oauth"))
}

fn context(state: &OneTimeToken) -> String {
    state.digest().to_base64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::handle::TokenPurpose;

    #[test]
    fn posted_parameters_are_opened_with_their_state_only() {
        let [state, other] = [(); 2].map(|()| OneTimeToken::random(TokenPurpose::Flow).unwrap());
        let posted = Posted { code: Some("c0de".to_owned()), ..Posted::default() };
        let sealed = posted.seal(&state).unwrap();
        assert!(!sealed.contains("c0de"));
        assert_eq!(Posted::open(&state, &sealed).unwrap().code.as_deref(), Some("c0de"));
        assert!(Posted::open(&other, &sealed).is_err());
    }

    #[test]
    fn names_of_the_user_parameter_are_read() {
        for (user, name) in [
            (
                r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"x"}"#,
                Some("Ada Lovelace"),
            ),
            (r#"{"name":{"firstName":" Ada ","lastName":""}}"#, Some("Ada")),
            (r#"{"name":{"lastName":"Lovelace"}}"#, Some("Lovelace")),
            (r#"{"name":{"firstName":7}}"#, None),
            (r#"{"name":"Ada"}"#, None),
            ("{}", None),
            ("Ada", None),
            ("", None),
        ] {
            assert_eq!(name_of(user).as_deref(), name, "{user}");
        }
    }
}
