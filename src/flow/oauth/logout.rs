//! Back-channel sign-out by the provider (OpenID Connect Back-Channel Logout 1.0).

use std::error::Error as _;

use serde_json::json;

use super::OAuthService;
use crate::{
    clock::whole_millis,
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    event::{EventKind, record_act},
    store::{Challenge, ChallengeKind, SessionTag},
};

impl OAuthService {
    /// Ends the sessions of a logout token of the provider (Back-Channel Logout 1.0 §2.7). Returns
    /// their number.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidRequest`] if the token is invalid or was used before. It is recorded
    ///   as an event and logged, because the sessions at the provider have ended nevertheless.
    /// - [`ErrorKind::NotFound`] if the provider does not support back-channel logout.
    pub async fn back_channel_logout(&self, token: &str) -> Result<u64, AuthError> {
        let ended = self.end_by(token).await;
        ended.inspect_err(|error| self.record_rejected(error, "a logout token", "logout_token"))
    }

    /// Logs and records that a token which the provider sent is invalid. An outage is no rejection.
    pub(super) fn record_rejected(&self, error: &AuthError, what: &str, reason: &'static str) {
        if error.kind() != ErrorKind::InvalidRequest {
            return;
        }
        let cause = error.source().map_or_else(String::new, ToString::to_string);
        tracing::warn!(provider = self.id(), cause, "{what} was rejected");
        let event = self.core().event(EventKind::ProviderRefused);
        self.core().events.record(event.reason(reason));
    }

    async fn end_by(&self, token: &str) -> Result<u64, AuthError> {
        let core = self.core();
        let ended = self.provider.verify_logout_token(token).await?.ok_or(ErrorKind::NotFound)?;
        let key = format!("{}\n{}", self.provider.issuer(), ended.id);
        let key = Digest::hash(Domain::LOGOUT_TOKEN, key.as_bytes());
        if core.challenges.find_challenge(&key, core.clock.now()).await?.is_some() {
            let error = AuthError::new(ErrorKind::InvalidRequest);
            return Err(error.with_source("the logout token was used before"));
        }
        let provider = self.provider.id();
        let issuer = self.provider.other_issuer(ended.issuer.as_deref());
        let of_subject = |own| SessionTag::of_subject(provider, issuer, own);
        let of_session = |own| SessionTag::of_upstream(provider, issuer, own);
        let subject = ended.subject.as_deref().map(of_subject);
        let session = ended.session.as_deref().map(of_session);
        let tags: Vec<_> = subject.into_iter().chain(session).collect();
        let count = core.sessions.end_tagged(&tags).await?;
        let now = whole_millis(core.clock.now());
        let challenge =
            Challenge::new(ChallengeKind::LogoutToken, key, json!({}), (now, ended.expires_at));
        core.challenges.insert_challenge(&challenge).await?;
        let event = core.event(EventKind::ProviderSignedOut).reason("back_channel");
        record_act(&*core.events, event, None);
        Ok(count)
    }
}
