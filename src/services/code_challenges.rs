//! Challenges of a flow that are verified with a code.

use std::{fmt, marker::PhantomData};

use http::HeaderValue;
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    ChallengeHandle, Client, Consumed, Core, Notice, Owner, Pending, PendingChallenge, Services,
    code::as_written,
    consumed::{Secrets, Stored, mail_tag},
    delivery::{Counted, Delivery},
};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{self, OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::Purpose,
    limit::Guess,
    mail::Occasion,
    model::{Factor, UserId},
    store::{Challenge, ChallengeKind},
};

/// Challenges of one kind that are verified with a code. The code is delivered to the recipient,
/// and the client that started the operation has the handle. A flow never sees a code.
pub struct CodeChallenges<T> {
    pub(super) services: Services,
    delivery: Delivery,
    data: PhantomData<fn(T) -> T>,
}

impl<T> CodeChallenges<T> {
    pub(crate) fn new(services: Services, delivery: Delivery) -> Self {
        Self { services, delivery, data: PhantomData }
    }

    pub(super) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Returns the name of the kind.
    pub(crate) fn name(&self) -> &'static str {
        self.delivery.name
    }

    pub(super) fn kind(&self) -> ChallengeKind {
        ChallengeKind::Custom(self.delivery.name)
    }

    pub(super) fn factor(&self) -> Factor {
        self.delivery.factor
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> CodeChallenges<T> {
    /// Creates a challenge, and delivers its code outside the request path.
    ///
    /// A recipient can receive three codes at once, then one per interval. If no code can be sent
    /// now, the response is the same with a later `resend_at`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] for the network; [`ErrorKind::Unavailable`].
    pub async fn issue<'a>(
        &self,
        client: &Client,
        owner: impl Into<Owner<'a>>,
        recipient: &str,
        data: T,
    ) -> Result<PendingChallenge, AuthError> {
        let owner = owner.into();
        let data = serde_json::to_value(data).map_err(AuthError::misconfigured)?;
        self.begin(client, owner, recipient, Stored::new(client, owner, data)).await
    }

    /// Creates a challenge that no code verifies, for an unknown recipient. Nothing is delivered,
    /// but the response, the statements and the limits are the same as for [`issue`](Self::issue).
    /// With a notice, the recipient receives that message in place of a code, if codes are
    /// delivered [by email](super::Mail::codes).
    ///
    /// ```
    /// use authlayer::{AuthError, Client, PendingChallenge, services::CodeChallenges};
    ///
    /// async fn start(
    ///     codes: &CodeChallenges<()>,
    ///     client: &Client,
    ///     phone: &str,
    /// ) -> Result<PendingChallenge, AuthError> {
    ///     codes.issue_decoy(client, phone, None).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`issue`](Self::issue).
    pub async fn issue_decoy(
        &self,
        client: &Client,
        recipient: &str,
        notice: Option<Notice>,
    ) -> Result<PendingChallenge, AuthError> {
        let mut stored = Stored::new(client, Owner::ANYONE, serde_json::Value::Null);
        stored.is_decoy = true;
        stored.notice = notice.map(|notice| notice.to_value());
        self.begin(client, Owner::ANYONE, recipient, stored).await
    }

    pub(super) async fn begin(
        &self,
        client: &Client,
        owner: Owner<'_>,
        recipient: &str,
        mut stored: Stored,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.services.core()?;
        client.begin(&core, Purpose::Custom(self.delivery.name)).await?;
        let recipient = &*self.delivery.recipient(recipient)?;
        let (counted, wait) = self.delivery.count(&core, client.info(), recipient).await?;
        let options = &self.delivery.options;
        let now = whole_millis(core.clock.now());
        let (handle, code) =
            (OneTimeToken::random(TokenPurpose::Challenge)?, handle::random_code(options.digits)?);
        stored.recipient = Some(recipient.to_owned());
        stored.is_email = self.delivery.is_email();
        let browser = self.new_browser(&core, client)?;
        stored.browser = browser.as_ref().map(|own| own.digest().to_base64());
        let expires_at = after(now, options.lifetime);
        let challenge = Challenge {
            id: handle.digest(),
            kind: self.kind(),
            user_id: owner.user_id(),
            address: None,
            code: match (wait, stored.is_decoy) {
                (None, false) => Some(handle.bind_code(&code)),
                // The code of a random handle that no client has.
                (None, true) => {
                    Some(OneTimeToken::random(TokenPurpose::Challenge)?.bind_code(&code))
                }
                (Some(_), _) => None,
            },
            tries: options.attempts,
            data: stored.to_value(),
            created_at: now,
            expires_at,
        };
        // A code that can be sent only after the challenge has expired is of no use.
        let is_kept = match wait {
            None => true,
            Some(until) if until < expires_at => {
                core.limits.may_wait(self.delivery.name, recipient).await?
            }
            Some(_) => false,
        };
        let mut link = None;
        if is_kept {
            self.store(&core, &challenge).await?;
            if options.replaces_older {
                core.replace_older_later(challenge.clone());
            }
            link = self.new_link(&core, &challenge, challenge.code).await?;
        }
        let event = core.event(EventKind::ProofRequested).client(client.info());
        core.events.record(event.reason(self.delivery.name));
        if wait.is_none() {
            deliver(&core, client, counted, &stored, &code, link)?;
        }
        let resend_at = wait.unwrap_or(after(now, options.interval));
        let mut pending = self.pending(client, &handle, expires_at, resend_at);
        if let Some(browser) = browser {
            pending.cookies = cookies(client, &handle, &browser, now);
        }
        Ok(pending)
    }

    /// Replaces the code of a challenge, and delivers the new one. The attempts are not reset.
    /// Within the interval nothing is sent, and `resend_at` is the time of the next possible code.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`]; [`ErrorKind::RateLimited`]; [`ErrorKind::Unavailable`].
    pub async fn resend(
        &self,
        client: &Client,
        handle: &ChallengeHandle,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.services.core()?;
        let (handle, challenge, stored) = self.open(&core, handle).await?;
        let options = &self.delivery.options;
        let now = whole_millis(core.clock.now());
        let until = after(challenge.created_at, options.interval);
        let is_recent = challenge.code.is_some() && challenge.created_at <= now && now < until;
        if is_recent {
            return Ok(self.pending(client, &handle, challenge.expires_at, until));
        }
        let recipient = stored.recipient.clone().unwrap_or_default();
        let next = after(now, options.interval);
        let reserved = core.limits.reserve_resend(&challenge.id, challenge.code).await?;
        let Some(reserved) = reserved else {
            return Ok(self.pending(client, &handle, challenge.expires_at, next));
        };
        let counted = self.delivery.count(&core, client.info(), &recipient).await;
        if !matches!(counted, Ok((_, None))) {
            core.limits.release_resend(&reserved).await;
        }
        let (counted, wait) = counted?;
        if let Some(until) = wait {
            return Ok(self.pending(client, &handle, challenge.expires_at, until));
        }
        let code = handle::random_code(options.digits)?;
        let own =
            if stored.is_decoy { &OneTimeToken::random(TokenPurpose::Challenge)? } else { &handle };
        let (hash, made_at) = (own.bind_code(&code), challenge.created_at);
        let is_replaced = core.challenges.replace_code(&challenge.id, &hash, made_at, now).await?;
        let link = match is_replaced {
            true => self.new_link(&core, &challenge, Some(hash)).await?,
            false => None,
        };
        if is_replaced {
            deliver(&core, client, counted, &stored, &code, link)?;
        }
        Ok(self.pending(client, &handle, challenge.expires_at, next))
    }

    /// Counts an attempt, compares the code, and consumes the challenge if the code is right.
    ///
    /// A challenge that was issued for a session can be verified only on that session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle of another kind, or one that is used, expired
    /// or out of attempts; [`ErrorKind::InvalidCode`]; [`ErrorKind::TooManyAttempts`];
    /// [`ErrorKind::Unauthenticated`] without the session.
    pub async fn attempt(
        &self,
        client: &Client,
        handle: &ChallengeHandle,
        code: &str,
    ) -> Result<Consumed<T>, AuthError> {
        let core = self.services.core()?;
        let (handle, challenge, stored) = self.open(&core, handle).await?;
        // Checked before the attempt is counted: a request without the session uses up no attempt.
        let user = stored.session_user(client).await?;
        stored.require_same_key(&core, client).await?;
        let ip = client.info().ip.as_deref();
        let recipient = stored.recipient.as_deref().unwrap_or_default();
        let account = challenge.user_id.as_ref().map_or(recipient, UserId::as_str);
        let counted = core.limits.guess(Guess::Code(self.kind()), account, ip).await?;
        let now = core.clock.now();
        let tried = core.challenges.try_challenge(&challenge.id, now).await?;
        let tried = tried.ok_or(ErrorKind::ChallengeExpired)?;
        let bound = handle.bind_code(&as_written(code));
        if !tried.code.is_some_and(|own| own.ct_eq(&bound)) {
            let event = core.event(EventKind::ProofRefused).ip(ip).reason("wrong_code");
            core.events.record(event);
            return Err(ErrorKind::InvalidCode.into());
        }
        let taken = core.challenges.take_challenge(&challenge.id, Some(&bound), now).await?;
        let taken = taken.ok_or(ErrorKind::ChallengeExpired)?;
        core.limits.succeeded(counted).await;
        stored.restore(&taken, client);
        let secrets = Secrets::new(handle.to_token().expose(), None);
        Consumed::new(&taken, stored, user, secrets)
    }

    async fn open(
        &self,
        core: &Core,
        handle: &ChallengeHandle,
    ) -> Result<(OneTimeToken, Challenge, Stored), AuthError> {
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, handle.expose());
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let found = core.challenges.find_challenge(&handle.digest(), core.clock.now()).await?;
        let found = found.filter(|own| own.kind == self.kind() && own.tries > 0);
        let challenge = found.ok_or(ErrorKind::ChallengeExpired)?;
        let stored = Stored::read(&challenge)?;
        Ok((handle, challenge, stored))
    }

    fn pending(
        &self,
        client: &Client,
        handle: &OneTimeToken,
        expires_at: Timestamp,
        resend_at: Timestamp,
    ) -> PendingChallenge {
        let pending = Pending {
            handle: handle.to_token(),
            methods: vec![self.delivery.factor.as_str()],
            expires_at,
            resend_at: Some(resend_at),
        };
        PendingChallenge::new(client.context().core(), pending)
    }
}

