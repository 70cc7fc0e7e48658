//! The policy for new passwords.

use super::common;

/// Maximum length of a new password in code points, after NFC.
pub(super) const LONGEST: usize = 128;

/// Smallest minimum length that a policy may set (ASVS 6.2.1).
const FLOOR: usize = 8;
/// Shorter identifiers are not searched for, since they occur in most passwords.
const SHORTEST_IDENTIFIER: usize = 4;

/// The policy for new passwords.
///
/// By default a password has 8 to 128 characters, is not a common password, and does not contain
/// identifiers of the user. Composition rules are off (NIST SP 800-63B-4 §3.1.1.2).
///
/// ```
/// use authlayer::{Password, crypto::password::PasswordPolicy};
///
/// let flow = Password::new().policy(PasswordPolicy::new().with_min_length(15));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PasswordPolicy {
    min_length: usize,
    /// The minimum length of a password that is the only factor.
    min_length_alone: usize,
    common: bool,
    identifiers: bool,
    lowercase: bool,
    uppercase: bool,
    number: bool,
    symbol: bool,
    words: Vec<String>,
}

/// A minimum length of a policy is out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the minimum password lengths must be between {FLOOR} and {LONGEST} characters")]
pub struct InvalidPasswordPolicy;

/// The reason why a new password is rejected.
///
/// ```
/// use authlayer::crypto::password::WeakPasswordReason;
///
/// assert_eq!(WeakPasswordReason::TooShort.as_str(), "too_short");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeakPasswordReason {
    /// Fewer characters than the minimum.
    TooShort,
    /// More than 128 characters or 512 bytes.
    TooLong,
    /// One of the most common passwords.
    Common,
    /// Contains the email address, the name of the user, or a forbidden word.
    ContainsIdentifier,
    /// No lower-case letter.
    MissingLowercase,
    /// No upper-case letter.
    MissingUppercase,
    /// No digit.
    MissingNumber,
    /// No character other than letters and digits.
    MissingSymbol,
    /// Found in a breach of another service.
    Breached,
    /// The reason of a rule of the application.
    Custom(&'static str),
}

/// The error for a new password that violates the policy.
///
/// ```
/// use authlayer::crypto::password::{WeakPassword, WeakPasswordReason};
///
/// fn is_too_short(error: &WeakPassword) -> bool {
///     error.reasons.contains(&WeakPasswordReason::TooShort)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password is too weak")]
#[non_exhaustive]
pub struct WeakPassword {
    /// All violated rules.
    pub reasons: Vec<WeakPasswordReason>,
    /// The minimum length of the policy, in characters.
    pub min_length: usize,
}

impl WeakPasswordReason {
    /// Returns the name in API responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Common => "common",
            Self::ContainsIdentifier => "contains_identifier",
            Self::MissingLowercase => "missing_lowercase",
            Self::MissingUppercase => "missing_uppercase",
            Self::MissingNumber => "missing_number",
            Self::MissingSymbol => "missing_symbol",
            Self::Breached => "breached",
            Self::Custom(reason) => reason,
        }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: FLOOR,
            min_length_alone: 0,
            common: true,
            identifiers: true,
            lowercase: false,
            uppercase: false,
            number: false,
            symbol: false,
            words: Vec::new(),
        }
    }
}

impl PasswordPolicy {
    /// Creates the default policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the minimum length in characters, 8 to 128. Default: 8. NIST SP 800-63B-4 requires 15
    /// if the password is the only factor.
    pub fn with_min_length(mut self, characters: usize) -> Self {
        self.min_length = characters;
        self
    }

    /// Sets the minimum length of a password that is the only factor of its user, if that is more
    /// than [`with_min_length`](Self::with_min_length). Default: the same. NIST SP 800-63B-4
    /// §3.1.1.2 requires 15.
    ///
    /// It is the only factor at sign-up, and later unless two-step verification of the user is on,
    /// or the application requires a second factor of the user and there is one. Email codes do not
    /// count (§3.1.3.1). A password that is set while there is a second factor can be shorter, and
    /// remains when that factor is removed.
    ///
    /// ```
    /// use authlayer::{Password, crypto::password::PasswordPolicy};
    /// let policy = PasswordPolicy::new().with_min_length_without_second_factor(15);
    /// let flow = Password::new().policy(policy);
    /// ```
    pub fn with_min_length_without_second_factor(mut self, characters: usize) -> Self {
        self.min_length_alone = characters;
        self
    }

