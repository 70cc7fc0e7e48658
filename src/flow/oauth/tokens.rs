//! The tokens of a provider: handed to the application, and revoked when the user is deleted.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::time;

use super::OAuthService;
use crate::{
    error::{AuthError, after_commit, with_sources},
    model::{Transition, UserId},
    provider::{LinkedIdentity, ProviderProfile, ProviderTokens, RegisteredProvider},
    services::{Account, AccountObserver, identity::Snapshot},
    store::CredentialKind,
};

/// The pauses between attempts to revoke a token (RFC 7009 §2.2.1).
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// The tokens of one response, until they are handed to the application.
pub(super) struct Handover<'a> {
    provider: &'a RegisteredProvider,
    received: Option<(LinkedIdentity, ProviderTokens)>,
}

impl OAuthService {
    /// Takes the tokens of a profile, if the flow has a sink for them.
    pub(super) fn take_tokens(&self, user: &UserId, profile: &mut ProviderProfile) -> Handover<'_> {
        let provider = &*self.provider;
        let issuer = profile.issuer.as_deref().unwrap_or_else(|| provider.issuer());
        let identity = LinkedIdentity::new(user.clone(), self.id(), issuer, &*profile.subject);
        let tokens = profile.tokens.take().filter(|_| provider.has_token_sink());
        Handover { provider, received: tokens.map(|tokens| (identity, tokens)) }
    }
}

impl Handover<'_> {
    /// Hands the tokens over after a sign-in, link or step-up that succeeds. It is committed then,
    /// so an error of the sink is only logged.
    pub(super) async fn after<T>(
        self,
        landing: impl Future<Output = Result<T, AuthError>>,
    ) -> Result<T, AuthError> {
        let landed = landing.await?;
        if let Some((identity, tokens)) = self.received {
            let stored = self.provider.store_tokens(&identity, tokens);
            after_commit("the token sink did not store the tokens of a provider", stored).await;
        }
        Ok(landed)
    }
}

/// Revokes the refresh tokens of deleted users.
#[derive(Clone)]
pub(super) struct Revocation(pub(super) Arc<RegisteredProvider>);

impl AccountObserver for Revocation {
    async fn changed(&self, transition: Transition, account: &Account) -> Result<(), AuthError> {
        if transition != Transition::Deleted {
            return Ok(());
        }
        for row in account.of_kind(CredentialKind::Identity) {
            let own = Snapshot::deserialize(&row.data).ok();
            let Some(own) = own.filter(|own| own.provider == self.0.id()) else { continue };
            let user = row.user_id.clone();
            let identity = LinkedIdentity::new(user, own.provider, own.issuer, own.subject);
            self.revoke(&identity).await;
        }
        Ok(())
    }
}

impl Revocation {
    async fn revoke(&self, identity: &LinkedIdentity) {
        let (provider, user) = (self.0.id(), identity.user_id.as_str());
        let token = match self.0.take_refresh_token(identity).await {
            Ok(Some(token)) => token,
            Ok(None) => return,
            Err(error) => {
                let cause = with_sources(&error);
                tracing::error!(
                    provider,
                    user,
                    cause,
                    "the token sink returned no refresh token to revoke"
                );
                return;
            }
        };
        // Other observers do not wait for the provider.
        let (own, identity) = (self.clone(), identity.clone());
        tokio::spawn(async move { own.revoke_token(&identity, &token).await });
    }

    async fn revoke_token(&self, identity: &LinkedIdentity, token: &str) {
        let (provider, user) = (self.0.id(), identity.user_id.as_str());
        let mut pauses = PAUSES.into_iter();
        loop {
            match self.0.revoke_token(token).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(
                        provider,
                        user,
                        "the refresh token of a deleted user is not revoked: the provider has no \
                         revocation endpoint; set it with .revocation_url(…)"
                    );
                    return;
                }
                Err(error) => match pauses.next() {
                    Some(pause) => time::sleep(pause).await,
                    None => {
                        let cause = with_sources(&error);
                        tracing::error!(
                            provider,
                            user,
                            cause,
                            "the refresh token of a deleted user is not revoked"
                        );
                        return;
                    }
                },
            }
        }
    }
}
