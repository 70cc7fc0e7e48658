//! Passkeys of a user: registration and removal.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::{CredentialID, PasskeyRegistration};

use super::{
    PasskeyService, check,
    kind::NewKey,
    options,
    service::{Ceremony, Kept, remove},
    verification::{self, PREFERRED},
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{Basis, ClientInfo, Email, Factor, FactorProof, Session, User},
    services::{Addition, Authority, Removal, Replacement, new_user_id},
    session::IssuedTokens,
    store::{ChallengeKind, Credential, CredentialKind, Unmet},
};

#[derive(Debug, Serialize, Deserialize)]
struct RegistrationState {
    state: PasskeyRegistration,
    handle: Uuid,
    session: String,
    /// For a security key, what allowed its registration.
    #[serde(default)]
    second_factor: Option<Authority>,
    #[serde(default)]
    conditional: bool,
    /// Whether an account recovery allowed the registration of a passkey.
    #[serde(default)]
    waived: bool,
}

impl PasskeyService {
    /// Starts the registration of a passkey.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::StepUpRequired`] if [`require_passkey_to_manage`](super::Passkeys::require_passkey_to_manage)
    ///   requires an existing passkey first.
    /// - [`ErrorKind::Forbidden`] if the user has the maximum number of passkeys.
    /// - [`ErrorKind::RateLimited`] by IP network.
    pub async fn start_registration(
        &self,
        user: &User,
        session: &Session,
        ip: Option<&str>,
    ) -> Result<Ceremony, AuthError> {
        self.start_key((user, session), NewKey::Passkey(Authority::Fresh), ip).await
    }

    pub(super) async fn start_key(
        &self,
        (user, session): (&User, &Session),
        kind: NewKey,
        ip: Option<&str>,
    ) -> Result<Ceremony, AuthError> {
        let own = self.passkeys(&user.id).await?;
        self.wants_passkey(session, kind.authority(), &own)?;
        if own.len() >= usize::try_from(self.options.most).unwrap_or(usize::MAX) {
            return Err(too_many());
        }
        // Limits are checked last, so that a rejected request uses up no start of its network.
        self.core.limits.ceremony(ip).await?;
        let handle = options::handle(&user.id, &own);
        let exclude: Vec<CredentialID> =
            own.iter().map(|(_, kept)| kept.passkey.cred_id().clone()).collect();
        let name = user.email.as_ref().map(Email::as_str).or(user.username.as_deref());
        let name = name.unwrap_or(user.id.as_str());
        let shown = user.display_name.as_deref().unwrap_or(name);
        let begun = self.relying_party()?.webauthn.start_passkey_registration(
            handle,
            name,
            shown,
            Some(exclude),
        );
        let (creation, mut state) = begun.map_err(AuthError::misconfigured)?;
        let mut options = self.shaped(json!(creation.public_key));
        let second_factor = match kind {
            NewKey::SecurityKey(authority) => Some(authority),
            NewKey::Passkey(_) | NewKey::Conditional => None,
        };
        state = match kind {
            NewKey::Passkey(_) => self.preferring(&mut options, state)?,
            NewKey::Conditional => {
                verification::unprotected(&mut options);
                verification::relax(&mut options, state, "rs", PREFERRED)
                    .map_err(AuthError::misconfigured)?
            }
            NewKey::SecurityKey(_) => {
                options::second_factor(&mut options);
                verification::relax(&mut options, state, "rs", "discouraged")
                    .map_err(AuthError::misconfigured)?
            }
        };
        let session = session.id.to_string();
        let conditional = matches!(kind, NewKey::Conditional);
        let waived = matches!(kind, NewKey::Passkey(Authority::Waived));
        let state =
            RegistrationState { state, handle, session, second_factor, conditional, waived };
        let kind = ChallengeKind::PasskeyRegistration;
        let challenge = self.keep(kind, Some(&user.id), &state).await?;
        options::hint(&mut options, "excludeCredentials", &own);
        Ok(Ceremony { challenge, options })
    }

