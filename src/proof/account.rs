//! What a proof changes in an account.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{NewPasswords, Outcome, sign_in::read};
use crate::{
    auth::Core,
    clock::whole_millis,
    crypto::{digest::Digest, random},
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{Client, Email, Factor, Proof, Session, SessionId, Transport, User, UserId},
    session::{Beginning, Issued},
    store::{Challenge, ChallengeKind, Creation, Credential, CredentialKind, Renewal, Use},
};

/// A sign-up that waits for the proof of its address. No user exists before.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignUpData {
    pub(crate) hash: String,
    pub(crate) display_name: Option<String>,
    pub(crate) user_metadata: Map<String, Value>,
    pub(crate) transport: Transport,
    /// The anonymous user whose session asked.
    #[serde(default)]
    pub(crate) anonymous: Option<UserId>,
}

impl Core {
    /// Makes the user of a sign-up whose address was proved, or hands over an account that was
    /// made without proof, with nothing of what was there.
    pub(crate) async fn complete_sign_up(
        &self,
        challenge: &Challenge,
        client: Client,
    ) -> Result<Outcome, AuthError> {
        let email = challenge.address.clone().ok_or(ErrorKind::ChallengeExpired)?;
        let data: SignUpData = read(&challenge.data, "sign_up")?;
        let now = whole_millis(self.clock.now());
        let mut user = User {
            email: Some(email.clone()),
            email_verified_at: Some(now),
            display_name: data.display_name,
            user_metadata: data.user_metadata,
            ..User::new(new_user_id(now)?, now)
        };
        let password = password_credential(&user.id, &data.hash, now)?;
        let anonymous = data.anonymous.as_ref();
        let creation = self.take_in(&user, &password, anonymous).await?;
        if let Creation::Created(made) = creation {
            user = *made;
            self.events.record(self.event(EventKind::SignedUp).user(&user.id));
        } else if matches!(creation, Creation::Refused) {
            return Err(ErrorKind::SignUpDisabled.into());
        } else {
            let taken = || AuthError::from(ErrorKind::EmailTaken);
            let former = self.users.find_user_by_email(&email).await?.ok_or_else(taken)?;
            if former.email_verified_at.is_some() || !former.is_active() {
                return Err(taken());
            }
            let (display_name, user_metadata) = (user.display_name, user.user_metadata);
            user = User { display_name, user_metadata, ..former };
            let password = password_credential(&user.id, &data.hash, now)?;
            self.claim(&mut user, Some(&password), true).await?;
        }
        let factors = [Factor::Password, Factor::EmailCode];
        let factors = factors.map(|method| Proof { method, at: now }).to_vec();
        let beginning = Beginning::new(factors, data.transport, client);
        let issued = self.sessions.begin_with(&user, beginning).await?;
        self.end_anonymous(anonymous, issued.session.id).await?;
        self.note_device(&user, &issued.session, false);
        Ok(Outcome::complete(user, issued))
    }

    /// Sets a password: every session, link and remembered device of the user ends, but for a
    /// session that is to stay. Answers whether `spend` could pay for it, if given, and whether
    /// that session still stood.
    pub(crate) async fn set_password(
        &self,
        user: &User,
        hash: &str,
        spend: Option<&Digest>,
        everything: bool,
        keep: Option<SessionId>,
    ) -> Result<bool, AuthError> {
        let now = whole_millis(self.clock.now());
        let elsewhere = self.users.keeps_passwords();
        let mut password = password_credential(&user.id, hash, now)?;
        if elsewhere {
            password.data = json!({});
        }
        let change = Renewal { user: &user.id, password: Some(&password), spend, everything, keep };
        if !self.credentials.renew_security(&change, now).await? {
            return Ok(false);
        }
        if elsewhere {
            self.users.set_password(&user.id, hash).await?;
        }
        if let Some(email) = &user.email {
            self.limits.forget_password(email.as_str()).await?;
        }
        self.notify(user, MessageKind::PasswordChanged);
        Ok(true)
    }

