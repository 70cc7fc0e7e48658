//! Requests for email codes, and their verification.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    CodePolicy, Pending,
    dpop::require_same_key,
    methods::{known_methods, offers_email_code},
};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{self, OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    event::EventKind,
    limit::Guess,
    mail::{MailContent, MessageKind, Occasion, outbox::Place},
    model::{ClientInfo, Email, Factor, Session, User, UserId},
    services::Core,
    session::require_usable,
    store::{Challenge, ChallengeKind},
};

/// The content of the message that carries a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letterhead<'a> {
    pub(crate) kind: MessageKind,
    pub(crate) to: &'a Email,
    pub(crate) user: Option<&'a User>,
}

/// A request for a code.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) kind: ChallengeKind,
    pub(crate) letter: Letterhead<'a>,
    /// Whether no code can verify it, and its message is another one.
    pub(crate) decoy: bool,
    /// The data of the challenge. Without a user, `locale` is the language of the message.
    pub(crate) data: Map<String, Value>,
    /// The client that requests the code.
    pub(crate) client: &'a ClientInfo,
}

/// A challenge that has been counted against the rate limits, but not yet stored or sent.
pub(crate) struct Prepared {
    handle: OneTimeToken,
    challenge: Challenge,
    is_kept: bool,
    place: Place,
    /// The message with the code; `None` before the resend interval has passed.
    message: Option<MailContent>,
    resend_at: Timestamp,
}

impl Prepared {
    /// Returns the challenge to store, or `None` if its code cannot be sent in time.
    pub(crate) fn challenge(&self) -> Option<&Challenge> {
        self.is_kept.then_some(&self.challenge)
    }

    /// Sends the code of the challenge, which must have been stored.
    pub(crate) fn send(self) -> Result<Pending, AuthError> {
        if let Some(message) = &self.message {
            self.place.send(message)?;
        }
        Ok(Pending {
            handle: self.handle.to_token(),
            methods: methods(&self.challenge),
            expires_at: self.challenge.expires_at,
            resend_at: Some(self.resend_at),
        })
    }
}

impl Core {
    /// Creates a challenge and sends its code, at most one per interval.
    pub(crate) async fn ask(&self, asked: Asked<'_>) -> Result<Pending, AuthError> {
        let prepared = self.prepare(asked).await?;
        if let Some(challenge) = prepared.challenge() {
            self.store_challenge(challenge).await?;
        }
        prepared.send()
    }

    /// Counts a request for a code against the rate limits, and creates its challenge.
    pub(crate) async fn prepare(&self, asked: Asked<'_>) -> Result<Prepared, AuthError> {
        let policy = self.code_policy()?;
        let outbox = self.outbox.as_ref().ok_or(ErrorKind::Misconfigured)?;
        let (place, to) = (outbox.place()?, asked.letter.to);
        let purpose = asked.kind.as_str();
        let ip = asked.client.ip.as_deref();
        let wait = self.count_mail(asked.kind, to, policy, asked.client).await?;
        let now = whole_millis(self.clock.now());
        let (handle, code) =
            (OneTimeToken::random(TokenPurpose::Challenge)?, handle::random_code(policy.digits)?);
        let mut data = asked.data;
        data.insert("message".to_owned(), asked.letter.kind.as_str().into());
        data.insert("decoy".to_owned(), asked.decoy.into());
        let locale = asked.letter.user.and_then(locale_of);
        let locale = locale.or(asked.client.language.as_deref());
        data.insert("locale".to_owned(), json!(locale));
        let expires_at = after(now, policy.lifetime);
        let challenge = Challenge {
            id: handle.digest(),
            kind: asked.kind,
            user_id: asked.letter.user.map(|user| user.id.clone()),
            address: Some(to.clone()),
            // A decoy has the code of a random handle that no client has.
            code: match (wait, asked.decoy) {
                (None, false) => Some(handle.bind_code(&code)),
                (None, true) => {
                    Some(OneTimeToken::random(TokenPurpose::Challenge)?.bind_code(&code))
                }
                (Some(_), _) => None,
            },
            tries: policy.tries,
            data: Value::Object(data),
            created_at: now,
            expires_at,
        };
        // A challenge is not stored if its code can be sent only after it has expired.
        let is_kept = match wait {
            None => true,
            Some(until) if until < expires_at => self.limits.may_wait(purpose, to.as_str()).await?,
            Some(_) => false,
        };
        let event = self.event(EventKind::ProofRequested).ip(ip);
        self.events.record(event.reason(asked.kind.as_str()));
        let message = wait.is_none().then(|| {
            let letter = letter(asked.letter.kind, to, &code, policy, locale);
            letter.about(Occasion::of(asked.client).at(now))
        });
        let resend_at = wait.unwrap_or(after(now, policy.interval));
        Ok(Prepared { handle, challenge, is_kept, place, message, resend_at })
    }

