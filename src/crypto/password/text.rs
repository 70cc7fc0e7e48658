//! The text of a password, once it is fit to be hashed.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::policy::{LONGEST, Policy, WeakPassword};

/// The longest new password in bytes, before anything is done with it.
const LONGEST_BYTES: usize = 512;
/// The longest password in bytes that is compared: another system may have taken longer ones.
const LONGEST_COMPARED: usize = 4096;

/// A password in NFC (NIST SP 800-63B-4 §3.1.1.2) and of bounded length.
///
/// It cannot be printed, copied or compared, and is wiped when it goes.
pub struct PasswordText(Zeroizing<String>);

impl PasswordText {
    /// A new password that keeps to the policy; `identifiers` are what the user is known
    /// by, such as the local part of the address.
    ///
    /// # Errors
    ///
    /// [`WeakPassword`] with every reason.
    pub fn for_new(raw: &str, policy: &Policy, identifiers: &[&str]) -> Result<Self, WeakPassword> {
        let text = Self::for_check(raw)
            .filter(|text| raw.len() <= LONGEST_BYTES && text.0.chars().count() <= LONGEST);
        let Some(text) = text else { return Err(policy.too_long()) };
        policy.judge(&text.0, identifiers)?;
        Ok(text)
    }

    /// A password to compare with a stored one; `None` when it is longer than any can be.
    pub fn for_check(raw: &str) -> Option<Self> {
        let fits = raw.len() <= LONGEST_COMPARED;
        fits.then(|| Self(Zeroizing::new(raw.nfc().collect::<String>())))
    }

    /// The password itself, for the one who looks it up.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PasswordText {
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
        let policy = Policy::new();
        let new = |raw: &str| PasswordText::for_new(raw, &policy, &[]).is_ok();
        assert!(new(&"x".repeat(128)));
        assert!(!new(&"x".repeat(129)));
        assert!(new(&"😀".repeat(128)));
        assert!(!new(&"😀".repeat(129)));
        assert!(!new(&"x".repeat(1_000_000)));
    }

    #[test]
    fn a_longer_password_of_another_system_is_compared() {
        // HA-07, DS-01
        assert!(PasswordText::for_check(&"x".repeat(150)).is_some());
        assert!(PasswordText::for_check(&"x".repeat(4096)).is_some());
        assert!(PasswordText::for_check(&"x".repeat(4097)).is_none());
    }

    #[test]
    fn both_spellings_of_a_letter_are_the_same_password() {
        // B12, PW-04
        let composed = PasswordText::for_check("caf\u{e9}").unwrap();
        let decomposed = PasswordText::for_check("cafe\u{301}").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn nothing_is_trimmed_and_nothing_is_special() {
        // B12, PW-04
        for raw in [" a ", "a\0b", "A", "\u{3000}"] {
            assert_eq!(PasswordText::for_check(raw).unwrap().expose(), raw.as_bytes());
        }
    }
}
