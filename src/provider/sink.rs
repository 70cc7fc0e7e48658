//! The sink for the tokens of a provider, which only the application stores.

use super::{
    erased::Boxed,
    port::ProviderError,
    tokens::{LinkedIdentity, ProviderTokens},
};

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
