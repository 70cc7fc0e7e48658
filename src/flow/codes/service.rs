//! Codes and changes of address, without HTTP.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{
    clock::whole_millis,
    crypto::handle::Handle,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{Client, Email, Factor, Proof, Session, User},
    services::Core,
    services::{self, Asked, EmailUndone, Letterhead, Outcome, Pending, ReliesOn, StepUp},
    store::{Challenge, ChallengeKind},
};

/// Takes codes, sends them again, and changes addresses.
#[derive(Clone, Debug)]
pub struct CodesService {
    core: Arc<Core>,
}

/// What a right code led to.
#[derive(Debug)]
pub struct Verified {
    /// A session, or what is still to be proved.
    pub outcome: Outcome,
    /// The token of a device that is remembered from here on.
    pub device: Option<Handle>,
}

impl CodesService {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Takes a code. `owner` is who is signed in, where a challenge belongs to a session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle that is unknown, used, expired or out of
    /// tries; [`ErrorKind::InvalidCode`]; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::Unauthenticated`] without the session that began a change;
    /// [`ErrorKind::EmailTaken`] when the address has found another owner meanwhile.
    pub async fn verify(
        &self,
        handle: &str,
        code: &str,
        remember: bool,
        owner: Option<(&User, &Session)>,
        client: Client,
    ) -> Result<Verified, AuthError> {
        let ip = client.ip.clone();
        let challenge = self.core.answer(handle, code, owner, ip.as_deref()).await?;
        let outcome = match challenge.kind {
            ChallengeKind::SignUp => self.core.complete_sign_up(&challenge, client).await?,
            ChallengeKind::SignIn => self.core.complete_sign_in(&challenge, client).await?,
            ChallengeKind::PasswordChange => {
                self.complete_change(&challenge, owner, &client).await?
            }
            ChallengeKind::EmailChange => {
                let (user, session) = self.same_session(&challenge, owner)?;
                self.core.complete_email_change(&challenge, user, session, &client).await?
            }
            ChallengeKind::StepUp => self.complete_step_up(&challenge, owner, &client).await?,
            _ => return Err(ErrorKind::ChallengeExpired.into()),
        };
        let device = match (&outcome, challenge.kind) {
            (Outcome::Complete(complete), ChallengeKind::SignIn | ChallengeKind::SignUp)
                if remember =>
            {
                self.core.remember_device(&complete.0, &complete.1.session).await
            }
            _ => None,
        };
        Ok(Verified { outcome, device })
    }

    /// Sends a newer code in the place of the older one. Tries stay counted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`]; [`ErrorKind::RateLimited`];
    /// [`ErrorKind::Unavailable`].
    pub async fn resend(&self, handle: &str, client: &Client) -> Result<Pending, AuthError> {
        self.core.ask_again(handle, client).await
    }

    /// Sends a code to a new address. A newer change voids the older.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidEmail`]; [`ErrorKind::RateLimited`];
    /// [`ErrorKind::Unavailable`]. Whether the address is taken is not told before it is
    /// proved.
    ///
    /// # Security
    ///
    /// The caller has to ask for a fresh proof of the user first.
    pub async fn change_email(
        &self,
        user: &User,
        session: &Session,
        new: &str,
        client: &Client,
    ) -> Result<Pending, AuthError> {
        let new = Email::parse(new).map_err(|_| ErrorKind::InvalidEmail)?;
        self.core.request_email_change(user, session, &new, client).await
    }

    /// Sends a code by which the user of a session proves the mailbox once more.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::EmailNotVerified`] for a user without a verified email address;
    /// [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn start_step_up(
        &self,
        user: &User,
        session: &Session,
        client: &Client,
    ) -> Result<Pending, AuthError> {
        let verified = user.email.as_ref().filter(|_| user.email_verified_at.is_some());
        let to = verified.ok_or(ErrorKind::EmailNotVerified)?;
        let mut data = Map::new();
        data.insert("session".to_owned(), json!(session.id));
        let letter = Letterhead { kind: MessageKind::StepUpCode, to, user: Some(user) };
        let kind = ChallengeKind::StepUp;
        self.core.ask(Asked { kind, letter, decoy: false, data, client }).await
    }

    /// Takes a change of address back, together with every later one: the former address is the
    /// user's again, and every session, remembered device, password, and whatever was added since
    /// the change was requested goes. Returns the token that sets a new password.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidLink`]; [`ErrorKind::EmailTaken`] if another user has verified the
    /// address meanwhile, and then the link stays good.
    pub async fn undo_email(&self, token: &str, client: &Client) -> Result<EmailUndone, AuthError> {
        self.core.undo_email_change(token, client).await
    }

    async fn complete_change(
        &self,
        challenge: &Challenge,
        owner: Option<(&User, &Session)>,
        client: &Client,
    ) -> Result<Outcome, AuthError> {
        let (user, session) = self.same_session(challenge, owner)?;
        let hash = challenge.data.get("hash").and_then(Value::as_str);
        let hash = hash.ok_or(ErrorKind::ChallengeExpired)?;
        let current: Option<services::Verified> =
            serde_json::from_value(challenge.data.get("current").cloned().unwrap_or_default())
                .map_err(|_| ErrorKind::ChallengeExpired)?;
        let current = current.as_ref().map(services::Verified::requirement);
        self.core.change_password(user, session, hash, current, client).await
    }

    async fn complete_step_up(
        &self,
        challenge: &Challenge,
        owner: Option<(&User, &Session)>,
        client: &Client,
    ) -> Result<Outcome, AuthError> {
        let (user, session) = self.same_session(challenge, owner)?;
        let email = challenge.address.as_ref().ok_or(ErrorKind::ChallengeExpired)?;
        let proof = Proof::new(Factor::EmailCode, whole_millis(self.core.clock.now()));
        let step_up = StepUp { proof, relies_on: ReliesOn::Email(email) };
        let begun = self.core.step_up(user, session, step_up).await?;
        let event = self.core.event(EventKind::SteppedUp).user(&user.id).session(session.id);
        self.core.events.record(event.ip(client.ip.as_deref()));
        Ok(begun)
    }

    /// A change is finished on the session that began it.
    fn same_session<'a>(
        &self,
        challenge: &Challenge,
        owner: Option<(&'a User, &'a Session)>,
    ) -> Result<(&'a User, &'a Session), AuthError> {
        let (user, session) = owner.ok_or(ErrorKind::Unauthenticated)?;
        if challenge.data.get("session") != Some(&json!(session.id)) {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        Ok((user, session))
    }
}
