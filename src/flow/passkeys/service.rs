//! Ceremonies with passkeys, without HTTP.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, Webauthn, WebauthnError,
};

use super::{
    Passkeys,
    check::{self, Asserted},
};
use crate::{
    auth::Core,
    clock::whole_millis,
    crypto::{
        handle::{Handle, HandleKind},
        token::PlainToken,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{Client, Email, Factor, Proof, SessionId, Transport, User, UserId},
    proof::{Attempt, Outcome},
    store::{Challenge, ChallengeKind, Credential, CredentialKind},
};

const LIFE: std::time::Duration = std::time::Duration::from_secs(300);

/// Registers passkeys and proves them.
#[derive(Clone)]
pub struct PasskeyService {
    pub(super) core: Arc<Core>,
    pub(super) options: Arc<Passkeys>,
    pub(super) webauthn: Arc<Webauthn>,
    pub(super) rp_id: Arc<str>,
}

/// A ceremony that was begun.
#[derive(Debug)]
pub struct Ceremony {
    /// The secret of the client that began.
    pub challenge: PlainToken,
    /// What goes to `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub options: Value,
}

/// What a credential of a passkey keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) passkey: Passkey,
    /// Who the user is to authenticators: random, the same for all passkeys of a user.
    pub(super) handle: Uuid,
    pub(super) name: String,
    pub(super) aaguid: String,
    pub(super) transports: Vec<String>,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SignInState {
    state: DiscoverableAuthentication,
    email: Option<String>,
}

impl PasskeyService {
    pub(super) fn new(
        core: Arc<Core>,
        options: Passkeys,
        (rp_id, webauthn): (String, Webauthn),
    ) -> Self {
        let (options, webauthn) = (Arc::new(options), Arc::new(webauthn));
        Self { core, options, webauthn, rp_id: rp_id.into() }
    }

    /// Where one manages passkeys, if that was said.
    pub(super) fn page(&self) -> Option<&str> {
        self.options.page.as_deref()
    }

    /// Begins a sign-in, with an address or without. The answer has the same shape whether or
    /// not anybody has the address: the person chooses among the passkeys of the device.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`].
    pub async fn start_sign_in(
        &self,
        email: Option<&str>,
        ip: Option<&str>,
    ) -> Result<Ceremony, AuthError> {
        self.core.limits.ceremony(ip).await?;
        let begun = self.webauthn.start_discoverable_authentication();
        let (options, state) = begun.map_err(internal)?;
        let email = email.map(str::to_owned);
        let kind = ChallengeKind::PasskeySignIn;
        let challenge = self.keep(kind, None, &SignInState { state, email }).await?;
        let mut options = json!(options.public_key);
        // It would come back as authenticator data that nobody reads.
        remove(&mut options, "extensions");
        Ok(Ceremony { challenge, options })
    }

    /// Takes the answer to a sign-in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidPasskey`] for everything that is not good.
    pub async fn finish_sign_in(
        &self,
        challenge: &str,
        credential: &Value,
        transport: Option<Transport>,
        client: Client,
    ) -> Result<Outcome, AuthError> {
        let transport = self.core.sessions.options().transport(transport)?;
        let (_, own): (_, SignInState) =
            self.take(challenge, ChallengeKind::PasskeySignIn, &client).await?;
        let (asserted, found, kept) = self.found(credential, &client).await?;
        if asserted.user_handle.as_deref() != Some(kept.handle.as_bytes()) {
            return Err(self.refuse("user_handle", &client));
        }
        let user = self.core.users.find_user(&found.user_id).await?;
        let user = user.filter(User::is_active).ok_or_else(|| self.refuse("user", &client))?;
        if let Some(email) = &own.email {
            let named = Email::parse(email).ok();
            if named.is_none() || named != user.email {
                return Err(self.refuse("address", &client));
            }
        }
        let answer = serde_json::from_value(credential.clone());
        let answer = answer.map_err(|_| self.refuse("form", &client))?;
        let key = DiscoverableKey::from(&kept.passkey);
        let result = self.webauthn.finish_discoverable_authentication_v2(&answer, own.state, &key);
        let result = result.map_err(|error| self.unproved(&error, &found, &client))?;
        let found = self.used(found, kept, &asserted, &result, &client).await?;
        let proof = Proof { method: Factor::Passkey, at: whole_millis(self.core.clock.now()) };
        let attempt = Attempt { user, proof, transport, client, device: None, upstream: None };
        let outcome = self.core.finish_sign_in(attempt).await?;
        self.core.is_still(&found, outcome).await
    }

    /// Keeps the state of a ceremony.
    pub(super) async fn keep(
        &self,
        kind: ChallengeKind,
        user: Option<&UserId>,
        state: &impl Serialize,
    ) -> Result<PlainToken, AuthError> {
        let handle = Handle::random(HandleKind::Challenge)?;
        let now = whole_millis(self.core.clock.now());
        let challenge = Challenge {
            id: handle.digest(),
            kind,
            user_id: user.cloned(),
            address: None,
            code: None,
            tries: 1,
            data: serde_json::to_value(state).map_err(internal)?,
            created_at: now,
            expires_at: now + LIFE,
        };
        self.core.challenges.insert_challenge(&challenge).await?;
        Ok(handle.to_plain())
    }

    /// Takes a ceremony away; it is gone before its answer is looked at.
    pub(super) async fn take<T: DeserializeOwned>(
        &self,
        challenge: &str,
        kind: ChallengeKind,
        client: &Client,
    ) -> Result<(Challenge, T), AuthError> {
        let refused = || self.refuse("ceremony", client);
        let handle = Handle::parse(HandleKind::Challenge, challenge).ok_or_else(refused)?;
        let (id, now) = (handle.digest(), self.core.clock.now());
        // One of another sort is another's business, and stays.
        let found = self.core.challenges.find_challenge(&id, now).await?;
        if found.is_none_or(|own| own.kind != kind) {
            return Err(refused());
        }
        let taken = self.core.challenges.take_challenge(&id, None, now).await?;
        let taken = taken.ok_or_else(refused)?;
        let state = T::deserialize(&taken.data).map_err(internal)?;
        Ok((taken, state))
    }

    /// The credential that an assertion names, once its form is good.
    pub(super) async fn found(
        &self,
        credential: &Value,
        client: &Client,
    ) -> Result<(Asserted, Credential, Kept), AuthError> {
        let asserted = check::asserted(credential).map_err(|why| self.refuse(why, client))?;
        let (kind, lookup) = (CredentialKind::Passkey, URL_SAFE_NO_PAD.encode(&asserted.id));
        let found = self.core.credentials.find_credential(kind, &lookup).await?;
        let found = found.ok_or_else(|| self.refuse("unknown", client))?;
        let kept = Kept::deserialize(&found.data).map_err(internal)?;
        if asserted.backup_eligible != kept.backup_eligible {
            return Err(self.refuse("backup_eligibility", client));
        }
        Ok((asserted, found, kept))
    }

    /// Notes a use. Of two with one counter, one is noted.
    pub(super) async fn used(
        &self,
        mut found: Credential,
        mut kept: Kept,
        asserted: &Asserted,
        result: &webauthn_rs::prelude::AuthenticationResult,
        client: &Client,
    ) -> Result<Credential, AuthError> {
        kept.passkey.update_credential(result);
        kept.backed_up = asserted.backed_up;
        let data = serde_json::to_value(&kept).map_err(internal)?;
        let now = whole_millis(self.core.clock.now());
        if !self.core.credentials.use_credential(&found.id, &found.data, &data, now).await? {
            return Err(self.refuse("counter", client));
        }
        found.data = data;
        Ok(found)
    }

    /// The passkeys of a user, oldest first.
    pub(super) async fn passkeys(
        &self,
        user: &UserId,
    ) -> Result<Vec<(Credential, Kept)>, AuthError> {
        let all = self.core.credentials.list_credentials(user).await?;
        let own = all.into_iter().filter(|own| own.kind == CredentialKind::Passkey);
        own.map(|own| {
            let kept = Kept::deserialize(&own.data).map_err(internal)?;
            Ok((own, kept))
        })
        .collect()
    }

    pub(super) fn unproved(
        &self,
        error: &WebauthnError,
        found: &Credential,
        client: &Client,
    ) -> AuthError {
        if matches!(error, WebauthnError::CredentialPossibleCompromise) {
            let event = self.core.event(EventKind::PasskeyCloned).user(&found.user_id);
            self.core.events.record(event.ip(client.ip.as_deref()));
        }
        self.refuse("verification", client)
    }

    /// Every failure of a ceremony, in one answer.
    pub(super) fn refuse(&self, reason: &'static str, client: &Client) -> AuthError {
        let event = self.core.event(EventKind::PasskeyRefused).ip(client.ip.as_deref());
        self.core.events.record(event.reason(reason));
        ErrorKind::InvalidPasskey.into()
    }

    /// The session that may be ended together with a passkey.
    pub(super) async fn end_others(
        &self,
        user: &UserId,
        current: SessionId,
    ) -> Result<(), AuthError> {
        self.core.sessions.revoke_all(user, Some(current)).await?;
        Ok(())
    }
}

pub(super) fn remove(options: &mut Value, name: &str) {
    if let Some(options) = options.as_object_mut() {
        options.remove(name);
    }
}

pub(super) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuthError {
    AuthError::new(ErrorKind::Misconfigured).because(cause)
}

impl fmt::Debug for PasskeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyService").field("options", &self.options).finish_non_exhaustive()
    }
}