impl<T> Clone for CodeChallenges<T> {
    fn clone(&self) -> Self {
        let (services, delivery) = (self.services.clone(), self.delivery.clone());
        Self { services, delivery, data: PhantomData }
    }
}

impl<T> fmt::Debug for CodeChallenges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeChallenges").field("name", &self.delivery.name).finish_non_exhaustive()
    }
}

/// Sends the code of a challenge, or the message in place of the code of a decoy.
fn deliver(
    core: &Core,
    client: &Client,
    counted: Counted,
    stored: &Stored,
    code: &str,
    link: Option<String>,
) -> Result<(), AuthError> {
    if !stored.is_decoy {
        let about = Occasion::of(client.info()).at(whole_millis(core.clock.now()));
        let message = counted.with_code(code, stored.locale.as_deref());
        return message.with_link(link, about).send();
    }
    let notice = stored.notice.as_ref().and_then(|notice| Notice::read(core, notice));
    match notice.zip(counted.into_mail_place()) {
        Some((notice, place)) => {
            let notice = notice.in_language_or(stored.locale.as_deref());
            notice.queue_in_memory(core, client, place)
        }
        None => Ok(()),
    }
}

/// Returns the headers that bind the link of a challenge to the browser. Names begin with the time,
/// so they sort by age.
fn cookies(
    client: &Client,
    handle: &OneTimeToken,
    browser: &OneTimeToken,
    now: Timestamp,
) -> Vec<HeaderValue> {
    let id = format!("{:08x}{}", now.as_second(), mail_tag(&handle.digest()));
    client.context().mail_cookie(client.headers(), &id, &browser.to_token())
}
