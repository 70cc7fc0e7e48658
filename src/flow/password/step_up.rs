//! Step-up with a password and the first password of a user, without HTTP.

use super::PasswordService;
use crate::{
    clock::whole_millis,
    crypto::password::NormalizedPassword,
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::Guess,
    model::{ClientInfo, Factor, FactorProof, Session, User},
    services::{Authority, Outcome, PasswordChange, PasswordOf, ReliesOn, StepUp, Verified},
    store::{Credential, Requirement},
};

impl PasswordService {
    /// Completes a step-up with the password: the session gets new tokens and the verified factor.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::WrongPassword`] if the password is wrong, which counts as a failed attempt.
    /// - [`ErrorKind::TooManyAttempts`] if the limit on failed attempts is exceeded.
    /// - [`ErrorKind::InvalidToken`] if the session has ended in the meantime.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn step_up(
        &self,
        user: &User,
        session: &Session,
        password: &str,
        client: ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let credential = self.require_current(user, password, &client).await?;
        let proof = FactorProof::new(Factor::Password, whole_millis(self.core().clock.now()));
        let relies_on = ReliesOn::Credential(Verified::password(&credential));
        let begun = self.core().step_up(user, session, StepUp { proof, relies_on }).await;
        let begun = begun.map_err(|error| match error.kind() {
            // Another password was set in the meantime.
            ErrorKind::InvalidCredentials => ErrorKind::WrongPassword.into(),
            _ => error,
        })?;
        let event = self.core().event(EventKind::SteppedUp).user(&user.id);
        self.core().events.record(event.session(session.id).client(&client));
        Ok(begun)
    }

    /// Sets the first password of a user, which counts as verified on the session.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::PasswordExists`] if the user already has a password.
    /// - [`ErrorKind::WeakPassword`] if the password violates the policy.
    /// - [`ErrorKind::InvalidToken`] if the session has ended in the meantime.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    ///
    /// # Security
    ///
    /// The caller must require recent authentication first.
    pub async fn set_first(
        &self,
        user: &User,
        session: &Session,
        new: &str,
        client: &ClientInfo,
    ) -> Result<Outcome, AuthError> {
        self.set_first_by(Authority::Fresh, (user, session), new, client).await
    }

    /// Sets a first password with this authority. A password that an account recovery allowed does not count as verified.
    pub(super) async fn set_first_by(
        &self,
        authority: Authority,
        (user, session): (&User, &Session),
        new: &str,
        client: &ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let turn = self.core().limits.turn(client.ip.as_deref(), user.id.as_str());
        let hash =
            self.core().passwords()?.hash_new(&turn, new, PasswordOf::Existing(user)).await?;
        let own = self.password_of(&user.id).await?;
        if self.core().has_password(user, own.as_slice()).await? || own.is_some() {
            return Err(ErrorKind::PasswordExists.into());
        }
        let change = PasswordChange {
            hash: &hash,
            current: Some(Requirement::NoPassword),
            is_verified: authority.is_fresh(),
        };
        match self.core().change_password(user, session, change, client).await {
            // A concurrent request of the session set the password, unless the session has ended.
            Err(_)
                if self.core().sessions.resolve(session.id).await?.is_some()
                    && self.password_of(&user.id).await?.is_some() =>
            {
                Err(ErrorKind::PasswordExists.into())
            }
            outcome => outcome,
        }
    }

    /// Verifies the current password of a signed-in user. Every attempt is counted. Returns the
    /// credential as of the verification.
    pub(super) async fn require_current(
        &self,
        user: &User,
        current: &str,
        client: &ClientInfo,
    ) -> Result<Credential, AuthError> {
        let ip = client.ip.as_deref();
        let counted = self.core().limits.guess(Guess::OwnPassword, user.id.as_str(), ip).await?;
        let text = NormalizedPassword::parse_existing(current).ok_or(ErrorKind::WrongPassword)?;
        let turn = self.core().limits.turn(ip, user.id.as_str());
        let (verified, credential, _) = self.check(Some(user), &turn, current, text).await?;
        let Some(credential) = credential.filter(|_| verified.matches) else {
            let event = self.core().event(EventKind::SignInFailed).user(&user.id).ip(ip);
            self.core().events.record(event.reason("wrong_password"));
            return Err(ErrorKind::WrongPassword.into());
        };
        self.core().limits.succeeded(counted).await;
        Ok(credential)
    }
}
