//! Sign-up with a passkey and no password.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use webauthn_rs::prelude::PasskeyRegistration;

use super::{
    PasskeyService, check, options,
    service::{Ceremony, Kept},
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::RequestMembers,
    model::{ClientInfo, Email, FactorProof, Session, User, UserId},
    services::{AccountDraft, AnonymousSession, Outcome, SignInOptions, new_user_id},
    session::NewSession,
    store::{ChallengeKind, CreateUserOutcome, Credential, CredentialKind},
};

#[derive(Debug, Serialize, Deserialize)]
struct SignUpState {
    state: PasskeyRegistration,
    handle: Uuid,
    /// The id of the new user, from which the user handle is derived.
    user: UserId,
    email: String,
    display_name: Option<String>,
    anonymous: Option<UserId>,
    #[serde(default)]
    anonymous_session: Option<AnonymousSession>,
    /// Further members of the first request, for hooks.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    members: Map<String, Value>,
}

impl PasskeyService {
    /// Starts a sign-up. On the session of an anonymous user, that user retains the id.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::SignUpDisabled`] if [`Passkeys::allow_sign_up`](super::Passkeys::allow_sign_up) is off,
    ///   or the email address must be verified at sign-up.
    /// - [`ErrorKind::InvalidEmail`] if the email address is invalid.
    /// - [`ErrorKind::RateLimited`] by IP network.
    pub async fn start_sign_up(
        &self,
        current: Option<(&User, &Session)>,
        email: &str,
        display_name: Option<String>,
        ip: Option<&str>,
    ) -> Result<Ceremony, AuthError> {
        self.start_sign_up_with(current, email, display_name, ip, &RequestMembers::default()).await
    }

    /// Like [`start_sign_up`](Self::start_sign_up), with the members of the body for hooks.
    pub(super) async fn start_sign_up_with(
        &self,
        current: Option<(&User, &Session)>,
        email: &str,
        display_name: Option<String>,
        ip: Option<&str>,
        members: &RequestMembers,
    ) -> Result<Ceremony, AuthError> {
        if !self.allows_sign_up() {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        self.core.limits.sign_up(ip).await?;
        let email = Email::parse(email).map_err(|_| ErrorKind::InvalidEmail)?;
        let (anonymous, anonymous_session) = AnonymousSession::of(current).unzip();
        let user = match &anonymous {
            Some(kept) => kept.clone(),
            None => new_user_id(whole_millis(self.core.clock.now()))?,
        };
        let handle = options::derived(&user);
        let shown = display_name.as_deref().unwrap_or(email.as_str());
        let begun = self.relying_party()?.webauthn.start_passkey_registration(
            handle,
            email.as_str(),
            shown,
            None,
        );
        let (creation, state) = begun.map_err(AuthError::misconfigured)?;
        let mut options = self.shaped(json!(creation.public_key));
        let state = self.preferring(&mut options, state)?;
        let email = email.to_string();
        let state = SignUpState {
            state,
            handle,
            user,
            email,
            display_name,
            anonymous,
            anonymous_session,
            members: members.further(&self.core.hooks),
        };
        let challenge = self.keep(ChallengeKind::PasskeySignUp, None, &state).await?;
        Ok(Ceremony { challenge, options })
    }

    /// Returns whether accounts can be created with a passkey, which verifies no email address.
    fn allows_sign_up(&self) -> bool {
        self.options.sign_up && self.core.codes().is_none_or(|policy| !policy.sign_up)
    }

    /// Creates the user with the passkey in one transaction, and signs the user in.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::UnusablePasskey`] if the response fails verification.
    /// - [`ErrorKind::EmailTaken`] if the email address is registered.
    /// - [`ErrorKind::PasskeyTaken`] if the passkey is already registered.
    /// - [`ErrorKind::SignUpDisabled`] if the application rejects the user.
    pub async fn finish_sign_up(
        &self,
        challenge: &str,
        credential: &Value,
        name: Option<String>,
        options: &SignInOptions,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let members = RequestMembers::default();
        self.finish_sign_up_with(challenge, credential, name, options, client, &members).await
    }

    /// Like [`finish_sign_up`](Self::finish_sign_up), with the members of the body for hooks.
    pub(super) async fn finish_sign_up_with(
        &self,
        challenge: &str,
        credential: &Value,
        name: Option<String>,
        options: &SignInOptions,
        client: ClientInfo,
        members: &RequestMembers,
    ) -> Result<Outcome, AuthError> {
        let core = &self.core;
        let delivery = options.delivery(core).await?;
        let unusable = |error: AuthError| match error.kind() {
            ErrorKind::InvalidPasskey => ErrorKind::UnusablePasskey.into(),
            _ => error,
        };
        let kind = ChallengeKind::PasskeySignUp;
        let (_, own) =
            self.take::<SignUpState>(challenge, kind, &client).await.map_err(unusable)?;
        let refuse = |reason| unusable(self.refuse(reason, &client));
        let made = check::made(credential, &self.relying_party()?.origins).map_err(refuse)?;
        let answer =
            serde_json::from_value(check::plain(credential)).map_err(|_| refuse("form"))?;
        let passkey =
            self.relying_party()?.webauthn.finish_passkey_registration(&answer, &own.state);
        let passkey =
            passkey.map_err(|error| options::explained(refuse("verification"), &error))?;
        let now = whole_millis(core.clock.now());
        let user = User {
            email: Some(Email::parse(&own.email).map_err(|_| refuse("email"))?),
            display_name: own.display_name,
            ..User::new(own.user, now)
        };
        let kept = Kept {
            passkey,
            handle: own.handle,
            name: name.unwrap_or_else(|| "Passkey".to_owned()),
            aaguid: made.aaguid,
            transports: made.transports,
            backup_eligible: made.backup_eligible,
            backed_up: made.backed_up,
            second_factor: false,
            unverified: !made.user_verified,
        };
        let factor = kept.proves(made.user_verified);
        let credential = Credential {
            id: new_user_id(now)?.as_str().to_owned(),
            user_id: user.id.clone(),
            kind: CredentialKind::Passkey,
            lookup: URL_SAFE_NO_PAD.encode(&made.id),
            data: serde_json::to_value(&kept).map_err(AuthError::misconfigured)?,
            created_at: now,
            updated_at: now,
            last_used_at: Some(now),
        };
        if !self.allows_sign_up() {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        let members = members.after(own.members);
        let (user, kept) = core.may_sign_up(user, &client, Some(&members)).await?;
        core.may_sign_in(&user, factor, &client).await?;
        let account = AccountDraft {
            user: &user,
            credential: Some(&credential),
            anonymous: own.anonymous.as_ref(),
            anonymous_session: own.anonymous_session,
            kept,
        };
        let proof = FactorProof::new(factor, whole_millis(core.clock.now())).by(&credential.id);
        let beginning = NewSession::new(vec![proof], delivery, client.clone());
        let (user, issued) = match core.take_in(account, beginning).await?.created() {
            Ok(made) => made,
            Err(CreateUserOutcome::Refused) => return Err(ErrorKind::SignUpDisabled.into()),
            Err(CreateUserOutcome::CredentialTaken) => return Err(ErrorKind::PasskeyTaken.into()),
            Err(CreateUserOutcome::UsernameTaken) => return Err(ErrorKind::UsernameTaken.into()),
            Err(_) => {
                let event = core.event(EventKind::SignUpRefused).client(&client);
                core.events.record(event.reason("email_taken"));
                return Err(ErrorKind::EmailTaken.into());
            }
        };
        core.note_device(&user, &issued.session, false);
        Ok(Outcome::complete(user, issued))
    }
}
