//! The objects of the events that messages report.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The object that an event added, removed or changed. `Display` is in English, for example
/// `passkey "Laptop"`. Names are those that the user chose.
///
/// ```
/// use authlayer::mail::MailObject;
///
/// assert_eq!(MailObject::Passkey("Laptop".to_owned()).to_string(), "passkey \"Laptop\"");
/// assert_eq!(MailObject::from("ada@example.com").to_string(), "ada@example.com");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MailObject {
    /// The password.
    Password,
    /// The recovery codes.
    RecoveryCodes,
    /// A passkey, by its name.
    Passkey(String),
    /// A security key, by its name.
    SecurityKey(String),
    /// An authenticator app, by its name.
    AuthenticatorApp(String),
    /// An API key, by its name.
    ApiKey(String),
    /// The sign-in by a provider, by the id of the provider.
    ProviderSignIn(String),
    /// The sign-in by a provider that is not known.
    AnyProviderSignIn,
    /// A credential of another kind.
    OtherCredential,
    /// A name or an email address alone.
    Text(String),
}

impl fmt::Display for MailObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password => f.write_str("password"),
            Self::RecoveryCodes => f.write_str("recovery codes"),
            Self::Passkey(name) => write!(f, "passkey \"{name}\""),
            Self::SecurityKey(name) => write!(f, "security key \"{name}\""),
            Self::AuthenticatorApp(name) => write!(f, "authenticator app \"{name}\""),
            Self::ApiKey(name) => write!(f, "API key \"{name}\""),
            Self::ProviderSignIn(provider) => write!(f, "sign-in by {provider}"),
            Self::AnyProviderSignIn => f.write_str("sign-in by a provider"),
            Self::OtherCredential => f.write_str("another credential"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<String> for MailObject {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for MailObject {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
