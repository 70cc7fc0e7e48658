//! Sign-in with an ID token that a native application got from the provider itself, such as by the
//! sign-in sheets of Apple and Google.
//!
//! The nonce binds the token to this sign-in: it is issued here, the application passes it to the
//! provider, and it is deleted before the token is verified.

mod routes;

use std::time::Duration;

use serde_json::json;

pub(super) use routes::register;

use super::{OAuthService, service::proof_of};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind},
    model::ClientInfo,
    services::{Outcome, SignInAttempt, SignInOptions},
    store::{Challenge, ChallengeKind},
};

const LIFETIME: Duration = Duration::from_secs(600);

/// A nonce for one ID token.
///
/// ```
/// # async fn example(
/// #     service: &authlayer::flow::OAuthService,
/// # ) -> Result<(), authlayer::AuthError> {
/// let nonce = service.issue_nonce().await?;
/// println!("valid for {:?}", nonce.expires_in());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct IssuedNonce(TokenString);

impl IssuedNonce {
    /// Returns the nonce, which the application passes to the provider.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Returns the lifetime: ten minutes.
    pub fn expires_in(&self) -> Duration {
        LIFETIME
    }
}

/// A sign-in with an ID token.
///
/// ```
/// use authlayer::flow::oauth::IdTokenSignIn;
///
/// fn sign_in<'a>(id_token: &'a str, nonce: &'a str) -> IdTokenSignIn<'a> {
///     IdTokenSignIn::new(id_token, nonce).display_name("Ada")
/// }
/// ```
#[must_use]
pub struct IdTokenSignIn<'a> {
    id_token: &'a str,
    nonce: &'a str,
    display_name: Option<&'a str>,
    options: SignInOptions,
}

impl<'a> IdTokenSignIn<'a> {
    /// Creates the request from the ID token and the nonce that was issued for it.
    pub fn new(id_token: &'a str, nonce: &'a str) -> Self {
        Self { id_token, nonce, display_name: None, options: SignInOptions::default() }
    }

    /// Sets the display name of a new user, if the token has none: Apple states the name to the
    /// application only. It does not change the name of an existing user.
    pub fn display_name(mut self, name: &'a str) -> Self {
        self.display_name = Some(name);
        self
    }

    /// Sets how the tokens of the session are returned.
    pub fn options(mut self, options: SignInOptions) -> Self {
        self.options = options;
        self
    }
}

/// The ID token and the nonce are secrets of the client.
impl std::fmt::Debug for IdTokenSignIn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdTokenSignIn").field("options", &self.options).finish_non_exhaustive()
    }
}

impl OAuthService {
    /// Issues a nonce for an ID token. It is valid for ten minutes, and for one sign-in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the flow accepts no ID tokens; [`ErrorKind::Unavailable`] if the
    /// store fails.
    pub async fn issue_nonce(&self) -> Result<IssuedNonce, AuthError> {
        if !self.provider.accepts_id_tokens() {
            return Err(ErrorKind::NotFound.into());
        }
        let nonce = OneTimeToken::random(TokenPurpose::Nonce)?;
        let now = whole_millis(self.core.clock.now());
        let challenge = Challenge::new(
            ChallengeKind::ProviderNonce,
            nonce.digest(),
            json!({ "provider": self.id() }),
            (now, after(now, LIFETIME)),
        );
        self.core.store_challenge(&challenge).await?;
        Ok(IssuedNonce(nonce.to_token()))
    }

    /// Signs a user in with an ID token. The nonce is deleted first, whatever follows.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidState`] if the nonce is unknown, used, expired, or of another provider.
    /// - [`ErrorKind::InvalidIdToken`] if the token is not valid for this nonce and this flow.
    /// - [`ErrorKind::NotFound`] if the flow accepts no ID tokens.
    /// - Those of [`callback`](Self::callback) for the user of the token.
    pub async fn sign_in_with_id_token(
        &self,
        sign_in: IdTokenSignIn<'_>,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        if !self.provider.accepts_id_tokens() {
            return Err(ErrorKind::NotFound.into());
        }
        let signed_in = self.by_id_token(sign_in, client.clone()).await;
        if let Err(error) = &signed_in {
            self.record_refused(error, &client);
        }
        signed_in
    }

    async fn by_id_token(
        &self,
        sign_in: IdTokenSignIn<'_>,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let core = &self.core;
        let delivery = sign_in.options.delivery(core).await?;
        self.take_nonce(sign_in.nonce).await?;
        let mut profile = self.provider.verify_id_token(sign_in.id_token, sign_in.nonce).await?;
        core.providers.check_issuer(&self.provider, &profile)?;
        profile.given_name = sign_in.display_name.map(ToOwned::to_owned);
        let known = core.know(&self.provider, &profile, &client).await?;
        let proof = proof_of(&profile, whole_millis(core.clock.now()));
        let upstream = self.provider.upstream(&profile);
        let attempt = SignInAttempt::new(known.user, proof, delivery, client);
        self.sign_in(attempt, upstream, &known.identity).await
    }

    async fn take_nonce(&self, nonce: &str) -> Result<(), AuthError> {
        let refused = || AuthError::from(ErrorKind::InvalidState);
        let nonce = OneTimeToken::parse(TokenPurpose::Nonce, nonce).ok_or_else(refused)?;
        let now = self.core.clock.now();
        let taken = self.core.challenges.take_challenge(&nonce.digest(), None, now).await?;
        let taken = taken.filter(|own| own.kind == ChallengeKind::ProviderNonce);
        let taken = taken.ok_or_else(refused)?;
        let provider = taken.data.get("provider").and_then(|id| id.as_str());
        if provider == Some(self.id()) { Ok(()) } else { Err(refused()) }
    }
}
