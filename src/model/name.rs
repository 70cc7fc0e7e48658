//! Names that flows outside this crate define: of factors, credentials, challenges and events.
//!
//! A name is stored as text. When a row is read, its name refers to the registered name with the
//! same text; a name that no flow of this process has registered is unknown, as if a newer version
//! had written it.

use std::sync::{PoisonError, RwLock};

const MAX_LEN: usize = 32;

static REGISTERED: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// Returns `true` for 1 to 32 lowercase letters, digits and `_` that begin with a letter.
pub(crate) const fn is_name(name: &str) -> bool {
    let [first, rest @ ..] = name.as_bytes() else { return false };
    let mut rest: &[u8] = rest;
    if name.len() > MAX_LEN || !first.is_ascii_lowercase() {
        return false;
    }
    while let [first, others @ ..] = rest {
        if !(first.is_ascii_lowercase() || first.is_ascii_digit() || *first == b'_') {
            return false;
        }
        rest = others;
    }
    true
}

/// Makes rows with this name readable. Names are constants of the program, so the list is bounded.
pub(crate) fn register(name: &'static str) {
    if registered(name).is_none() {
        REGISTERED.write().unwrap_or_else(PoisonError::into_inner).push(name);
    }
}

/// Returns the registered name of the same text.
pub(crate) fn registered(name: &str) -> Option<&'static str> {
    let all = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    all.iter().find(|own| **own == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_words() {
        for name in ["sms", "sms_2", "a"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "SMS", "my factor", "2fa", "_sms", "ä", &"a".repeat(33)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn unregistered_names_are_unknown() {
        assert_eq!(registered("name_of_a_test"), None);
        register("name_of_a_test");
        register("name_of_a_test");
        assert_eq!(registered("name_of_a_test"), Some("name_of_a_test"));
    }
}
