//! The policy of user verification in the options and in the state of a ceremony.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use webauthn_rs::prelude::Passkey;

/// The value of `userVerification` if it is not required.
pub(super) const PREFERRED: &str = "preferred";

/// Returns a passkey that is not bound to the user verification of its registration. The caller
/// decides by the flag of the response.
pub(super) fn relaxed(passkey: &Passkey) -> Result<Passkey, serde_json::Error> {
    let mut passkey = serde_json::to_value(passkey)?;
    if let Some(own) = passkey.get_mut("cred").and_then(Value::as_object_mut) {
        own.insert("registration_policy".to_owned(), "discouraged".into());
    }
    serde_json::from_value(passkey)
}

/// Removes the protection of the credential by user verification from the options of a registration.
pub(super) fn unprotected(options: &mut Value) {
    if let Some(extensions) = options.get_mut("extensions").and_then(Value::as_object_mut) {
        extensions.remove("credentialProtectionPolicy");
        extensions.remove("enforceCredentialProtectionPolicy");
    }
}

/// Sets the policy of user verification in the options and in the state of a ceremony. The library
/// requires user verification; `policy` is `discouraged` or `preferred`. The state accepts both
/// outcomes then, and the caller decides by the flag of the response.
pub(super) fn relax<S: Serialize + DeserializeOwned>(
    options: &mut Value,
    state: S,
    inner: &str,
    policy: &str,
) -> Result<S, serde_json::Error> {
    let target = match options.get_mut("authenticatorSelection") {
        Some(selection) => Some(selection),
        None => Some(options),
    };
    if let Some(target) = target.and_then(Value::as_object_mut) {
        target.insert("userVerification".to_owned(), policy.into());
    }
    let mut state = serde_json::to_value(state)?;
    if let Some(inner) = state.get_mut(inner).and_then(Value::as_object_mut) {
        inner.insert("policy".to_owned(), "discouraged".into());
    }
    serde_json::from_value(state)
}
