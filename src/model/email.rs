//! Email addresses in canonical form.
//!
//! The accepted syntax is the `Dot-string@Domain` of RFC 5321 §4.1.2 in ASCII, within the lengths
//! of §4.5.3.1. The address is converted to lower case. Quoted local parts, comments, address
//! literals, lists, surrounding whitespace, a trailing dot and characters outside ASCII before the
//! `@` are rejected. An internationalized domain is converted to its `xn--` form (UTS 46), so that
//! addresses are compared, stored and written to in one form only.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;

/// A syntactically valid email address in canonical form.
///
/// ```
/// use authlayer::Email;
///
/// let email = Email::parse("Ada@Example.com")?;
/// assert_eq!(email.as_str(), "ada@example.com");
/// # Ok::<_, authlayer::model::InvalidEmail>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// The text is not an email address that this crate accepts.
///
/// ```
/// use authlayer::{Email, model::InvalidEmail};
///
/// assert_eq!(Email::parse("ada"), Err(InvalidEmail));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an email address")]
pub struct InvalidEmail;

impl Email {
    /// Parses an email address, and converts it to lower case and its domain to ASCII.
    ///
    /// ```
    /// let email = authlayer::Email::parse("ada@M\u{fc}ller.example")?;
    /// assert_eq!(email.as_str(), "ada@xn--mller-kva.example");
    /// # Ok::<_, authlayer::model::InvalidEmail>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidEmail`] for the syntax that the module docs list as rejected.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        if text.len() > LONGEST {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if domain.is_ascii() {
            let is_valid = is_local_part(local) && is_domain(domain);
            return if is_valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidEmail) };
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidEmail)?;
        Self::parse(&format!("{local}@{domain}"))
    }

    /// Returns the email address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the email address with only the first character of the part before the `@`, such as
    /// `a•••@example.com`.
    pub(crate) fn masked(&self) -> String {
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        let first: String = local.chars().take(1).collect();
        format!("{first}•••@{domain}")
    }

    /// Returns the part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        Self::parse(text)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|_| D::Error::custom("not an email address"))
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

fn is_local_part(local: &str) -> bool {
    local.len() <= LONGEST_LOCAL
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
        })
}

fn is_domain(domain: &str) -> bool {
    let is_ace = |label: &str| label.get(..4).is_some_and(|ace| ace.eq_ignore_ascii_case("xn--"));
    if domain.split('.').any(is_ace) && idna::domain_to_unicode(domain).1.is_err() {
        return false;
    }
    domain.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= LONGEST_LABEL
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_are_case_insensitive() {
        // PW-16, B11
        assert_eq!(Email::parse("User@X"), Email::parse("user@x"));
        assert!(Email::parse("a@xn--mller-kva.example").is_ok());
        assert!(Email::parse("a@XN--mller-kva.example").is_ok());
        assert_eq!(Email::parse("Ada@Example.COM").unwrap().as_str(), "ada@example.com");
    }

    #[test]
    fn internationalized_domains_have_one_form() {
        let ascii = "ada@xn--mller-kva.example";
        for text in
            ["ada@m\u{fc}ller.example", "Ada@M\u{dc}LLER.Example", "ada@mu\u{308}ller.example"]
        {
            assert_eq!(Email::parse(text).unwrap().as_str(), ascii, "{text}");
        }
        assert_eq!(Email::parse("a@fa\u{df}.example").unwrap().as_str(), "a@xn--fa-hia.example");
        for text in [
            "m\u{fc}ller@x.example",
            "a@m\u{fc}ller.example.",
            "a@m\u{fc}ller example",
            "a@m\u{fc}ller.example@x.example",
            "a@-m\u{fc}ller.example",
            "a@m\u{fc}..example",
            "a@\u{200d}.example",
            "a@\u{5d0}a.example",
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text}");
        }
    }

    #[test]
    fn malformed_email_addresses_are_rejected() {
        // B8, PW-16
        let local65 = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", "b".repeat(63).repeat(5));
        for (name, text) in [
            ("empty", ""),
            ("no at", "ada"),
            ("two ats", "e@att@victim.example"),
            ("quoted", "\"e@att\"@victim.example"),
            ("list", "a@x.example,b@x.example"),
            ("list with a space", "a@x.example b@x.example"),
            ("angle", "<a@b>"),
            ("comment", "a(b)@x.example"),
            ("trailing space", "a@x.example "),
            ("leading space", " a@x.example"),
            ("line break", "a@x.example\r\nBcc: v@x.example"),
            ("NUL", "a@x.example\0"),
            ("trailing dot", "a@x.example."),
            ("empty label", "a@x..example"),
            ("leading dot", ".a@x.example"),
            ("empty local", "@x.example"),
            ("empty domain", "a@"),
            ("literal", "a@[127.0.0.1]"),
            ("dotless i", "adm\u{131}n@x.example"),
            ("Kelvin sign", "\u{212a}@x.example"),
            ("no Punycode", "a@xn--a.de"),
            ("hyphen edge", "a@-x.example"),
            ("long local", &local65),
            ("long label", &long),
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{name}");
        }
    }
}
