//! The most common passwords of eight or more characters.
//!
//! The list has 3,200 entries, taken from the list in Django 5.2 (BSD-3-Clause, see
//! `common.LICENSE`), which is ordered by frequency in breaches.

const COMMON: &str = include_str!("common.txt");

/// Returns `true` if the password, compared without case, is on the list.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    COMMON.lines().any(|listed| listed == lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_of_common_passwords_has_enough_eligible_entries() {
        // PW-05
        assert!(COMMON.lines().count() >= 3000);
        assert!(COMMON.lines().all(|listed| listed.len() >= 8 && listed.trim() == listed));
    }

    #[test]
    fn only_the_whole_password_is_matched() {
        // PW-05
        assert!(is_common("PassWord1"));
        assert!(is_common("iloveyou"));
        assert!(!is_common("password1 and a walk"));
    }
}
