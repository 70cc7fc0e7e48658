//! The type of a username.

use std::{fmt, str::FromStr};

use super::precis;

const MIN_CHARS: usize = 3;
const MAX_CHARS: usize = 32;
/// Long enough for every text that normalization makes short enough.
const MAX_BYTES: usize = 1024;

/// A username in its normalized form (RFC 8265 §3.3), with the skeleton by which it is unique.
///
/// ```
/// # #[cfg(feature = "usernames")] {
/// use authlayer::Username;
///
/// let ada = Username::parse("Ada.Lovelace")?;
/// assert_eq!(ada.as_str(), "ada.lovelace");
/// assert!(Username::parse("ada@example.com").is_err());
/// // The second one begins with a Cyrillic letter.
/// assert_eq!(ada.skeleton(), Username::parse("\u{430}da.lovelace")?.skeleton());
/// # }
/// # Ok::<(), authlayer::model::InvalidUsername>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username {
    text: String,
    skeleton: String,
}

/// The text is not a username that this crate accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a username: 3 to 32 characters of RFC 8265 without @ and spaces that neither begin nor end with ., - or _"
)]
pub struct InvalidUsername;

impl Username {
    /// Parses a username and converts it to its normalized form. Reserved names are not rejected.
    ///
    /// # Errors
    ///
    /// [`InvalidUsername`] for the syntax that the module docs list as rejected, and for every text
    /// without the feature `usernames`.
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        if text.len() > MAX_BYTES {
            return Err(InvalidUsername);
        }
        let text = precis::normalize(text).ok_or(InvalidUsername)?;
        let is_edge = |c: Option<char>| c.is_none_or(|c| ".-_".contains(c));
        let is_long_enough = text.chars().nth(MIN_CHARS - 1).is_some();
        let is_short_enough = text.chars().nth(MAX_CHARS).is_none();
        let is_plain = |c: char| c != '@' && !c.is_whitespace() && !c.is_control();
        if !is_short_enough
            || !is_long_enough
            || is_edge(text.chars().next())
            || is_edge(text.chars().next_back())
            || !text.chars().all(is_plain)
        {
            return Err(InvalidUsername);
        }
        let skeleton = skeleton_of(&text);
        Ok(Self { text, skeleton })
    }

    /// Returns the username as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the skeleton (UTS 39 §4): usernames that look alike have the same one. It is not to
    /// be displayed.
    pub fn skeleton(&self) -> &str {
        &self.skeleton
    }
}

/// Returns the skeleton of any text.
pub(in crate::model) fn skeleton_of(text: &str) -> String {
    precis::skeleton(text)
}

impl FromStr for Username {
    type Err = InvalidUsername;

    fn from_str(text: &str) -> Result<Self, InvalidUsername> {
        Self::parse(text)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(all(test, feature = "usernames"))]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        Username::parse(text).ok().map(|name| name.as_str().to_owned())
    }

    fn look_alike(one: &str, other: &str) -> bool {
        skeleton_of(one) == skeleton_of(other)
    }

    #[test]
    fn rfc_8265_examples() {
        // RFC 8265 §3.5, tables 1 and 2; those that are too short here are repeated.
        for (text, expected) in [
            ("juliet", Some("juliet")),
            ("fussball", Some("fussball")),
            ("fu\u{df}ball", Some("fu\u{df}ball")),
            ("\u{3c0}\u{3c0}\u{3c0}", Some("\u{3c0}\u{3c0}\u{3c0}")),
            ("\u{3a3}\u{3c3}x", Some("\u{3c3}\u{3c3}x")),
            ("\u{3c2}\u{3c2}x", Some("\u{3c2}\u{3c2}x")),
            ("foo bar", None),
            ("", None),
            ("henry\u{2163}", None),
            ("\u{265a}\u{265a}\u{265a}", None),
        ] {
            assert_eq!(parsed(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn forms_of_one_username_are_equal() {
        for (text, expected) in [
            ("ADA", "ada"),
            // Fullwidth letters.
            ("\u{ff21}\u{ff44}\u{ff21}", "ada"),
            // Decomposed.
            ("Ame\u{301}lie", "am\u{e9}lie"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn malformed_usernames_are_rejected() {
        let longest = "a".repeat(32);
        assert_eq!(parsed(&longest).as_deref(), Some(&*longest));
        for text in [
            "ab",
            &"a".repeat(33),
            "ada@example.com",
            "\u{ff20}ada",
            " ada",
            "ada ",
            "ada\u{a0}x",
            "ada\0",
            "ada\n",
            "ada\u{200b}",
            "ada\u{200d}",
            "ada\u{202e}",
            "ada\u{feff}",
            ".ada",
            "ada.",
            "-ada",
            "ada-",
            "_ada",
            "ada_",
            // RFC 5893 §2: letters of both directions.
            "ada\u{5d0}",
            "\u{1f600}\u{1f600}\u{1f600}",
            &"a".repeat(5000),
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    #[test]
    fn parsing_is_idempotent() {
        for text in ["\u{3a3}\u{391}\u{3a3}", "\u{130}stanbul", "Stra\u{1e9e}e", "\u{1c5}abc"] {
            if let Some(once) = parsed(text) {
                assert_eq!(parsed(&once), Some(once.clone()), "{text:?}");
            }
        }
    }

    #[test]
    fn confusable_usernames_have_one_skeleton() {
        // https://www.unicode.org/Public/security/latest/confusables.txt
        for (one, other) in [
            ("paypal", "\u{440}\u{430}ypal"),
            ("paypal", "paypa1"),
            ("scope", "\u{455}\u{441}\u{43e}\u{440}\u{435}"),
            ("root", "r00t"),
            ("modern", "modem"),
            ("ada", "ad\u{430}"),
            ("google", "g\u{3bf}\u{3bf}gle"),
        ] {
            assert!(look_alike(one, other), "{one} {other}");
        }
        for (one, other) in [("ada", "adam"), ("ada", "\u{e1}da"), ("bob", "bop")] {
            assert!(!look_alike(one, other), "{one} {other}");
        }
    }
}