    /// Returns whether the minimum length depends on the factors of the user.
    pub(crate) fn depends_on_factors(&self) -> bool {
        self.min_length_alone > self.min_length
    }

    /// Returns the policy for a password that is the only factor.
    pub(crate) fn without_second_factor(&self) -> Self {
        let min_length = self.min_length.max(self.min_length_alone);
        Self { min_length, ..self.clone() }
    }

    /// Returns the minimum length, that of a password that is the only factor, and the maximum.
    pub(crate) fn lengths(&self) -> (usize, usize, usize) {
        (self.min_length, self.min_length.max(self.min_length_alone), LONGEST)
    }

    /// Returns the classes of characters that are required, by their names in the attribute
    /// `passwordrules` of HTML.
    pub(crate) fn required_classes(&self) -> Vec<&'static str> {
        let all = [
            (self.lowercase, "lower"),
            (self.uppercase, "upper"),
            (self.number, "digit"),
            (self.symbol, "special"),
        ];
        all.into_iter().filter_map(|(is_required, name)| is_required.then_some(name)).collect()
    }

    /// Sets whether common passwords are rejected. Default: `true`.
    pub fn refuse_common(mut self, refuse: bool) -> Self {
        self.common = refuse;
        self
    }

    /// Sets whether passwords that contain an identifier of the user, such as the local part of the
    /// email address, are rejected. Default: `true`.
    pub fn refuse_identifiers(mut self, refuse: bool) -> Self {
        self.identifiers = refuse;
        self
    }

    /// Adds words that no password may contain, such as the name of the service.
    pub fn forbid_words(mut self, words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Sets whether a lower-case letter is required. Default: `false`.
    pub fn require_lowercase(mut self, require: bool) -> Self {
        self.lowercase = require;
        self
    }

    /// Sets whether an upper-case letter is required. Default: `false`.
    pub fn require_uppercase(mut self, require: bool) -> Self {
        self.uppercase = require;
        self
    }

    /// Sets whether a digit is required. Default: `false`.
    pub fn require_number(mut self, require: bool) -> Self {
        self.number = require;
        self
    }

    /// Sets whether a character other than letters and digits is required. Default: `false`.
    pub fn require_symbol(mut self, require: bool) -> Self {
        self.symbol = require;
        self
    }

    /// Checks that the policy itself is valid.
    ///
    /// # Errors
    ///
    /// [`InvalidPasswordPolicy`] if a minimum length is out of bounds.
    pub fn validate(&self) -> Result<(), InvalidPasswordPolicy> {
        let is_unset = self.min_length_alone == 0;
        let is_good = |length: &usize| (FLOOR..=LONGEST).contains(length);
        if is_good(&self.min_length) && (is_unset || is_good(&self.min_length_alone)) {
            Ok(())
        } else {
            Err(InvalidPasswordPolicy)
        }
    }

    pub(crate) fn breached(&self) -> WeakPassword {
        WeakPassword { reasons: vec![WeakPasswordReason::Breached], min_length: self.min_length }
    }

    pub(super) fn too_long(&self) -> WeakPassword {
        WeakPassword { reasons: vec![WeakPasswordReason::TooLong], min_length: self.min_length }
    }

    /// Checks a password against the policy and a further check, which returns its reasons.
    pub(super) fn judge(
        &self,
        password: &str,
        identifiers: &[&str],
        further: impl FnOnce(&str) -> Vec<WeakPasswordReason>,
    ) -> Result<(), WeakPassword> {
        let has = |is: fn(char) -> bool| password.chars().any(is);
        let reasons: Vec<WeakPasswordReason> = [
            (password.chars().count() < self.min_length, WeakPasswordReason::TooShort),
            (self.common && common::is_common(password), WeakPasswordReason::Common),
            (self.contains_any(password, identifiers), WeakPasswordReason::ContainsIdentifier),
            (self.lowercase && !has(char::is_lowercase), WeakPasswordReason::MissingLowercase),
            (self.uppercase && !has(char::is_uppercase), WeakPasswordReason::MissingUppercase),
            (self.number && !has(char::is_numeric), WeakPasswordReason::MissingNumber),
            (self.symbol && !has(|c| !c.is_alphanumeric()), WeakPasswordReason::MissingSymbol),
        ]
        .into_iter()
        .filter_map(|(broken, reason)| broken.then_some(reason))
        .chain(further(password))
        .collect();
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(WeakPassword { reasons, min_length: self.min_length })
        }
    }

    fn contains_any(&self, password: &str, identifiers: &[&str]) -> bool {
        let password = password.to_lowercase();
        let known = self.identifiers.then_some(identifiers).into_iter().flatten().copied();
        known
            .chain(self.words.iter().map(String::as_str))
            .filter(|word| word.chars().count() >= SHORTEST_IDENTIFIER)
            .any(|word| is_made_of(&password, &word.to_lowercase()))
    }
}

