//! Passwords on a session: proved once more, and set for the first time. Without HTTP.

use super::PasswordService;
use crate::{
    clock::whole_millis,
    crypto::password::PasswordText,
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::Guess,
    model::{Client, Factor, Proof, Session, User},
    services::{Outcome, ReliesOn, StepUp, Verified, identifiers_of},
    store::{Credential, Requirement},
};

impl PasswordService {
    /// Steps a session up: the user proves the password once more, and the session gets new tokens
    /// with the proof on it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WrongPassword`], counted as an attempt; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::InvalidToken`] if the session ended meanwhile; [`ErrorKind::Unavailable`].
    pub async fn step_up(
        &self,
        user: &User,
        session: &Session,
        password: &str,
        client: Client,
    ) -> Result<Outcome, AuthError> {
        let credential = self.require_current(user, password, &client).await?;
        let proof = Proof::new(Factor::Password, whole_millis(self.core().clock.now()));
        let relies_on = ReliesOn::Credential(Verified::password(&credential));
        let begun = self.core().step_up(user, session, StepUp { proof, relies_on }).await;
        let begun = begun.map_err(|error| match error.kind() {
            // Another password was set in the meantime.
            ErrorKind::InvalidCredentials => ErrorKind::WrongPassword.into(),
            _ => error,
        })?;
        let event = self.core().event(EventKind::SteppedUp).user(&user.id);
        self.core().events.record(event.session(session.id).ip(client.ip.as_deref()));
        Ok(begun)
    }

    /// Sets the first password of a user, which counts as a proof of it on the session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PasswordExists`]; [`ErrorKind::WeakPassword`]; [`ErrorKind::InvalidToken`] if
    /// the session ended meanwhile; [`ErrorKind::Unavailable`].
    ///
    /// # Security
    ///
    /// The caller has to require recent authentication first.
    pub async fn set_first(
        &self,
        user: &User,
        session: &Session,
        new: &str,
        client: &Client,
    ) -> Result<Outcome, AuthError> {
        let turn = self.core().limits.turn(client.ip.as_deref(), user.id.as_str());
        let hash = self.core().passwords()?.hash_new(&turn, new, &identifiers_of(user)).await?;
        if self.password_of(&user.id).await?.is_some() {
            return Err(ErrorKind::PasswordExists.into());
        }
        let first = Some(Requirement::NoPassword);
        match self.core().change_password(user, session, &hash, first, client).await {
            // Another request of the session was faster, unless the session has ended.
            Err(_)
                if self.core().sessions.resolve(session.id).await?.is_some()
                    && self.password_of(&user.id).await?.is_some() =>
            {
                Err(ErrorKind::PasswordExists.into())
            }
            outcome => outcome,
        }
    }

    /// Compares the current password of a signed-in user; every attempt is counted. Returns the
    /// credential as it was compared.
    pub(super) async fn require_current(
        &self,
        user: &User,
        current: &str,
        client: &Client,
    ) -> Result<Credential, AuthError> {
        let ip = client.ip.as_deref();
        let counted = self.core().limits.guess(Guess::OwnPassword, user.id.as_str(), ip).await?;
        let text = PasswordText::for_check(current).ok_or(ErrorKind::WrongPassword)?;
        let turn = self.core().limits.turn(ip, user.id.as_str());
        let (verified, credential) = self.check(Some(user), &turn, current, text).await?;
        let Some(credential) = credential.filter(|_| verified.matches) else {
            let event = self.core().event(EventKind::SignInFailed).user(&user.id).ip(ip);
            self.core().events.record(event.reason("wrong_password"));
            return Err(ErrorKind::WrongPassword.into());
        };
        self.core().limits.succeeded(counted).await;
        Ok(credential)
    }
}