    /// Completes a registration. Returns the passkey, and the session with new tokens.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::UnusablePasskey`] if the response fails verification.
    /// - [`ErrorKind::PasskeyTaken`] if the passkey is already registered.
    /// - [`ErrorKind::Forbidden`] if the user has the maximum number of passkeys.
    pub async fn finish_registration(
        &self,
        challenge: &str,
        credential: &Value,
        name: Option<String>,
        (user, session): (&User, &Session),
        client: &ClientInfo,
    ) -> Result<(Credential, IssuedTokens), AuthError> {
        let unusable = |error: AuthError| match error.kind() {
            ErrorKind::InvalidPasskey => ErrorKind::UnusablePasskey.into(),
            _ => error,
        };
        let kind = ChallengeKind::PasskeyRegistration;
        let (taken, own) =
            self.take::<RegistrationState>(challenge, kind, client).await.map_err(unusable)?;
        let refuse = |reason| unusable(self.refuse(reason, client));
        if taken.user_id.as_ref() != Some(&user.id) || own.session != session.id.to_string() {
            return Err(refuse("session"));
        }
        let made = check::made(credential, &self.relying_party()?.origins).map_err(refuse)?;
        let plain = check::plain(credential);
        let plain = if own.conditional { check::with_presence(plain) } else { plain };
        let answer = serde_json::from_value(plain).map_err(|_| refuse("form"))?;
        let passkey =
            self.relying_party()?.webauthn.finish_passkey_registration(&answer, &own.state);
        let lookup = URL_SAFE_NO_PAD.encode(&made.id);
        let passkey = match passkey {
            Ok(passkey) => passkey,
            // Some authenticators ignore the list of excluded credentials.
            Err(_) if self.is_of(user, &lookup).await? => {
                return Err(ErrorKind::PasskeyTaken.into());
            }
            Err(error) => return Err(options::explained(refuse("verification"), &error)),
        };
        let now = whole_millis(self.core.clock.now());
        let kept = Kept {
            passkey,
            handle: own.handle,
            name: name.unwrap_or_else(|| default_name(own.second_factor).to_owned()),
            aaguid: made.aaguid,
            transports: made.transports,
            backup_eligible: made.backup_eligible,
            backed_up: made.backed_up,
            second_factor: own.second_factor.is_some(),
            unverified: !made.user_verified,
        };
        let credential = Credential {
            id: new_user_id(now)?.as_str().to_owned(),
            user_id: user.id.clone(),
            kind: CredentialKind::Passkey,
            lookup,
            data: serde_json::to_value(&kept).map_err(AuthError::misconfigured)?,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        };
        let factor = kept.factor();
        // What a recovery opened the way to is no proof before it was verified, and neither is what
        // the user was not asked for.
        let is_fresh =
            !own.conditional && !own.waived && own.second_factor.is_none_or(Authority::is_fresh);
        let proved = kept.proves(made.user_verified);
        let proof = is_fresh.then(|| FactorProof::new(proved, now).on(Basis::Enrolled));
        let authority = own.second_factor.unwrap_or(Authority::Fresh);
        let once = self.core.recovery_use(authority, session, Replacement::Add, factor).await?;
        let at_most = Some(self.options.most);
        let about = Occasion::of(client).what(kept.described());
        let notice = self.core.notice(user, MessageKind::FactorAdded, about);
        let mails = notice.rows();
        let addition = Addition { at_most, proof, once, mails, ..Addition::default() };
        let by_recovery = addition.once.is_some();
        let added = self.core.add_credential(session, &credential, addition).await?;
        let (_, issued) = match added.added() {
            Ok(added) => added,
            Err(Unmet::Taken) if by_recovery => {
                return Err(self.core.step_up_required(session).await);
            }
            Err(Unmet::Taken) => return Err(ErrorKind::PasskeyTaken.into()),
            Err(_) => return Err(too_many()),
        };
        let kind =
            if kept.second_factor { EventKind::SecurityKeyAdded } else { EventKind::PasskeyAdded };
        let event = self.core.event(kind).user(&user.id);
        self.core.events.record(event.session(session.id));
        notice.send();
        Ok((credential, issued))
    }

    /// Sets the resident key options, since the library does not request a discoverable credential.
    pub(super) fn shaped(&self, mut options: Value) -> Value {
        if let Some(selection) =
            options.get_mut("authenticatorSelection").and_then(Value::as_object_mut)
        {
            let wanted = if self.options.resident_key { "required" } else { "preferred" };
            selection.insert("residentKey".to_owned(), json!(wanted));
            selection.insert("requireResidentKey".to_owned(), json!(self.options.resident_key));
        }
        if let Some(extensions) = options.get_mut("extensions") {
            remove(extensions, "uvm");
        }
        options
    }

    /// Accepts a registration without user verification, if that is only preferred.
    pub(super) fn preferring(
        &self,
        options: &mut Value,
        state: PasskeyRegistration,
    ) -> Result<PasskeyRegistration, AuthError> {
        if self.options.user_verification {
            return Ok(state);
        }
        verification::unprotected(options);
        verification::relax(options, state, "rs", PREFERRED).map_err(AuthError::misconfigured)
    }

