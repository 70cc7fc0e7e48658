//! Normalized password text.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::policy::{LONGEST, PasswordPolicy, WeakPassword, WeakPasswordReason};

/// Maximum length of a new password in bytes, checked before normalization.
const LONGEST_BYTES: usize = 512;
/// Maximum length in bytes of a password to verify, since other systems may have accepted longer
/// ones.
const LONGEST_COMPARED: usize = 4096;

/// A password in NFC (NIST SP 800-63B-4 §3.1.1.2) with a bounded length.
///
/// It cannot be printed, copied or compared, and is zeroized on drop.
pub struct NormalizedPassword(Zeroizing<String>);

impl NormalizedPassword {
    /// Normalizes a new password and checks it against the policy. `identifiers` are names of the
    /// user that the password must not contain, such as the local part of the email address.
    ///
    /// # Errors
    ///
    /// [`WeakPassword`] with all reasons.
    pub fn parse_new(
        raw: &str,
        policy: &PasswordPolicy,
        identifiers: &[&str],
    ) -> Result<Self, WeakPassword> {
        Self::parse_with(raw, policy, identifiers, |_| Vec::new())
    }

    /// Like [`parse_new`](Self::parse_new), with the reasons of a further check.
    pub(crate) fn parse_with(
        raw: &str,
        policy: &PasswordPolicy,
        identifiers: &[&str],
        further: impl FnOnce(&str) -> Vec<WeakPasswordReason>,
    ) -> Result<Self, WeakPassword> {
        let text = Self::parse_existing(raw)
            .filter(|text| raw.len() <= LONGEST_BYTES && text.0.chars().count() <= LONGEST);
        let Some(text) = text else { return Err(policy.too_long()) };
        policy.judge(&text.0, identifiers, further)?;
        Ok(text)
    }

    /// Normalizes a password to verify. Returns `None` if it has more than 4,096 bytes.
    pub fn parse_existing(raw: &str) -> Option<Self> {
        let fits = raw.len() <= LONGEST_COMPARED;
        fits.then(|| Self(Zeroizing::new(raw.nfc().collect::<String>())))
    }

    /// Returns the password, to check it against a breach corpus.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for NormalizedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_code_points_and_bounded_in_bytes() {
        // B12, PW-02, DS-01
        let policy = PasswordPolicy::new();
        let new = |raw: &str| NormalizedPassword::parse_new(raw, &policy, &[]).is_ok();
        assert!(new(&"x".repeat(128)));
        assert!(!new(&"x".repeat(129)));
        assert!(new(&"😀".repeat(128)));
        assert!(!new(&"😀".repeat(129)));
        assert!(!new(&"x".repeat(1_000_000)));
    }

    #[test]
    fn existing_password_may_exceed_the_maximum_of_new_ones() {
        // HA-07, DS-01
        assert!(NormalizedPassword::parse_existing(&"x".repeat(150)).is_some());
        assert!(NormalizedPassword::parse_existing(&"x".repeat(4096)).is_some());
        assert!(NormalizedPassword::parse_existing(&"x".repeat(4097)).is_none());
    }

    #[test]
    fn unicode_normalization_forms_are_the_same_password() {
        // B12, PW-04
        let composed = NormalizedPassword::parse_existing("caf\u{e9}").unwrap();
        let decomposed = NormalizedPassword::parse_existing("cafe\u{301}").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn passwords_are_not_trimmed_or_interpreted() {
        // B12, PW-04
        for raw in [" a ", "a\0b", "A", "\u{3000}"] {
            assert_eq!(NormalizedPassword::parse_existing(raw).unwrap().expose(), raw.as_bytes());
        }
    }
}
