//! The state of a ceremony, from its start to the use of the passkey.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use webauthn_rs::prelude::{AuthenticationResult, WebauthnError};

use super::{
    PasskeyService,
    check::{self, Asserted},
    service::Kept,
};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        digest::{Digest, Domain},
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, UserId},
    services::require_same_key,
    store::{Challenge, ChallengeKind, Credential, CredentialKind, CredentialUpdate},
};

/// The lifetime of a ceremony.
pub(super) const LIFE: std::time::Duration = std::time::Duration::from_secs(600);

/// Returns the id of the challenge of a pending sign-in's ceremony.
fn prompt_of(pending: &Digest) -> Digest {
    Digest::hash(Domain::PASSKEY_PROMPT, pending.to_base64().as_bytes())
}

impl PasskeyService {
    /// Stores the state of a ceremony.
    pub(super) async fn keep(
        &self,
        kind: ChallengeKind,
        user: Option<&UserId>,
        state: &impl Serialize,
    ) -> Result<TokenString, AuthError> {
        let handle = OneTimeToken::random(TokenPurpose::Challenge)?;
        let challenge = self.ceremony(handle.digest(), kind, user, state)?;
        self.core.store_challenge(&challenge).await?;
        Ok(handle.to_token())
    }

    /// Stores the ceremony of a pending sign-in, which has the handle of that sign-in. It replaces
    /// an earlier one, so that only the newest is valid.
    pub(super) async fn keep_prompt(
        &self,
        pending: &Digest,
        user: &UserId,
        state: &impl Serialize,
    ) -> Result<(), AuthError> {
        let kind = ChallengeKind::PasskeyProof;
        let challenge = self.ceremony(prompt_of(pending), kind, Some(user), state)?;
        match self.core.replace_challenge(&challenge).await? {
            true => Ok(()),
            false => Err(ErrorKind::ChallengeExpired.into()),
        }
    }

    fn ceremony(
        &self,
        id: Digest,
        kind: ChallengeKind,
        user: Option<&UserId>,
        state: &impl Serialize,
    ) -> Result<Challenge, AuthError> {
        let now = whole_millis(self.core.clock.now());
        Ok(Challenge {
            id,
            kind,
            user_id: user.cloned(),
            address: None,
            code: None,
            tries: 1,
            data: serde_json::to_value(state).map_err(AuthError::misconfigured)?,
            created_at: now,
            expires_at: after(now, LIFE),
        })
    }

    /// Takes a ceremony: it is deleted before its response is verified.
    pub(super) async fn take<T: DeserializeOwned>(
        &self,
        challenge: &str,
        kind: ChallengeKind,
        client: &ClientInfo,
    ) -> Result<(Challenge, T), AuthError> {
        let refused = || self.refuse("ceremony", client);
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, challenge).ok_or_else(refused)?;
        let (id, now) = (handle.digest(), self.core.clock.now());
        let found = self.core.challenges.find_challenge(&id, now).await?;
        let id = match found {
            Some(own) if own.kind == kind => id,
            Some(own)
                if own.kind == ChallengeKind::SignIn && kind == ChallengeKind::PasskeyProof =>
            {
                require_same_key(&own).await?;
                prompt_of(&id)
            }
            // A challenge of another kind is not consumed.
            _ => return Err(refused()),
        };
        let taken = self.core.challenges.take_challenge(&id, None, now).await?;
        let taken = taken.ok_or_else(refused)?;
        let state = T::deserialize(&taken.data).map_err(AuthError::misconfigured)?;
        Ok((taken, state))
    }

    /// Returns the credential of an assertion, if the assertion is well-formed.
    pub(super) async fn found(
        &self,
        credential: &serde_json::Value,
        client: &ClientInfo,
    ) -> Result<(Asserted, Credential, Kept), AuthError> {
        let asserted = check::asserted(credential, &self.relying_party()?.origins);
        let asserted = asserted.map_err(|why| self.refuse(why, client))?;
        let (kind, lookup) = (CredentialKind::Passkey, URL_SAFE_NO_PAD.encode(&asserted.id));
        let found = self.core.credentials.find_credential(kind, &lookup).await?;
        let found = found.ok_or_else(|| self.refuse("unknown", client))?;
        let kept = Kept::deserialize(&found.data).map_err(AuthError::misconfigured)?;
        Ok((asserted, found, kept))
    }

    /// Rejects a passkey whose backup eligibility differs from its registration (WebAuthn Level 3
    /// §7.2). An update of a password manager may change it. The event has the id of the passkey,
    /// which has to be registered again.
    pub(super) fn same_eligibility(
        &self,
        asserted: &Asserted,
        found: &Credential,
        kept: &Kept,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        if asserted.backup_eligible == kept.backup_eligible {
            return Ok(());
        }
        let event = self.core.event(EventKind::PasskeyRefused).user(&found.user_id);
        let mut event = event.client(client).reason("backup_eligibility");
        event.detail.insert("passkey_id".to_owned(), found.id.clone().into());
        self.core.events.record(event);
        Err(ErrorKind::InvalidPasskey.into())
    }

    /// Returns a use, which is recorded in the transaction that creates the session. Of two uses
    /// with the same counter, one succeeds; a use of a removed passkey fails.
    pub(super) fn used(
        &self,
        found: &Credential,
        mut kept: Kept,
        asserted: &Asserted,
        result: &AuthenticationResult,
    ) -> Result<CredentialUpdate, AuthError> {
        kept.passkey.update_credential(result);
        kept.backed_up = asserted.backed_up;
        kept.unverified = !result.user_verified();
        Ok(CredentialUpdate {
            credential: found.id.clone(),
            expected: found.data.clone(),
            data: serde_json::to_value(&kept).map_err(AuthError::misconfigured)?,
            at: whole_millis(self.core.clock.now()),
        })
    }

    /// Returns the same error for a use that could not be recorded.
    pub(super) fn counted<T>(
        &self,
        begun: Result<T, AuthError>,
        client: &ClientInfo,
    ) -> Result<T, AuthError> {
        begun.map_err(|error| match error.kind() {
            ErrorKind::InvalidCredentials => self.refuse("counter", client),
            _ => error,
        })
    }

    /// Returns the passkeys of a user, oldest first.
    pub(super) async fn passkeys(
        &self,
        user: &UserId,
    ) -> Result<Vec<(Credential, Kept)>, AuthError> {
        let all = self.core.credentials.list_credentials(user).await?;
        let own = all.into_iter().filter(|own| own.kind == CredentialKind::Passkey);
        own.map(|own| {
            let kept = Kept::deserialize(&own.data).map_err(AuthError::misconfigured)?;
            Ok((own, kept))
        })
        .collect()
    }

    pub(super) fn unproved(
        &self,
        error: &WebauthnError,
        found: &Credential,
        client: &ClientInfo,
    ) -> AuthError {
        if matches!(error, WebauthnError::CredentialPossibleCompromise) {
            let event = self.core.event(EventKind::PasskeyCloned).user(&found.user_id);
            self.core.events.record(event.client(client));
        }
        self.refuse("verification", client)
    }

    /// Returns the same error for every failure of a ceremony, and records the reason as an event.
    pub(super) fn refuse(&self, reason: &'static str, client: &ClientInfo) -> AuthError {
        let event = self.core.event(EventKind::PasskeyRefused).client(client);
        self.core.events.record(event.reason(reason));
        ErrorKind::InvalidPasskey.into()
    }
}
