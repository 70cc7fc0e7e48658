//! Passkey ceremonies, without HTTP.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, DiscoverableKey, Passkey};

use super::{
    Passkeys, check,
    origins::RelyingParty,
    verification::{self, PREFERRED},
};
use crate::{
    clock::whole_millis,
    crypto::token::TokenString,
    error::AuthError,
    mail::MailObject,
    model::{ClientInfo, Email, Factor, FactorProof, User},
    services::{Core, Outcome, SignInAttempt, SignInOptions, Verified},
    store::ChallengeKind,
};

/// Registers and verifies passkeys.
#[derive(Clone)]
pub struct PasskeyService {
    pub(super) core: Arc<Core>,
    pub(super) options: Arc<Passkeys>,
    /// `None` if no origin has a host that passkeys can be bound to.
    relying_party: Option<RelyingParty>,
}

/// A started ceremony.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ceremony {
    /// The secret of the client that started the ceremony.
    pub challenge: TokenString,
    /// The argument of `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub options: Value,
}

/// The stored data of a passkey credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) passkey: Passkey,
    /// The user handle, which is the same for all passkeys of a user.
    pub(super) handle: Uuid,
    pub(super) name: String,
    pub(super) aaguid: String,
    pub(super) transports: Vec<String>,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    /// Whether it is a security key, which is a second factor only.
    #[serde(default, skip_serializing_if = "is_not")]
    pub(super) second_factor: bool,
    /// Whether its last response was without user verification.
    #[serde(default, skip_serializing_if = "is_not")]
    pub(super) unverified: bool,
}

impl Kept {
    /// Returns the factor that it is registered as.
    pub(super) fn factor(&self) -> Factor {
        if self.second_factor { Factor::SecurityKey } else { Factor::Passkey }
    }

    /// Returns the factor that a response proves. Without user verification a passkey is one factor,
    /// as a security key is.
    pub(super) fn proves(&self, user_verified: bool) -> Factor {
        if user_verified { self.factor() } else { Factor::SecurityKey }
    }

    /// Returns the object of messages about it.
    pub(super) fn described(&self) -> MailObject {
        let name = self.name.clone();
        if self.second_factor { MailObject::SecurityKey(name) } else { MailObject::Passkey(name) }
    }
}

fn is_not(value: &bool) -> bool {
    !*value
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
        relying_party: Option<RelyingParty>,
    ) -> Self {
        Self { core, options: Arc::new(options), relying_party }
    }

    /// Returns the relying party.
    ///
    /// # Errors
    ///
    /// `Misconfigured` if the host of every origin is an IP address.
    pub(super) fn relying_party(&self) -> Result<&RelyingParty, AuthError> {
        self.relying_party.as_ref().ok_or_else(|| {
            AuthError::misconfigured("passkeys require a domain name as host of the origin")
        })
    }

    /// Returns the path of the page for managing passkeys, if configured.
    pub(super) fn page(&self) -> Option<&str> {
        self.options.page.as_deref()
    }

    pub(super) fn related_origins(&self) -> &[String] {
        &self.options.related
    }

    /// Starts a sign-in, with or without an email address. The response does not disclose whether
    /// the email address is registered: the user selects one of the passkeys on the device.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited) by IP network.
    pub async fn start_sign_in(
        &self,
        email: Option<&str>,
        ip: Option<&str>,
    ) -> Result<Ceremony, AuthError> {
        self.core.limits.ceremony(ip).await?;
        let begun = self.relying_party()?.webauthn.start_discoverable_authentication();
        let (options, mut state) = begun.map_err(AuthError::misconfigured)?;
        let mut options = json!(options.public_key);
        if !self.options.user_verification {
            state = verification::relax(&mut options, state, "ast", PREFERRED)
                .map_err(AuthError::misconfigured)?;
        }
        let email = email.map(str::to_owned);
        let kind = ChallengeKind::PasskeySignIn;
        let challenge = self.keep(kind, None, &SignInState { state, email }).await?;
        // Extensions would be returned as authenticator data, which is not used.
        remove(&mut options, "extensions");
        Ok(Ceremony { challenge, options })
    }

    /// Returns the key that verifies responses. With user verification as a preference, responses
    /// without it are accepted.
    pub(super) fn verifier(&self, kept: &Kept) -> Result<Passkey, AuthError> {
        match self.options.user_verification {
            true => Ok(kept.passkey.clone()),
            false => verification::relaxed(&kept.passkey).map_err(AuthError::misconfigured),
        }
    }

    /// Completes a sign-in. A passkey without user verification is one factor, so another one may
    /// be required.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidPasskey`](crate::ErrorKind::InvalidPasskey) if the response fails
    /// verification.
    pub async fn finish_sign_in(
        &self,
        challenge: &str,
        credential: &Value,
        options: &SignInOptions,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let delivery = options.delivery(&self.core).await?;
        let (_, own): (_, SignInState) =
            self.take(challenge, ChallengeKind::PasskeySignIn, &client).await?;
        let (asserted, found, kept) = self.found(credential, &client).await?;
        if kept.second_factor {
            return Err(self.refuse("security_key", &client));
        }
        if asserted.user_handle.as_deref() != Some(kept.handle.as_bytes()) {
            return Err(self.refuse("user_handle", &client));
        }
        self.same_eligibility(&asserted, &found, &kept, &client)?;
        let user = self.core.users.find_user(&found.user_id).await?;
        let user = user.filter(User::is_active).ok_or_else(|| self.refuse("user", &client))?;
        if let Some(email) = &own.email {
            let named = Email::parse(email).ok();
            if named.is_none() || named != user.email {
                return Err(self.refuse("address", &client));
            }
        }
        let answer = serde_json::from_value(check::plain(credential));
        let answer = answer.map_err(|_| self.refuse("form", &client))?;
        let key = DiscoverableKey::from(&self.verifier(&kept)?);
        let result = self
            .relying_party()?
            .webauthn
            .finish_discoverable_authentication_v2(&answer, own.state, &key);
        let result = result.map_err(|error| self.unproved(&error, &found, &client))?;
        let now = whole_millis(self.core.clock.now());
        let proof = FactorProof::new(kept.proves(result.user_verified()), now).by(&found.id);
        let using = Some(self.used(&found, kept, &asserted, &result)?);
        let asking = client.clone();
        let verified = Some(Verified::existing(&found));
        let attempt =
            SignInAttempt { using, verified, ..SignInAttempt::new(user, proof, delivery, client) };
        let outcome = self.counted(self.core.finish_sign_in(attempt).await, &asking)?;
        match outcome {
            Outcome::Complete(_) => Ok(outcome),
            Outcome::Pending(_) => self.core.is_still(&found, outcome).await,
        }
    }
}

pub(super) fn remove(options: &mut Value, name: &str) {
    if let Some(options) = options.as_object_mut() {
        options.remove(name);
    }
}

impl fmt::Debug for PasskeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyService").field("options", &self.options).finish_non_exhaustive()
    }
}
