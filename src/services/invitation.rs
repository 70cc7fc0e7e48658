//! Invitations, and reset links that an administrator sends.
//!
//! Both are links of `POST /password/reset`. An invitation is valid for seven days; its first use
//! verifies the email address. Its challenge is stored for longer, so that a user whose invitation has
//! expired gets a new one.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Core, ResetPolicy};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MailContent, MessageKind, Occasion, outbox::Place},
    model::{Email, User, UserId},
    store::{AccountWrites, Applied, Challenge, ChallengeKind},
    users::{NewUser, Users},
};

/// The validity of an invitation.
const INVITATION_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The time for which it is stored.
const INVITATION_STORED: Duration = Duration::from_secs(365 * 24 * 3600);
/// The messages of administrators have a separate rate limit.
const PURPOSE: &str = "administration";
/// The member of a challenge that is an invitation.
const INVITATION: &str = "invitation";
/// The member with the end of its validity, in milliseconds.
const VALID_UNTIL: &str = "valid_until";

/// Returns whether the link of an invitation is no longer valid.
pub(crate) fn is_expired_invitation(challenge: &Challenge, now: Timestamp) -> bool {
    let until = challenge.data.get(VALID_UNTIL).and_then(Value::as_i64);
    until.is_some_and(|until| now.as_millisecond() >= until)
}

/// A link to set a password, before it is stored and sent.
struct PasswordLink {
    challenge: Challenge,
    letter: MailContent,
    place: Place,
}

impl Users {
    /// Creates a user, and sends a link to set the first password, which is valid for seven days. Its
    /// use verifies the email address, and it works if sign-up is disabled.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, Email, NewUser, User};
    /// async fn invite(auth: &Auth, email: Email) -> Result<User, AuthError> {
    ///     auth.users().invite(NewUser::with_email(email).role("editor")).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`ErrorKind::InvalidMembers`] without an email address;
    /// [`ErrorKind::Unsupported`] without the flow [`PasswordReset`](crate::PasswordReset).
    pub async fn invite(&self, user: impl Into<NewUser>) -> Result<User, AuthError> {
        let core = self.configured()?;
        let new = user.into();
        if new.user().email.is_none() {
            let error = AuthError::new(ErrorKind::InvalidMembers);
            return Err(error.with_extension("members", vec!["email"]));
        }
        // The queue has a place before the user is created.
        let place = core.place_of_links("invite")?;
        let user = self.create(new).await?;
        let Some(email) = user.email.clone() else { return Ok(user) };
        let link = core.password_link(&user, &email, true, place)?;
        core.store_challenge(&link.challenge).await?;
        link.place.send_stored(&link.letter, Some(&user.id))?;
        self.record(core.event(EventKind::UserInvited), &user.id);
        Ok(user)
    }

    /// Sends a link to set a new password to the email address of a user. A user who was invited and
    /// has no password gets a new invitation, and the former one is no longer valid. Nothing is sent
    /// to a user who is disabled or has no email address, or more often than
    /// [`resend_interval`](crate::PasswordReset::resend_interval) allows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist; [`ErrorKind::Unsupported`] without the flow
    /// [`PasswordReset`](crate::PasswordReset); [`ErrorKind::Unavailable`].
    pub async fn send_password_reset(&self, id: &UserId) -> Result<(), AuthError> {
        let core = self.configured()?;
        let user = self.find(id).await?.ok_or(ErrorKind::NotFound)?;
        let place = core.place_of_links("send_password_reset")?;
        let Some(email) = user.email.clone().filter(|_| user.is_active()) else { return Ok(()) };
        let interval = core.reset_policy("send_password_reset")?.interval;
        if core.limits.mail_to(PURPOSE, email.as_str(), interval).await?.is_some() {
            return Ok(());
        }
        let is_invited = core.is_invited(&user).await?;
        let link = core.password_link(&user, &email, is_invited, place)?;
        match is_invited {
            true => core.replace_invitation(&user, &email, &link.challenge).await?,
            false => drop(core.store_challenge(&link.challenge).await?),
        }
        link.place.send_stored(&link.letter, Some(&user.id))?;
        self.record(core.event(EventKind::PasswordResetRequested), id);
        Ok(())
    }
}

impl Core {
    fn reset_policy(&self, operation: &'static str) -> Result<&ResetPolicy, AuthError> {
        self.offered().ok_or_else(|| AuthError::unsupported(operation))
    }

    /// Returns a place in the queue for a link, if there are links.
    fn place_of_links(&self, operation: &'static str) -> Result<Place, AuthError> {
        self.reset_policy(operation)?;
        let outbox = self.outbox.as_ref().ok_or_else(|| AuthError::unsupported(operation))?;
        outbox.place()
    }

    fn password_link(
        &self,
        user: &User,
        to: &Email,
        is_invitation: bool,
        place: Place,
    ) -> Result<PasswordLink, AuthError> {
        let policy = self.reset_policy("send_password_reset")?;
        let handle = OneTimeToken::random(TokenPurpose::Link)?;
        let now: Timestamp = whole_millis(self.clock.now());
        let (kind, lifetime, stored, data) = match is_invitation {
            true => {
                let until = after(now, INVITATION_LIFE).as_millisecond();
                let data = json!({ INVITATION: true, VALID_UNTIL: until });
                (MessageKind::Invitation, INVITATION_LIFE, INVITATION_STORED, data)
            }
            false => (MessageKind::ResetLink, policy.lifetime, policy.lifetime, json!({})),
        };
        let challenge = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::Reset,
            user_id: Some(user.id.clone()),
            address: Some(to.clone()),
            code: None,
            tries: policy.attempts,
            data,
            created_at: now,
            expires_at: after(now, stored),
        };
        let link = self.mail_link("reset", &policy.page, handle.to_token().expose());
        let minutes = lifetime.as_secs().div_ceil(60);
        // The client of the request is that of the administrator.
        let about = Occasion::default().at(now);
        let locale = user.user_metadata.get("locale").and_then(Value::as_str);
        let letter = MailContent::new(kind, to.clone()).with_token_link(link, minutes, &handle);
        Ok(PasswordLink { challenge, letter: letter.about(about).in_language(locale), place })
    }

    /// Returns whether a user has an invitation and no password.
    async fn is_invited(&self, user: &User) -> Result<bool, AuthError> {
        let credentials = self.credentials.list_credentials(&user.id).await?;
        if self.has_password(user, &credentials).await? {
            return Ok(false);
        }
        let links = self.challenges.list_challenges(&user.id, ChallengeKind::Reset).await?;
        Ok(links.iter().any(|link| link.data.get(INVITATION) == Some(&Value::Bool(true))))
    }

    /// Stores an invitation, and deletes the former links.
    async fn replace_invitation(
        &self,
        user: &User,
        email: &Email,
        new: &Challenge,
    ) -> Result<(), AuthError> {
        let write = |own: &User| {
            (own.email.as_ref() == Some(email)).then(|| AccountWrites {
                end_challenges_of: Some(ChallengeKind::Reset),
                challenges: vec![new.clone()],
                ..AccountWrites::new(own.clone())
            })
        };
        match self.users.apply(&user.id, &write).await? {
            Applied::Done(_) => Ok(()),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }
}
