//! Verification of a passkey for a step-up, or instead of the code of a pending sign-in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs::prelude::{Passkey, PasskeyAuthentication};

use super::{
    PasskeyService, check, options,
    service::Ceremony,
    verification::{self, PREFERRED},
};
use crate::{
    clock::whole_millis,
    crypto::{
        digest::Digest,
        handle::{OneTimeToken, TokenPurpose},
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, Factor, FactorProof, Session, User},
    services::{Outcome, ReliesOn, StepUp, methods_of},
    session::require_usable,
    store::{Challenge, ChallengeKind, Credential, CredentialUpdate},
};

const CHANGED: &str = "This passkey has changed since it was registered. Verify your identity \
    in another way, remove the passkey and register it again.";

/// The purpose of a verification.
#[derive(Debug)]
#[non_exhaustive]
pub enum StepUpTarget<'a> {
    /// A step-up of a user's session.
    Session(&'a User, &'a Session),
    /// A pending sign-in, by its handle.
    Pending(&'a str),
}

#[derive(Debug, Serialize, Deserialize)]
struct ProofState {
    state: PasskeyAuthentication,
    session: Option<String>,
    pending: Option<String>,
}

impl PasskeyService {
    /// Starts a verification. The challenge of a pending sign-in is its handle, and of several
    /// ceremonies for it only the newest is valid.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NoPasskey`] if the user has no passkey, or it cannot replace the code of this
    ///   sign-in.
    /// - [`ErrorKind::ChallengeExpired`] if there is no such pending sign-in.
    /// - [`ErrorKind::RateLimited`] by IP network.
    pub async fn start_step_up(
        &self,
        of: StepUpTarget<'_>,
        ip: Option<&str>,
    ) -> Result<Ceremony, AuthError> {
        let (user, session, pending) = match of {
            StepUpTarget::Session(user, session) => {
                (user.id.clone(), Some(session.id.to_string()), None)
            }
            StepUpTarget::Pending(handle) => {
                let (handle, pending) = self.pending(handle).await?;
                let user = pending.user_id.clone().ok_or(ErrorKind::ChallengeExpired)?;
                (user, None, Some((handle, pending)))
            }
        };
        let mut own = self.passkeys(&user).await?;
        if let Some((_, pending)) = &pending {
            let offered = methods_of(pending);
            own.retain(|(_, kept)| offered.contains(&kept.factor().as_str()));
        }
        if own.is_empty() {
            return Err(ErrorKind::NoPasskey.into());
        }
        // Limits are checked last, so that a rejected request uses up no start of its network.
        self.core.limits.ceremony(ip).await?;
        let keys = own.iter().map(|(_, kept)| self.verifier(kept));
        let keys = keys.collect::<Result<Vec<Passkey>, _>>()?;
        let (request, mut state) = self
            .relying_party()?
            .webauthn
            .start_passkey_authentication(&keys)
            .map_err(AuthError::misconfigured)?;
        let mut options = json!(request.public_key);
        let security_keys = own.iter().filter(|(_, kept)| kept.second_factor).count();
        // After a passkey without user verification, only user verification adds a factor.
        let is_first = pending.as_ref().is_some_and(|(_, pending)| begins_with_key(pending));
        if (security_keys > 0 || !self.options.user_verification) && !is_first {
            let is_all = security_keys == own.len();
            let policy = if is_all { "discouraged" } else { PREFERRED };
            state = verification::relax(&mut options, state, "ast", policy)
                .map_err(AuthError::misconfigured)?;
        }
        let id = pending.as_ref().map(|(_, pending)| pending.id.to_base64());
        let state = ProofState { state, session, pending: id };
        let challenge = match pending {
            Some((handle, pending)) => {
                self.keep_prompt(&pending.id, &user, &state).await?;
                handle.to_token()
            }
            None => self.keep(ChallengeKind::PasskeyProof, Some(&user), &state).await?,
        };
        options::hint(&mut options, "allowCredentials", &own);
        Ok(Ceremony { challenge, options })
    }

    /// Completes a verification. Returns the session with new tokens, or the new session of the
    /// pending sign-in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidPasskey`] if the response fails verification.
    pub async fn finish_step_up(
        &self,
        challenge: &str,
        credential: &Value,
        signed_in: Option<(&User, &Session)>,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let proved = self.prove(challenge, credential, signed_in, client).await?;
        Ok(proved.0)
    }