    /// Sends a new code for a challenge that is still valid.
    pub(crate) async fn ask_again(
        &self,
        handle: &str,
        client: &ClientInfo,
    ) -> Result<Pending, AuthError> {
        let policy = self.code_policy()?;
        let outbox = self.outbox.as_ref().ok_or(ErrorKind::Misconfigured)?;
        let place = outbox.place()?;
        let (handle, challenge, to) = self.open(handle).await?;
        let now = whole_millis(self.clock.now());
        let wait = match resend_at(&challenge, policy, now) {
            Some(at) => Some(at),
            None => {
                let reserved = self.limits.reserve_resend(&challenge.id, challenge.code).await?;
                let Some(reserved) = reserved else {
                    return self.resent_meanwhile(handle, policy).await;
                };
                let wait = self.count_mail(challenge.kind, &to, policy, client).await;
                if !matches!(wait, Ok(None)) {
                    self.limits.release_resend(&reserved).await;
                }
                wait?
            }
        };
        if wait.is_none() {
            let code = handle::random_code(policy.digits)?;
            let decoy = challenge.data.get("decoy").and_then(Value::as_bool).unwrap_or(true);
            let own = if decoy { &OneTimeToken::random(TokenPurpose::Challenge)? } else { &handle };
            let (code_hash, made_at) = (own.bind_code(&code), challenge.created_at);
            if !self.challenges.replace_code(&challenge.id, &code_hash, made_at, now).await? {
                return self.resent_meanwhile(handle, policy).await;
            }
            let kind = challenge.data.get("message").and_then(Value::as_str).unwrap_or_default();
            let kind = MessageKind::ALL.iter().find(|known| known.as_str() == kind);
            let kind = *kind.ok_or(ErrorKind::ChallengeExpired)?;
            let locale = challenge.data.get("locale").and_then(Value::as_str);
            let letter = letter(kind, &to, &code, policy, locale);
            place.send(&letter.about(Occasion::of(client).at(now)))?;
        }
        Ok(Pending {
            handle: handle.to_token(),
            methods: methods(&challenge),
            expires_at: challenge.expires_at,
            resend_at: Some(wait.unwrap_or(after(now, policy.interval))),
        })
    }

    /// Counts a message with a code. Returns `None`, or the time at which one can be sent.
    async fn count_mail(
        &self,
        kind: ChallengeKind,
        to: &Email,
        policy: &CodePolicy,
        client: &ClientInfo,
    ) -> Result<Option<Timestamp>, AuthError> {
        self.limits.mail_from(kind.as_str(), client.ip.as_deref()).await?;
        self.limits.mail_to(kind.as_str(), to.as_str(), policy.interval).await
    }

    /// Returns the response if another request is sending a newer code, or has just sent it.
    async fn resent_meanwhile(
        &self,
        handle: OneTimeToken,
        policy: &CodePolicy,
    ) -> Result<Pending, AuthError> {
        let now = whole_millis(self.clock.now());
        let found = self.challenges.find_challenge(&handle.digest(), now).await?;
        let challenge = found.ok_or(ErrorKind::ChallengeExpired)?;
        Ok(Pending {
            handle: handle.to_token(),
            methods: methods(&challenge),
            expires_at: challenge.expires_at,
            resend_at: Some(
                resend_at(&challenge, policy, now).unwrap_or(after(now, policy.interval)),
            ),
        })
    }

