//! Remembered devices, and lockouts of password sign-in.

use crate::{
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    event::EventKind,
    limit::{Counted, Guess},
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Email, User},
    services::Core,
    store::{Challenge, ChallengeKind},
};

/// A password attempt that was counted.
#[derive(Debug)]
pub(crate) struct PasswordAttempt {
    pub(crate) counted: Counted,
    /// The remembered device that it comes from.
    pub(crate) device: Option<Challenge>,
    /// The user with the username of the attempt.
    pub(crate) named: Option<User>,
    /// The account for which it was counted.
    pub(crate) account: String,
}

impl Core {
    /// Counts a password attempt before the password is compared: for the account, or, on a device
    /// that signed in to the account before, for that device. `login` is an email address, or other
    /// text; in that case `named` looks up the user with that username. The attempt is counted for
    /// the network of the client first, so that a client that is rejected causes no lookup.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`](crate::error::ErrorKind::TooManyAttempts).
    pub(crate) async fn count_password(
        &self,
        login: Result<&Email, &str>,
        named: impl Future<Output = Result<Option<User>, AuthError>> + Send,
        device: Option<&str>,
        ip: Option<&str>,
    ) -> Result<PasswordAttempt, AuthError> {
        let device = self.find_device(device).await?;
        // The device of a username is compared when its user is known.
        let is_known = |device: &&Challenge| match login {
            Ok(email) => device.address.as_ref() == Some(email),
            Err(_) => true,
        };
        let known = device.as_ref().filter(is_known);
        let mut guess = known.map_or(Guess::Password, |device| Guess::PasswordFrom(device.id));
        let mut counted = self.limits.guess_from(guess, ip).await?;
        let named = named.await?;
        let is_own = |user: &User| is_remembered(user, known);
        if login.is_err() && known.is_some() && !named.as_ref().is_some_and(is_own) {
            self.limits.uncount(counted).await?;
            guess = Guess::Password;
            counted = self.limits.guess_from(guess, ip).await?;
        }
        let text = login.map_or_else(|text| text, Email::as_str);
        let account = named.as_ref().map_or(text, password_account).to_owned();
        let counted = self.limits.guess_of(counted, guess, &account, ip).await?;
        Ok(PasswordAttempt { counted, device, named, account })
    }

    pub(super) async fn find_device(
        &self,
        token: Option<&str>,
    ) -> Result<Option<Challenge>, AuthError> {
        let handle = token.and_then(|text| OneTimeToken::parse(TokenPurpose::Device, text));
        let Some(id) = handle.as_ref().map(OneTimeToken::digest) else { return Ok(None) };
        let found = self.challenges.find_challenge(&id, self.clock.now()).await?;
        Ok(found.filter(|found| found.kind == ChallengeKind::TrustedDevice))
    }

    /// Notifies the user that password sign-in is locked for a day, if this failure exceeded the
    /// maximum.
    pub(crate) fn tell_if_locked(&self, user: &User, counted: &Counted, client: &ClientInfo) {
        if counted.locks_account() {
            self.events.record(self.event(EventKind::AccountLocked).user(&user.id).client(client));
            self.notify(user, MessageKind::Locked, Occasion::of(client));
        }
    }
}

/// Returns the text by which the password attempts of a user are counted: the email address, or the
/// id of a user without one.
pub(super) fn password_account(user: &User) -> &str {
    user.email.as_ref().map_or(user.id.as_str(), Email::as_str)
}

/// Returns `true` if a device is remembered for a user.
pub(super) fn is_remembered(user: &User, device: Option<&Challenge>) -> bool {
    device.is_some_and(|device| device.user_id.as_ref() == Some(&user.id))
}
