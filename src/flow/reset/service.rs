//! Password reset, without HTTP.

use std::sync::Arc;

use serde_json::{Value, json};

use super::PasswordReset;
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MailContent, MessageKind, Occasion},
    model::{ClientInfo, Email},
    services::{Core, PasswordOf, is_expired_invitation},
    store::{Challenge, ChallengeKind},
};

/// The messages of this flow have a separate rate limit.
const PURPOSE: &str = "reset";

/// Sends reset links and sets new passwords.
#[derive(Clone, Debug)]
pub struct PasswordResetService {
    core: Arc<Core>,
    options: Arc<PasswordReset>,
}

impl PasswordResetService {
    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    pub(super) fn new(core: Arc<Core>, options: PasswordReset) -> Self {
        Self { core, options: Arc::new(options) }
    }

    /// Returns the path of the page for changing the password, if configured.
    pub(super) fn change_page(&self) -> Option<&str> {
        self.options.change_page.as_deref()
    }

    /// Sends a link to the user of an email address, within the rate limit: three messages at once,
    /// then one per interval. The response, the statements and the limits are the same for an email
    /// address that is not registered.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidEmail`] if the email address is invalid.
    /// - [`ErrorKind::RateLimited`] by IP network.
    /// - [`ErrorKind::Unavailable`] if the store fails or the mail queue is full.
    pub async fn request(&self, email: &str, client: &ClientInfo) -> Result<(), AuthError> {
        let core = &self.core;
        let ip = client.ip.as_deref();
        core.limits.mail_from(PURPOSE, ip).await?;
        let email = Email::parse(email).map_err(|_| ErrorKind::InvalidEmail)?;
        let outbox = core.outbox.as_ref().ok_or(ErrorKind::Misconfigured)?;
        let place = outbox.place()?;
        let interval = self.options.interval;
        if core.limits.mail_to(PURPOSE, email.as_str(), interval).await?.is_some() {
            return Ok(());
        }
        let user = core.users.find_user_by_email(&email).await?;
        let user = user.filter(crate::model::User::is_active);
        let handle = OneTimeToken::random(TokenPurpose::Link)?;
        let now = whole_millis(core.clock.now());
        let challenge = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::Reset,
            user_id: user.as_ref().map(|user| user.id.clone()),
            address: Some(email),
            code: None,
            tries: self.options.tries,
            data: json!({}),
            created_at: now,
            expires_at: after(now, self.options.lifetime),
        };
        core.store_requested(challenge).await?;
        core.events.record(core.event(EventKind::ProofRequested).ip(ip).reason("reset"));
        if let Some((user, to)) = user.as_ref().and_then(|user| Some((user, user.email.clone()?))) {
            let link = core.mail_link("reset", &self.options.page, handle.to_token().expose());
            let minutes = self.options.lifetime.as_secs().div_ceil(60);
            let about = Occasion::of(client).at(now);
            let letter = MailContent::new(MessageKind::ResetLink, to).about(about);
            let letter = letter.with_token_link(link, minutes, &handle);
            let locale = user.user_metadata.get("locale").and_then(Value::as_str);
            let letter = letter.in_language(locale.or(client.language.as_deref()));
            place.send_stored(&letter, Some(&user.id))?;
            let event = core.event(EventKind::PasswordResetRequested).user(&user.id);
            core.events.record(event.client(client));
        }
        Ok(())
    }

    /// Sets the password of the user to whom a link was sent.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidLink`] for a link that is unknown, used or expired, or whose user is
    ///   deleted, disabled or has another email address.
    /// - [`ErrorKind::WeakPassword`] if the password violates the policy; the link can be used
    ///   again.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn reset(
        &self,
        token: &str,
        password: &str,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let core = &self.core;
        let handle =
            OneTimeToken::parse(TokenPurpose::Link, token).ok_or_else(|| self.refuse("form"))?;
        let (id, now) = (handle.digest(), core.clock.now());
        let found = core.challenges.find_challenge(&id, now).await?;
        let is_link =
            |own: &Challenge| own.kind == ChallengeKind::Reset && !is_expired_invitation(own, now);
        if !found.as_ref().is_some_and(is_link) {
            return Err(self.refuse("unknown"));
        }
        let tried = core.challenges.try_challenge(&id, now).await?;
        let challenge = tried.ok_or_else(|| self.refuse("tries"))?;
        let user = match &challenge.user_id {
            Some(user) => core.users.find_user(user).await?,
            None => None,
        };
        let user = user.filter(|user| user.is_active() && user.email == challenge.address);
        let user = user.ok_or_else(|| self.refuse("user"))?;
        let turn = core.limits.turn(client.ip.as_deref(), user.id.as_str());
        // The reset of an account that was never verified claims it, and deletes its factors.
        let of = match user.email_verified_at {
            Some(_) => PasswordOf::Existing(&user),
            None => PasswordOf::New(&user),
        };
        let hash = core.passwords()?.hash_new(&turn, password, of).await?;
        if !core.reset_password(&user, &challenge, &hash, client).await? {
            return Err(self.refuse("used"));
        }
        Ok(())
    }

    fn refuse(&self, reason: &'static str) -> AuthError {
        self.core.events.record(self.core.event(EventKind::ProofRefused).reason(reason));
        ErrorKind::InvalidLink.into()
    }
}
