//! Email codes and changes of the email address, without HTTP.

use std::sync::Arc;

use serde_json::{Map, json};

use crate::{
    crypto::handle::OneTimeToken,
    error::{AuthError, ErrorKind},
    mail::MessageKind,
    model::{ClientInfo, Email, Session, User},
    services::Core,
    services::{Asked, EmailUndone, Letterhead, Outcome, Pending},
    store::ChallengeKind,
};

/// Verifies codes, sends them again, and changes email addresses.
#[derive(Clone, Debug)]
pub struct EmailCodeService {
    core: Arc<Core>,
}

/// The result of a verified code.
#[derive(Debug)]
#[non_exhaustive]
pub struct VerifyOutcome {
    /// The session, or the verification that is still required.
    pub outcome: Outcome,
    /// The token of a device that is now remembered.
    pub device: Option<OneTimeToken>,
}

impl EmailCodeService {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Verifies a code. `owner` is the session of the request, which must match if the challenge
    /// belongs to one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle that is unknown, used, expired or out of
    /// attempts; [`ErrorKind::InvalidCode`]; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::Unauthenticated`] without the session that started a change;
    /// [`ErrorKind::EmailTaken`] if another user has the email address in the meantime.
    pub async fn verify(
        &self,
        handle: &str,
        code: &str,
        remember: bool,
        owner: Option<(&User, &Session)>,
        client: ClientInfo,
    ) -> Result<VerifyOutcome, AuthError> {
        let (outcome, challenge) = self.core.verify_code(handle, code, owner, client).await?;
        let device = match (&outcome, challenge.kind) {
            (Outcome::Complete(complete), ChallengeKind::SignIn | ChallengeKind::SignUp)
                if remember =>
            {
                self.core.remember_device(&complete.0, &complete.1.session).await
            }
            _ => None,
        };
        Ok(VerifyOutcome { outcome, device })
    }

    /// Replaces the code of a challenge and sends the new one. Attempts are not reset.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`]; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn resend(&self, handle: &str, client: &ClientInfo) -> Result<Pending, AuthError> {
        self.core.ask_again(handle, client).await
    }

    /// Sends a code to a new email address. It invalidates an earlier change that is pending.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidEmail`]; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`]. Whether
    /// the email address is registered is disclosed only after it was verified.
    ///
    /// # Security
    ///
    /// The caller must require recent authentication first.
    pub async fn change_email(
        &self,
        user: &User,
        session: &Session,
        new: &str,
        client: &ClientInfo,
    ) -> Result<Pending, AuthError> {
        let new = Email::parse(new).map_err(|_| ErrorKind::InvalidEmail)?;
        self.core.request_email_change(user, session, &new, client).await
    }

    /// Sends a code with which the user of a session verifies the mailbox again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::EmailNotVerified`] for a user without a verified email address;
    /// [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn start_step_up(
        &self,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<Pending, AuthError> {
        let to = user.verified_email().ok_or(ErrorKind::EmailNotVerified)?;
        let data = Map::from_iter([("session".to_owned(), json!(session.id))]);
        let letter = Letterhead { kind: MessageKind::StepUpCode, to, user: Some(user) };
        let kind = ChallengeKind::StepUp;
        self.core.ask(Asked { kind, letter, decoy: false, data, client }).await
    }

    /// Reverts a change of the email address, together with every later one: the user gets the
    /// previous address back, and all sessions, remembered devices, the password, and everything
    /// that was added since the change was requested are deleted. Returns the token that sets a new
    /// password.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidLink`]; [`ErrorKind::EmailTaken`] if another user has verified the
    /// address in the meantime; the link then remains valid.
    pub async fn revert_email_change(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<EmailUndone, AuthError> {
        self.core.undo_email_change(token, client).await
    }
}
