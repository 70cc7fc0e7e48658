//! The methods that a challenge offers.

use serde_json::Value;

use crate::{model::Factor, store::Challenge};

/// Returns the names of the methods, strongest first. A challenge that only an email code answers,
/// such as that of a sign-up, may have none.
pub(crate) fn methods_of(challenge: &Challenge) -> Vec<&str> {
    let methods = challenge.data.get("methods").and_then(Value::as_array);
    methods.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns the methods that this process knows.
pub(super) fn known_methods(challenge: &Challenge) -> Vec<&'static str> {
    let factors = methods_of(challenge).into_iter().map(Factor::from_name);
    factors.filter(|factor| *factor != Factor::Other).map(Factor::as_str).collect()
}

/// Returns `true` if an email code answers the challenge.
pub(super) fn offers_email_code(challenge: &Challenge) -> bool {
    let methods = methods_of(challenge);
    methods.is_empty() || methods.contains(&Factor::EmailCode.as_str())
}
