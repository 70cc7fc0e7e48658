//! Sign-up, sign-in and password changes for the client of a request.

use super::{PasswordService, SignUp, login::Login};
use crate::{
    error::AuthError,
    hook::Purpose,
    services::{Client, SignInOutcome},
    session::AuthUser,
};

impl PasswordService {
    /// Creates a user with a password and signs the user in.
    ///
    /// If the client has a session of an anonymous user, that user gets the email address and the
    /// password and retains the id. With [`EmailCodes`](crate::EmailCodes) the outcome is pending
    /// until the email address is verified, and no user exists until then.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::SignUpDisabled`] if sign-up is disabled, or the application rejects the user.
    /// - [`ErrorKind::InvalidEmail`] if the email address is invalid.
    /// - [`ErrorKind::WeakPassword`] with all reasons.
    /// - [`ErrorKind::EmailTaken`] if the email address is registered, after the same one hash.
    /// - [`ErrorKind::InvalidMembers`] if the username is invalid or reserved.
    /// - [`ErrorKind::UsernameTaken`] if another user has the username or one that looks like it,
    ///   whether or not the email address is registered.
    /// - [`ErrorKind::RateLimited`] by IP network.
    /// - [`ErrorKind::Unavailable`] if the store fails or too many hashes are waiting.
    ///
    /// [`ErrorKind::SignUpDisabled`]: crate::ErrorKind::SignUpDisabled
    /// [`ErrorKind::InvalidEmail`]: crate::ErrorKind::InvalidEmail
    /// [`ErrorKind::WeakPassword`]: crate::ErrorKind::WeakPassword
    /// [`ErrorKind::EmailTaken`]: crate::ErrorKind::EmailTaken
    /// [`ErrorKind::InvalidMembers`]: crate::ErrorKind::InvalidMembers
    /// [`ErrorKind::UsernameTaken`]: crate::ErrorKind::UsernameTaken
    /// [`ErrorKind::RateLimited`]: crate::ErrorKind::RateLimited
    /// [`ErrorKind::Unavailable`]: crate::ErrorKind::Unavailable
    pub async fn sign_up(
        &self,
        client: &Client,
        sign_up: SignUp<'_>,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.core();
        client.begin(core, Purpose::SignUp).await?;
        let delivery = client.options().delivery(core).await?;
        let anonymous = client.context().anonymous().await?;
        let current = anonymous.as_ref().map(|auth| (auth.user(), auth.session()));
        let info = client.info().clone();
        let members = client.members();
        let signed_up = self.sign_up_from_session(current, sign_up, delivery, info, members);
        let outcome = signed_up.await?;
        Ok(core.respond(client, outcome).await.of_new_user())
    }

    /// Signs in the user with an email address and a password. If there are
    /// [usernames](crate::AuthBuilder::usernames), `login` without `@` is a username.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidCredentials`] for an unknown or malformed email address or username, a
    ///   wrong password, a disabled user and an account without a password. Each of them computes
    ///   one hash; a password longer than the maximum computes none.
    /// - [`ErrorKind::TooManyAttempts`] if the limit on failed attempts is exceeded.
    /// - [`ErrorKind::Unavailable`] if the store fails or too many hashes are waiting.
    ///
    /// [`ErrorKind::InvalidCredentials`]: crate::ErrorKind::InvalidCredentials
    /// [`ErrorKind::TooManyAttempts`]: crate::ErrorKind::TooManyAttempts
    /// [`ErrorKind::Unavailable`]: crate::ErrorKind::Unavailable
    pub async fn sign_in(
        &self,
        client: &Client,
        login: &str,
        password: &str,
    ) -> Result<SignInOutcome, AuthError> {
        let login = Login::parse(login, &self.core().usernames);
        self.sign_in_as(client, &login, password).await
    }

    pub(super) async fn sign_in_as(
        &self,
        client: &Client,
        login: &Login<'_>,
        password: &str,
    ) -> Result<SignInOutcome, AuthError> {
        let core = self.core();
        client.begin(core, Purpose::SignIn).await?;
        let delivery = client.options().delivery(core).await?;
        let device = client.device_token();
        let info = client.info().clone();
        let outcome = self.sign_in_on(login, password, device, delivery, info).await?;
        Ok(core.respond(client, outcome).await)
    }

    /// Changes the password of the user of a session. An email code may be required first;
    /// otherwise all other sessions, links and remembered devices are revoked, and the session
    /// receives new tokens.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::WrongPassword`] if the current password is wrong, which counts as a failed
    ///   attempt.
    /// - [`ErrorKind::TooManyAttempts`] if the limit on failed attempts is exceeded.
    /// - [`ErrorKind::WeakPassword`] if the new password violates the policy.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    ///
    /// [`ErrorKind::WrongPassword`]: crate::ErrorKind::WrongPassword
    /// [`ErrorKind::TooManyAttempts`]: crate::ErrorKind::TooManyAttempts
    /// [`ErrorKind::WeakPassword`]: crate::ErrorKind::WeakPassword
    /// [`ErrorKind::Unavailable`]: crate::ErrorKind::Unavailable
    pub async fn change_password(
        &self,
        client: &Client,
        user: &AuthUser,
        current: &str,
        new: &str,
    ) -> Result<SignInOutcome, AuthError> {
        let info = client.info().clone();
        let outcome = self.change(user.user(), user.session(), current, new, info).await?;
        Ok(self.core().respond(client, outcome).await)
    }
}
