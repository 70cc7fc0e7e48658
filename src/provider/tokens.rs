//! The tokens of a provider, and the identity that they belong to.

use std::{fmt, time::Duration};

use serde_json::Value;

use crate::model::UserId;

/// The response of a token endpoint (RFC 6749 §5.1). `Debug` is redacted.
///
/// ```
/// use authlayer::flow::{ProviderProfile, ProviderTokens};
///
/// // In an implementation of `Provider`:
/// let mut tokens = ProviderTokens::new("access token");
/// tokens.refresh_token = Some("refresh token".to_owned());
/// let profile = ProviderProfile::new("4711").tokens(tokens);
/// # drop(profile);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ProviderTokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token, if the provider issued one.
    pub refresh_token: Option<String>,
    /// The ID token of an OpenID provider, which was verified.
    pub id_token: Option<String>,
    /// The lifetime of the access token, if the provider stated it.
    pub expires_in: Option<Duration>,
    /// The granted scopes as the provider stated them; usually only if they differ from the
    /// requested ones.
    pub scope: Option<String>,
}

/// An identity at a provider that is linked to a user.
///
/// ```
/// use authlayer::flow::LinkedIdentity;
///
/// fn key(identity: &LinkedIdentity) -> (&str, &str) {
///     (identity.user_id.as_str(), &identity.provider)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkedIdentity {
    /// The user.
    pub user_id: UserId,
    /// The id of the provider in paths.
    pub provider: String,
    /// The issuer of the subject.
    pub issuer: String,
    /// The id of the user at the provider.
    pub subject: String,
}

impl ProviderTokens {
    /// Creates the tokens with an access token alone.
    ///
    /// ```
    /// # use authlayer::flow::ProviderTokens;
    /// assert!(ProviderTokens::new("access token").refresh_token.is_none());
    /// ```
    pub fn new(access_token: impl Into<String>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            id_token: None,
            expires_in: None,
            scope: None,
        }
    }
}

impl ProviderTokens {
    /// Reads the members of a response that are not required. Values of another form are treated as
    /// absent.
    pub(crate) fn read_members(&mut self, member: impl Fn(&str) -> Option<Value>) {
        let text = |name: &str| match member(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        self.refresh_token = text("refresh_token");
        self.scope = text("scope");
        // Some providers return a text.
        let seconds = member("expires_in").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        });
        self.expires_in = seconds.map(Duration::from_secs);
    }
}

impl LinkedIdentity {
    pub(crate) fn new(
        user_id: UserId,
        provider: impl Into<String>,
        issuer: impl Into<String>,
        subject: impl Into<String>,
    ) -> Self {
        let (provider, issuer, subject) = (provider.into(), issuer.into(), subject.into());
        Self { user_id, provider, issuer, subject }
    }
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTokens")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
