//! The tokens of a provider, which only the application stores.

use std::{fmt, time::Duration};

use serde_json::Value;

use super::{erased::Boxed, port::ProviderError};
use crate::model::UserId;

/// Receives the tokens of a provider after each sign-in, link and step-up, for an application that
/// calls the provider's API. They are stored nowhere else.
///
/// ```
/// use authlayer::{
///     GitHub, TokenSink,
///     flow::{LinkedIdentity, ProviderError, ProviderTokens},
/// };
///
/// struct Calendars;
///
/// impl TokenSink for Calendars {
///     async fn store(
///         &self,
///         identity: &LinkedIdentity,
///         tokens: ProviderTokens,
///     ) -> Result<(), ProviderError> {
///         // Seal the tokens and store them under identity.user_id and identity.provider.
///         # let _ = (identity, tokens);
///         Ok(())
///     }
/// }
///
/// GitHub::new("client-id", "secret").token_sink(Calendars);
/// ```
///
/// # Security
///
/// With a token, its holder can act as the user at the provider. Seal it at rest, and request no
/// scope that the application does not need.
pub trait TokenSink: Send + Sync + 'static {
    /// Stores tokens. It is called once for each response of the token endpoint, after the sign-in,
    /// link or step-up was completed or waits for a second factor, and before its response.
    ///
    /// # Errors
    ///
    /// An error is logged: the user is signed in nevertheless.
    fn store(
        &self,
        identity: &LinkedIdentity,
        tokens: ProviderTokens,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// Deletes the tokens of an identity whose user was deleted, and returns the refresh token, which
    /// is then revoked at the provider (RFC 7009). It is called once, after the deletion and outside
    /// the request. By default there is none.
    ///
    /// # Errors
    ///
    /// An error is logged.
    #[allow(unused_variables, reason = "the name is documentation")]
    fn take_refresh_token(
        &self,
        identity: &LinkedIdentity,
    ) -> impl Future<Output = Result<Option<String>, ProviderError>> + Send {
        async { Ok(None) }
    }
}

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

/// The object-safe form of [`TokenSink`].
pub(crate) trait AnyTokenSink: Send + Sync {
    fn store<'a>(&'a self, identity: &'a LinkedIdentity, tokens: ProviderTokens) -> Boxed<'a, ()>;
    fn take_refresh_token<'a>(&'a self, identity: &'a LinkedIdentity) -> Boxed<'a, Option<String>>;
}

impl<S: TokenSink> AnyTokenSink for S {
    fn store<'a>(&'a self, identity: &'a LinkedIdentity, tokens: ProviderTokens) -> Boxed<'a, ()> {
        Box::pin(TokenSink::store(self, identity, tokens))
    }

    fn take_refresh_token<'a>(&'a self, identity: &'a LinkedIdentity) -> Boxed<'a, Option<String>> {
        Box::pin(TokenSink::take_refresh_token(self, identity))
    }
}
