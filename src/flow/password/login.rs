//! The text by which a sign-in identifies the account.

use crate::model::{Email, Username, UsernameRules};

/// An email address or a username.
#[derive(Debug)]
pub(super) enum Login<'a> {
    Email(Email),
    Username(Username),
    /// Neither of them: no account has it.
    Malformed(&'a str),
}

impl<'a> Login<'a> {
    /// Parses an email address.
    pub(super) fn email(text: &'a str) -> Self {
        Email::parse(text).map_or(Self::Malformed(text), Self::Email)
    }

    /// Parses text with `@` as an email address, and other text as a username if there are
    /// usernames. Reserved names are accepted, since the application can assign them.
    pub(super) fn parse(text: &'a str, rules: &UsernameRules) -> Self {
        if !rules.is_enabled() || text.contains('@') {
            return Self::email(text);
        }
        Username::parse(text).map_or(Self::Malformed(text), Self::Username)
    }

    /// Returns the email address, or other text in its normalized form.
    pub(super) fn text(&self) -> Result<&Email, &str> {
        match self {
            Self::Email(email) => Ok(email),
            Self::Username(name) => Err(name.as_str()),
            Self::Malformed(text) => Err(*text),
        }
    }
}