    /// Completes a verification. Returns the return target of a pending sign-in, too.
    pub(super) async fn prove(
        &self,
        challenge: &str,
        credential: &Value,
        signed_in: Option<(&User, &Session)>,
        client: ClientInfo,
    ) -> Result<(Outcome, Option<String>), AuthError> {
        if let Some((_, session)) = signed_in {
            require_usable(session).await?;
        }
        let (taken, own): (Challenge, ProofState) =
            self.take(challenge, ChallengeKind::PasskeyProof, &client).await?;
        let (asserted, found, kept) = self.found(credential, &client).await?;
        let foreign =
            asserted.user_handle.as_deref().is_some_and(|id| id != kept.handle.as_bytes());
        if foreign || taken.user_id.as_ref() != Some(&found.user_id) {
            return Err(self.refuse("user", &client));
        }
        let same = self.same_eligibility(&asserted, &found, &kept, &client);
        same.map_err(|refusal| refusal.with_detail(CHANGED))?;
        let session = match &own.session {
            None => None,
            Some(id) => {
                let same = signed_in.filter(|(_, session)| session.id.to_string() == *id);
                Some(same.ok_or_else(|| self.refuse("session", &client))?)
            }
        };
        let answer = serde_json::from_value(check::plain(credential));
        let answer = answer.map_err(|_| self.refuse("form", &client))?;
        let result =
            self.relying_party()?.webauthn.finish_passkey_authentication(&answer, &own.state);
        let result = result.map_err(|error| self.unproved(&error, &found, &client))?;
        let factor = kept.proves(result.user_verified());
        let proof = FactorProof::new(factor, whole_millis(self.core.clock.now())).by(&found.id);
        let using = self.used(&found, kept, &asserted, &result)?;
        let asking = client.clone();
        let begun = match session {
            Some((user, session)) => {
                let step_up = StepUp { proof, relies_on: ReliesOn::Use(using) };
                let begun = self.core.step_up(user, session, step_up).await;
                if begun.is_ok() {
                    let event = self.core.event(EventKind::SteppedUp).user(&user.id);
                    let event = event.session(session.id).client(&asking);
                    self.core.events.record(event);
                }
                begun.map(|outcome| (outcome, None))
            }
            None => self.finish_pending(own.pending, &found, proof, using, client).await,
        };
        self.counted(begun, &asking)
    }

    async fn finish_pending(
        &self,
        pending: Option<String>,
        found: &Credential,
        proof: FactorProof,
        using: CredentialUpdate,
        client: ClientInfo,
    ) -> Result<(Outcome, Option<String>), AuthError> {
        let refused = || self.refuse("pending", &client);
        let id = pending.as_deref().and_then(Digest::from_base64).ok_or_else(refused)?;
        let now = self.core.clock.now();
        let pending = self.core.challenges.take_challenge(&id, None, now).await?;
        let pending = pending.filter(|own| {
            own.user_id.as_ref() == Some(&found.user_id)
                && own.kind == ChallengeKind::SignIn
                && own.tries > 0
        });
        let pending = pending.ok_or_else(refused)?;
        let user = self.core.users.find_user(&found.user_id).await?.filter(User::is_active);
        let user = user.ok_or_else(refused)?;
        let refuse = client.clone();
        let return_to = pending.data.get("return_to").and_then(Value::as_str);
        let return_to = return_to.map(ToOwned::to_owned);
        let resumed = self.core.resume_sign_in(&pending, user, proof, Some(using), client).await;
        let outcome = resumed.map_err(|error| match error.kind() {
            ErrorKind::ChallengeExpired => self.refuse("pending", &refuse),
            _ => error,
        })?;
        Ok((outcome, return_to))
    }

    /// Returns a pending sign-in that a passkey can complete. It cannot replace the verification of
    /// an email address.
    async fn pending(&self, handle: &str) -> Result<(OneTimeToken, Challenge), AuthError> {
        let expired = || AuthError::from(ErrorKind::ChallengeExpired);
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, handle).ok_or_else(expired)?;
        let (id, now) = (handle.digest(), self.core.clock.now());
        let found = self.core.challenges.find_challenge(&id, now).await?;
        let found = found.filter(|own| own.kind == ChallengeKind::SignIn && own.tries > 0);
        let found = found.ok_or_else(expired)?;
        let user = found.user_id.as_ref().ok_or_else(expired)?;
        self.core.users.find_user(user).await?.filter(User::is_active).ok_or_else(expired)?;
        let methods = methods_of(&found);
        let own = [Factor::Passkey, Factor::SecurityKey];
        let is_offered = own.iter().any(|factor| methods.contains(&factor.as_str()));
        if is_offered { Ok((handle, found)) } else { Err(ErrorKind::NoPasskey.into()) }
    }
}

/// Returns whether the first factor of a pending sign-in was a passkey without user verification.
fn begins_with_key(pending: &Challenge) -> bool {
    let method = pending.data.pointer("/factors/0/method").and_then(Value::as_str);
    method == Some(Factor::SecurityKey.as_str())
}
