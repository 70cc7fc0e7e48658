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
}

impl Core {
    /// Counts a password attempt before the password is compared: for the account, or, on a device
    /// that signed in to the account before, for that device.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`](crate::error::ErrorKind::TooManyAttempts).
    pub(crate) async fn count_password(
        &self,
        account: Result<&Email, &str>,
        device: Option<&str>,
        ip: Option<&str>,
    ) -> Result<PasswordAttempt, AuthError> {
        let device = self.find_device(device).await?;
        let known = device.as_ref().zip(account.ok());
        let known = known.filter(|(device, email)| device.address.as_ref() == Some(*email));
        let guess = match known {
            Some((device, _)) => Guess::PasswordFrom(device.id),
            None => Guess::Password,
        };
        let account = account.map_or_else(|text| text, Email::as_str);
        let counted = self.limits.guess(guess, account, ip).await?;
        Ok(PasswordAttempt { counted, device })
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

/// Returns `true` if a device is remembered for a user.
pub(super) fn is_remembered(user: &User, device: Option<&Challenge>) -> bool {
    device.is_some_and(|device| device.user_id.as_ref() == Some(&user.id))
}
