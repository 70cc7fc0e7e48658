//! Accessors for members of tokens, key sets and metadata.
//!
//! Only required members are read. A member that is null, empty or of an unexpected type is treated
//! as absent, unless the caller rejects it. Other members are ignored.

use serde_json::{Map, Value};

pub(super) type Claims = Map<String, Value>;

/// Returns a string that is not empty.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Returns the strings of a list.
pub(super) fn list<'a>(claims: &'a Claims, name: &str) -> Vec<&'a str> {
    let all = claims.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns whether a boolean is true. The string `"true"` in any case counts too, because several
/// providers send `email_verified` as a string. Other values are not true.
pub(super) fn is_true(claims: &Claims, name: &str) -> bool {
    match claims.get(name) {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Returns a claim that is present and not null.
pub(super) fn present<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

/// Returns a NumericDate in whole seconds. It may have a fraction (RFC 7519 §2), and must not be a
/// string.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    // A float out of range saturates.
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numeric_dates_may_have_a_fraction_and_are_not_strings() {
        for (value, expected) in [
            (json!(1_700_000_000), Some(1_700_000_000)),
            (json!(1_700_000_000.9), Some(1_700_000_000)),
            (json!(1.7e9), Some(1_700_000_000)),
            (json!(-1.5), Some(-2)),
            (json!(1e300), Some(i64::MAX)),
            (json!(u64::MAX), Some(i64::MAX)),
            (json!("1700000000"), None),
            (json!(true), None),
            (json!(null), None),
        ] {
            assert_eq!(seconds(&value), expected, "{value}");
        }
    }

    #[test]
    fn only_true_and_the_string_true_are_true() {
        for (value, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("True"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!(1), false),
            (json!("1"), false),
            (json!("yes"), false),
            (json!("true "), false),
            (json!([true]), false),
            (json!(null), false),
        ] {
            let claims = Claims::from_iter([("email_verified".to_owned(), value.clone())]);
            assert_eq!(is_true(&claims, "email_verified"), expected, "{value}");
        }
    }
}