    /// Verifies a code and consumes its challenge. The attempt is counted before the code is
    /// compared, and the challenge is consumed before anything else is done.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`], [`ErrorKind::InvalidCode`],
    /// [`ErrorKind::TooManyAttempts`].
    pub(crate) async fn answer(
        &self,
        handle: &str,
        code: &str,
        owner: Option<(&User, &Session)>,
        ip: Option<&str>,
    ) -> Result<Challenge, AuthError> {
        let (handle, challenge, to) = self.open(handle).await?;
        let of_session = matches!(
            challenge.kind,
            ChallengeKind::PasswordChange
                | ChallengeKind::EmailChange
                | ChallengeKind::StepUp
                | ChallengeKind::RecoveryRequest
        );
        // Checked before the attempt is counted: a request without the session uses up no attempt.
        let is_own = |(user, session): (&User, &Session)| {
            challenge.user_id.as_ref() == Some(&user.id)
                && challenge.data.get("session") == Some(&json!(session.id))
        };
        if of_session && !owner.is_some_and(is_own) {
            return Err(ErrorKind::Unauthenticated.into());
        }
        require_same_key(&challenge).await?;
        if let Some((_, session)) = owner.filter(|_| of_session) {
            // A step-up binds the session to a key that the request offers.
            require_usable(session).await?;
        }
        let account = challenge.user_id.as_ref().map_or(to.as_str(), UserId::as_str);
        let counted = self.limits.guess(Guess::Code(challenge.kind), account, ip).await?;
        let now = self.clock.now();
        let tried = self.challenges.try_challenge(&challenge.id, now).await?;
        let tried = tried.ok_or(ErrorKind::ChallengeExpired)?;
        let bound = handle.bind_code(&as_written(code));
        if !tried.code.is_some_and(|own| own.ct_eq(&bound)) {
            let event = self.event(EventKind::ProofRefused).ip(ip).reason("wrong_code");
            self.events.record(event);
            return Err(ErrorKind::InvalidCode.into());
        }
        let taken = self.challenges.take_challenge(&challenge.id, Some(&bound), now).await?;
        let taken = taken.ok_or(ErrorKind::ChallengeExpired)?;
        self.limits.succeeded(counted).await;
        Ok(taken)
    }

    async fn open(&self, handle: &str) -> Result<(OneTimeToken, Challenge, Email), AuthError> {
        let handle = OneTimeToken::parse(TokenPurpose::Challenge, handle);
        let handle = handle.ok_or(ErrorKind::ChallengeExpired)?;
        let found = self.challenges.find_challenge(&handle.digest(), self.clock.now()).await?;
        let found =
            found.filter(|own| own.tries > 0 && has_code(own.kind) && offers_email_code(own));
        let challenge = found.ok_or(ErrorKind::ChallengeExpired)?;
        let to = challenge.address.clone().ok_or(ErrorKind::ChallengeExpired)?;
        Ok((handle, challenge, to))
    }

    pub(crate) fn code_policy(&self) -> Result<&CodePolicy, AuthError> {
        self.codes().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// Returns whether challenges of a kind have a code. Kinds of newer versions are not handled here.
fn has_code(kind: ChallengeKind) -> bool {
    matches!(
        kind,
        ChallengeKind::SignUp
            | ChallengeKind::SignIn
            | ChallengeKind::PasswordChange
            | ChallengeKind::EmailChange
            | ChallengeKind::StepUp
            | ChallengeKind::RecoveryRequest
    )
}

/// The methods that answer a challenge with an email code.
fn methods(challenge: &Challenge) -> Vec<&'static str> {
    let methods = known_methods(challenge);
    if methods.is_empty() { vec![Factor::EmailCode.as_str()] } else { methods }
}

/// When the next code may be sent, if one was sent within the interval.
fn resend_at(challenge: &Challenge, policy: &CodePolicy, now: Timestamp) -> Option<Timestamp> {
    challenge.code?;
    let (sent_at, interval) = (challenge.created_at, policy.interval);
    let until = after(sent_at, interval);
    (sent_at <= now && now < until).then_some(until)
}

/// Returns a code without the spaces and hyphens that users and keyboards insert.
pub(super) fn as_written(code: &str) -> String {
    let is_between = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}');
    code.chars().filter(|c| !is_between(*c)).collect()
}

fn letter(
    kind: MessageKind,
    to: &Email,
    code: &str,
    policy: &CodePolicy,
    locale: Option<&str>,
) -> MailContent {
    let letter = MailContent::new(kind, to.clone()).in_language(locale);
    if kind == MessageKind::AlreadyRegistered {
        return letter;
    }
    letter.with_code(code, policy.lifetime.as_secs().div_ceil(60))
}

pub(super) fn locale_of(user: &User) -> Option<&str> {
    user.user_metadata.get("locale").and_then(Value::as_str)
}