    /// A new session in the place of one, with what was proved on it and one proof more.
    pub(crate) async fn begin_anew(
        &self,
        user: User,
        session: &Session,
        factor: Factor,
        using: Option<Use>,
    ) -> Result<Outcome, AuthError> {
        let now = whole_millis(self.clock.now());
        let mut beginning = Beginning { using, ..Beginning::instead_of(session) };
        beginning.factors.retain(|proof| proof.method != factor);
        beginning.factors.push(Proof { method: factor, at: now });
        let issued = self.sessions.begin_with(&user, beginning).await?;
        Ok(Outcome::complete(user, issued))
    }

    /// A new session in the place of one: what a user may sign in with has changed (SE-04).
    pub(crate) async fn renew_session(
        &self,
        user: &User,
        session: &Session,
    ) -> Result<Issued, AuthError> {
        self.sessions.begin_with(user, Beginning::instead_of(session)).await
    }

    /// Carries out a change of password that needs no further proof.
    pub(crate) async fn change_password(
        &self,
        user: &User,
        session: &Session,
        hash: &str,
    ) -> Result<Outcome, AuthError> {
        if !self.set_password(user, hash, None, false, Some(session.id)).await? {
            return Err(ErrorKind::InvalidToken.into());
        }
        let event = self.event(EventKind::PasswordChanged).user(&user.id);
        self.events.record(event.session(session.id));
        self.begin_anew(user.clone(), session, Factor::Password, None).await
    }

    pub(crate) fn passwords(&self) -> Result<&Arc<dyn NewPasswords>, AuthError> {
        self.passwords.get().ok_or_else(|| {
            AuthError::new(ErrorKind::Misconfigured).because("register the Password flow too")
        })
    }

    /// Whether the password of a sign-in is still the one that was compared. Asked after its
    /// session or challenge began, so a change that was faster is seen and one that comes later ends it.
    pub(crate) async fn is_still(
        &self,
        password: &Credential,
        outcome: Outcome,
    ) -> Result<Outcome, AuthError> {
        let now = self.credentials.find_settled(password.kind, &password.lookup).await?;
        if now.is_some_and(|now| now.id == password.id && now.updated_at == password.updated_at) {
            return Ok(outcome);
        }
        if let Outcome::Complete(complete) = &outcome {
            self.sessions.revoke(complete.1.session.id).await?;
        }
        Err(ErrorKind::InvalidCredentials.into())
    }

    /// The link by which a former address takes a change back.
    pub(crate) async fn undo_link(&self, user: &User, former: &Email) -> Result<String, AuthError> {
        use crate::crypto::handle::{Handle, HandleKind};
        const LIFE: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);
        let handle = Handle::random(HandleKind::Link)?;
        let mut challenge = self.of_user(ChallengeKind::EmailUndo, handle.digest(), user, LIFE);
        challenge.data = json!({ "former": former });
        self.challenges.insert_challenge(&challenge).await?;
        Ok(format!(
            "{}/undo-email-change#token={}",
            self.origins.first(),
            handle.to_plain().expose()
        ))
    }
}

/// What a password must not contain.
pub(crate) fn identifiers_of(user: &User) -> Vec<&str> {
    let local = user.email.as_ref().map(Email::local_part);
    local.into_iter().chain(user.display_name.as_deref()).chain(user.username.as_deref()).collect()
}

pub(crate) fn password_credential(
    user: &UserId,
    hash: &str,
    now: Timestamp,
) -> Result<Credential, AuthError> {
    Ok(Credential {
        id: new_user_id(now)?.as_str().to_owned(),
        user_id: user.clone(),
        kind: CredentialKind::Password,
        lookup: user.as_str().to_owned(),
        data: json!({ "hash": hash }),
        created_at: now,
        updated_at: now,
        last_used_at: None,
    })
}

/// A UUIDv7 of the clock's time (RFC 9562 §5.7).
pub(crate) fn new_user_id(now: Timestamp) -> Result<UserId, AuthError> {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes()?).into_uuid();
    Ok(UserId::new(Uuid::to_string(&id)))
}