/// Returns `true` if the word occurs with no letter next to it, or is at least half of the
/// password. For example, `test` in `latest` is neither.
fn is_made_of(password: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let is_half = word.chars().count() * 2 >= password.chars().count();
    password.match_indices(word).any(|(at, found)| {
        let (before, after) = (password.get(..at), password.get(at + found.len()..));
        let before = is_letter(before.and_then(|text| text.chars().next_back()));
        let after = is_letter(after.and_then(|text| text.chars().next()));
        is_half || (!before && !after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_is_named() {
        // PW-01, PW-03, PW-05
        let strict = PasswordPolicy::new()
            .require_lowercase(true)
            .require_uppercase(true)
            .require_number(true)
            .require_symbol(true);
        let spelled = PasswordPolicy::new().forbid_words(["acme"]);
        for (policy, password, reasons) in [
            (PasswordPolicy::new(), "1234567", vec![WeakPasswordReason::TooShort]),
            (PasswordPolicy::new(), "zq8xw2vk", vec![]),
            (PasswordPolicy::new(), "alllowercaseletters", vec![]),
            (PasswordPolicy::new(), "password", vec![WeakPasswordReason::Common]),
            (PasswordPolicy::new(), "my-LOVELACE-pw", vec![WeakPasswordReason::ContainsIdentifier]),
            (PasswordPolicy::new().refuse_identifiers(false), "my-lovelace-pw", vec![]),
            (spelled, "the ACME corp", vec![WeakPasswordReason::ContainsIdentifier]),
            (
                PasswordPolicy::new().with_min_length(15),
                "\u{1f600}\u{1f600}",
                vec![WeakPasswordReason::TooShort],
            ),
            (strict.clone(), "Zq8 xw2v", vec![]),
            (
                strict,
                "ЖЖЖЖЖЖЖЖ",
                vec![
                    WeakPasswordReason::MissingLowercase,
                    WeakPasswordReason::MissingNumber,
                    WeakPasswordReason::MissingSymbol,
                ],
            ),
        ] {
            let found = policy.judge(password, &["lovelace", "a"], |_| Vec::new()).err();
            assert_eq!(found.map_or(vec![], |weak| weak.reasons), reasons, "{password}");
        }
    }

    #[test]
    fn identifiers_are_matched_as_whole_words() {
        // PW-05, LK-12
        for (password, identifier, is_refused) in [
            ("correct horse latest battery", "test", false),
            ("savannah river dolphins 77", "anna", false),
            ("information desk upstairs", "info", false),
            ("correct horse test battery", "test", true),
            ("anna-1984-anna", "anna", true),
            ("xlovelacex", "lovelace", true),
            ("lovelace1815", "lovelace", true),
            ("Grüße an ÖZLEM!", "özlem", true),
        ] {
            let refused =
                PasswordPolicy::new().judge(password, &[identifier], |_| Vec::new()).is_err();
            assert_eq!(refused, is_refused, "{password}");
        }
    }

    #[test]
    fn minimum_length_below_the_floor_is_an_error() {
        // PW-01
        for (length, good) in [(7, false), (8, true), (15, true), (128, true), (129, false)] {
            assert_eq!(
                PasswordPolicy::new().with_min_length(length).validate().is_ok(),
                good,
                "{length}"
            );
            let alone = PasswordPolicy::new().with_min_length_without_second_factor(length);
            assert_eq!(alone.validate().is_ok(), good, "{length}");
        }
    }

    #[test]
    fn only_factor_has_a_minimum_length_of_its_own() {
        let same = PasswordPolicy::new().with_min_length(20);
        assert!(!same.depends_on_factors());
        let same = same.with_min_length_without_second_factor(15);
        assert!(!same.depends_on_factors());
        assert_eq!(same.without_second_factor().min_length, 20);
        let longer = PasswordPolicy::new().with_min_length_without_second_factor(15);
        assert!(longer.depends_on_factors());
        assert_eq!((longer.min_length, longer.without_second_factor().min_length), (8, 15));
    }
}
