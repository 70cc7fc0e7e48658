//! Codes and changes of address, without HTTP.

use std::sync::Arc;

use serde_json::{Map, json};

use crate::{
    crypto::handle::OneTimeToken,
    error::{AuthError, ErrorKind},
    mail::MessageKind,
    model::{Client, Email, Session, User},
    services::Core,
    services::{Asked, EmailUndone, Letterhead, Outcome, Pending},
    store::ChallengeKind,
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
    pub device: Option<OneTimeToken>,
}

impl CodesService {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
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
        let (outcome, kind) = self.core.verify_code(handle, code, owner, client).await?;
        let device = match (&outcome, kind) {
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
}