    async fn is_of(&self, user: &User, lookup: &str) -> Result<bool, AuthError> {
        let kind = CredentialKind::Passkey;
        let found = self.core.credentials.find_credential(kind, lookup).await?;
        Ok(found.is_some_and(|own| own.user_id == user.id))
    }

    /// Removes a passkey, ends the user's other sessions on which it was verified, and forgets
    /// remembered devices. This session gets new tokens.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`] if the user has no such passkey.
    /// - [`ErrorKind::LastCredential`] if it is the last sign-in method.
    /// - [`ErrorKind::StepUpRequired`] if [`require_passkey_to_manage`](super::Passkeys::require_passkey_to_manage)
    ///   requires an existing passkey first.
    pub async fn remove(
        &self,
        user: &User,
        session: &Session,
        id: &str,
        client: &ClientInfo,
    ) -> Result<IssuedTokens, AuthError> {
        let issued = self.take_off((user, session), Authority::Fresh, id, client, true).await?;
        issued.ok_or_else(|| ErrorKind::InvalidToken.into())
    }

    /// Like [`remove`](Self::remove), for a session that cannot receive new tokens and remains
    /// unchanged.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub async fn remove_keep_tokens(
        &self,
        user: &User,
        session: &Session,
        id: &str,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let own = (user, session);
        self.take_off(own, Authority::Fresh, id, client, false).await.map(drop)
    }

    pub(super) async fn take_off(
        &self,
        (user, session): (&User, &Session),
        authority: Authority,
        id: &str,
        client: &ClientInfo,
        renews: bool,
    ) -> Result<Option<IssuedTokens>, AuthError> {
        let own = self.passkeys(&user.id).await?;
        self.wants_passkey(session, authority, &own)?;
        let (gone, kept) = own.iter().find(|(own, _)| own.id == id).ok_or(ErrorKind::NotFound)?;
        if authority.is_by_code() && !kept.second_factor {
            return Err(self.core.step_up_required(session).await);
        }
        let (about, factor) = (Occasion::of(client).what(kept.described()), kept.factor());
        let removal = self.core.factor_removal(user, Some(session), gone, factor).await?;
        let once = self.core.recovery_use(authority, session, Replacement::Remove, factor).await?;
        let notice = self.core.notice(user, MessageKind::FactorRemoved, about);
        let removal = Removal { renews, once, mails: notice.rows(), ..removal };
        let issued = self.core.remove_credential(session, gone, removal).await?;
        let kind = match kept.second_factor {
            true => EventKind::SecurityKeyRemoved,
            false => EventKind::PasskeyRemoved,
        };
        let event = self.core.event(kind).user(&user.id);
        self.core.events.record(event.session(session.id));
        notice.send();
        Ok(issued)
    }

    /// Requires a recently verified passkey, if that is configured and the user has one. If user
    /// verification is only preferred, a security key suffices: an authenticator without user
    /// verification proves nothing else, and its owner could not manage passkeys at all. An account
    /// recovery waives it, like the strongest factor.
    fn wants_passkey(
        &self,
        session: &Session,
        authority: Authority,
        own: &[(Credential, Kept)],
    ) -> Result<(), AuthError> {
        let has_passkey = own.iter().any(|(_, kept)| !kept.second_factor);
        let is_required = self.options.require_passkey_to_manage && !authority.is_waived();
        if !is_required || !has_passkey {
            return Ok(());
        }
        let fresh = self.core.sessions.options().fresh;
        let now = self.core.clock.now();
        let accepts_keys = !self.options.user_verification;
        let is_accepted = |factor: Factor| {
            factor == Factor::Passkey || (accepts_keys && factor == Factor::SecurityKey)
        };
        let is_recent =
            |proof: &FactorProof| is_accepted(proof.method) && proof.is_within(fresh, now);
        if session.factors.iter().any(is_recent) {
            return Ok(());
        }
        let passkey = Factor::Passkey.as_str();
        let required = json!({ "within_seconds": fresh.as_secs(), "factor": passkey });
        let mut methods = vec![passkey];
        if accepts_keys && own.iter().any(|(_, kept)| kept.second_factor) {
            methods.push(Factor::SecurityKey.as_str());
        }
        let refusal =
            AuthError::new(ErrorKind::StepUpRequired).with_extension("required", required);
        Err(refusal.with_extension("methods", methods))
    }
}

fn default_name(second_factor: Option<Authority>) -> &'static str {
    if second_factor.is_some() { "Security key" } else { "Passkey" }
}

fn too_many() -> AuthError {
    AuthError::new(ErrorKind::Forbidden)
        .with_detail("The maximum number of passkeys is reached.")
        .with_extension("missing", Vec::<Value>::new())
}
