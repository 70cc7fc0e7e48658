//! Challenges of a flow whose handle is the secret: links, states and ceremonies.

use std::{fmt, marker::PhantomData};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    Bound, ChallengeHandle, Client, Consumed, Core, IssuedToken, Owner, Services, TokenOptions,
    consumed::{Secrets, Stored, mail_tag},
};
use crate::{
    clock::{after, whole_millis},
    crypto::{
        digest::Digest,
        handle::{OneTimeToken, TokenPurpose},
        typed::TypedHandle,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::Purpose,
    model::UserId,
    session::AuthUser,
    store::{Challenge, ChallengeKind},
};

/// How often a handle is created again if another challenge has it.
const MAX_COLLISIONS: usize = 5;

/// Challenges of one kind whose handle is the secret.
///
/// ```
/// use authlayer::{
///     AuthError, Client, Factor, SignInOutcome, UserId,
///     services::{ChallengeHandle, Services, TokenChallenges, VerifiedFactor},
/// };
///
/// const POSTCARD: Factor = Factor::custom("postcard");
///
/// /// Returns the secret of a link for a user.
/// async fn invite(
///     links: &TokenChallenges<()>,
///     client: &Client,
///     user: &UserId,
/// ) -> Result<String, AuthError> {
///     Ok(links.issue(client, user, ()).await?.handle().expose().to_owned())
/// }
///
/// /// Signs in with the link.
/// async fn follow(
///     services: &Services,
///     links: &TokenChallenges<()>,
///     client: &Client,
///     link: &ChallengeHandle,
/// ) -> Result<SignInOutcome, AuthError> {
///     let consumed = links.consume(client, link).await?;
///     services.sign_in().complete(client, VerifiedFactor::challenge(POSTCARD, consumed)?).await
/// }
/// ```
pub struct TokenChallenges<T> {
    pub(super) services: Services,
    name: &'static str,
    pub(super) options: TokenOptions,
    data: PhantomData<fn(T) -> T>,
}

/// The handle of a challenge, and the id under which it is stored.
pub(super) struct Key {
    pub(super) id: Digest,
    pub(super) text: Zeroizing<String>,
}

/// A challenge that the client of a request can consume.
struct Found {
    challenge: Challenge,
    stored: Stored,
    user: Option<AuthUser>,
    secrets: Secrets,
}

impl<T> TokenChallenges<T> {
    pub(crate) fn new(services: Services, name: &'static str, options: TokenOptions) -> Self {
        Self { services, name, options, data: PhantomData }
    }

    pub(super) fn kind(&self) -> ChallengeKind {
        ChallengeKind::Custom(self.name)
    }

    /// Creates a handle.
    pub(super) fn new_key(&self) -> Result<Key, AuthError> {
        if self.options.is_typed {
            let handle = TypedHandle::random()?;
            let text = Zeroizing::new(handle.expose().to_owned());
            return Ok(Key { id: handle.digest(self.name), text });
        }
        let handle = OneTimeToken::random(TokenPurpose::Link)?;
        let text = Zeroizing::new(handle.to_token().expose().to_owned());
        Ok(Key { id: handle.digest(), text })
    }

    pub(super) fn key(&self, handle: &ChallengeHandle) -> Option<Key> {
        if self.options.is_typed {
            let handle = TypedHandle::parse(handle.expose())?;
            let text = Zeroizing::new(handle.expose().to_owned());
            return Some(Key { id: handle.digest(self.name), text });
        }
        let text = Zeroizing::new(handle.expose().to_owned());
        Some(Key { id: OneTimeToken::parse(TokenPurpose::Link, &text)?.digest(), text })
    }

    /// Returns the unexpired challenge with this id.
    pub(super) async fn find(
        &self,
        core: &Core,
        id: &Digest,
    ) -> Result<Option<(Challenge, Stored)>, AuthError> {
        let found = core.challenges.find_challenge(id, core.clock.now()).await?;
        let Some(found) = found.filter(|own| own.kind == self.kind()) else { return Ok(None) };
        let stored = Stored::read(&found)?;
        Ok(Some((found, stored)))
    }

    pub(super) fn challenge(
        &self,
        core: &Core,
        id: Digest,
        user: Option<&UserId>,
        stored: &Stored,
    ) -> Challenge {
        let now = whole_millis(core.clock.now());
        Challenge {
            id,
            kind: self.kind(),
            user_id: user.cloned(),
            address: None,
            code: None,
            tries: self.options.attempts,
            data: stored.to_value(),
            created_at: now,
            expires_at: after(now, self.options.lifetime),
        }
    }

    /// Inserts a challenge with a new handle.
    pub(super) async fn insert(
        &self,
        core: &Core,
        user: Option<&UserId>,
        stored: &Stored,
    ) -> Result<(Key, Challenge), AuthError> {
        for _ in 0..MAX_COLLISIONS {
            let key = self.new_key()?;
            let challenge = self.challenge(core, key.id, user, stored);
            // A challenge of a user who was deleted is not stored, and can never be consumed.
            if !core.store_challenge(&challenge).await? && self.options.is_typed {
                continue;
            }
            if self.options.replaces_older {
                core.replace_older(&challenge).await?;
            }
            return Ok((key, challenge));
        }
        Err(AuthError::new(ErrorKind::Unavailable).with_source("all typed handles are in use"))
    }

    /// Returns the same challenges without the type of their data.
    pub(super) fn erased(&self) -> TokenChallenges<()> {
        TokenChallenges::new(self.services.clone(), self.name, self.options)
    }

    /// Returns the challenge of a handle that the client can consume, or why it cannot.
    async fn open(
        &self,
        core: &Core,
        client: &Client,
        handle: &ChallengeHandle,
    ) -> Result<Found, AuthError> {
        let expired = || AuthError::from(ErrorKind::ChallengeExpired);
        let ip = client.info().ip.as_deref();
        // A handle that people type can be guessed.
        let counted = match self.options.is_typed {
            true => Some(core.limits.typed_handle(ip).await?),
            false => None,
        };
        let Some(Key { id, text }) = self.key(handle) else { return Err(expired()) };
        let Some((challenge, stored)) = self.find(core, &id).await? else {
            if counted.is_some() {
                let event = core.event(EventKind::ProofRefused).client(client.info());
                core.events.record(event.reason("typed_handle"));
            }
            return Err(expired());
        };
        if let Some(counted) = counted {
            core.limits.succeeded(counted).await;
        }
        let browser = match &stored.bound_to {
            Some(bound_to) => {
                let bound_to = Digest::from_base64(bound_to).ok_or_else(expired)?;
                let is_own = |secret: &String| {
                    OneTimeToken::parse(TokenPurpose::Browser, secret)
                        .is_some_and(|secret| secret.digest().ct_eq(&bound_to))
                };
                let secrets = client.context().bound_secrets(client.headers(), self.name);
                Some(secrets.into_iter().find(is_own).ok_or_else(expired)?)
            }
            None => None,
        };
        let user = stored.session_user(client).await?;
        let secrets = Secrets::new(&text, browser.as_deref());
        Ok(Found { challenge, stored, user, secrets })
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> TokenChallenges<T> {
    /// Creates a challenge. One for [`Owner::ANYONE`] is counted by network like the ceremonies of
    /// this crate, because any client can request it.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, FreshUser, services::{IssuedToken, TokenChallenges}};
    ///
    /// async fn enroll(
    ///     enrollments: &TokenChallenges<String>,
    ///     client: &Client,
    ///     user: &FreshUser,
    /// ) -> Result<IssuedToken, AuthError> {
    ///     enrollments.issue(client, user, "a new device".to_owned()).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] for the network; [`ErrorKind::Unavailable`].
    pub async fn issue<'a>(
        &self,
        client: &Client,
        owner: impl Into<Owner<'a>>,
        data: T,
    ) -> Result<IssuedToken, AuthError> {
        let (core, owner) = (self.services.core()?, owner.into());
        client.begin(&core, Purpose::Custom(self.name)).await?;
        if owner.user_id().is_none() {
            core.limits.ceremony(client.info().ip.as_deref()).await?;
        }
        let data = serde_json::to_value(data).map_err(AuthError::misconfigured)?;
        let mut stored = Stored::new(client, owner, data);
        let browser = match self.options.max_per_browser {
            Some(_) => Some(OneTimeToken::random(TokenPurpose::Browser)?),
            None => None,
        };
        stored.bound_to = browser.as_ref().map(|own| own.digest().to_base64());
        let user = owner.user_id();
        let (key, challenge) = self.insert(&core, user.as_ref(), &stored).await?;
        let browser = browser.map(|own| own.to_token());
        let secrets = Secrets::new(&key.text, browser.as_ref().map(|own| own.expose()));
        let mut cookies = Vec::new();
        if let (Some(max), Some(browser)) = (self.options.max_per_browser, browser) {
            let id = cookie_id(&challenge.id, challenge.created_at);
            let life = self.options.lifetime;
            let bound = Bound { kind: self.name, max, life };
            cookies = client.context().bind(client.headers(), bound, &id, &browser);
        }
        let (id, expires_at) = (challenge.id, challenge.expires_at);
        let handle = ChallengeHandle::new(&*key.text);
        Ok(IssuedToken { id, handle, expires_at, secrets, cookies })
    }

    /// Returns the data of a challenge without consuming it, or `None` if the client cannot consume
    /// it. A sign-in does not accept the result.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, services::{ChallengeHandle, TokenChallenges}};
    ///
    /// async fn name_of_device(
    ///     grants: &TokenChallenges<String>,
    ///     client: &Client,
    ///     typed: &ChallengeHandle,
    /// ) -> Result<Option<String>, AuthError> {
    ///     grants.peek(client, typed).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`] for handles that people type; [`ErrorKind::Unavailable`].
    pub async fn peek(
        &self,
        client: &Client,
        handle: &ChallengeHandle,
    ) -> Result<Option<T>, AuthError> {
        let core = self.services.core()?;
        match self.open(&core, client, handle).await {
            Ok(found) => Ok(serde_json::from_value(found.stored.data).ok()),
            Err(error) => match error.kind() {
                ErrorKind::ChallengeExpired | ErrorKind::Unauthenticated => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Consumes a challenge: of any number of concurrent callers, one succeeds. A challenge that
    /// was issued for a session can be consumed only on that session, and one that is bound to a
    /// browser only there; both are checked before it is consumed.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, FreshUser, services::{ChallengeHandle, TokenChallenges}};
    ///
    /// async fn finish(
    ///     enrollments: &TokenChallenges<String>,
    ///     client: &Client,
    ///     handle: &ChallengeHandle,
    /// ) -> Result<FreshUser, AuthError> {
    ///     enrollments.consume(client, handle).await?.fresh_user()
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle of another kind or browser, or one that is used
    /// or expired; [`ErrorKind::Unauthenticated`] without the session;
    /// [`ErrorKind::TooManyAttempts`] for handles that people type; [`ErrorKind::Unavailable`].
    pub async fn consume(
        &self,
        client: &Client,
        handle: &ChallengeHandle,
    ) -> Result<Consumed<T>, AuthError> {
        let core = self.services.core()?;
        let found = self.open(&core, client, handle).await?;
        let taken = self.take(&core, client, &found.challenge, &found.stored).await?;
        let (challenge, stored) = taken;
        Consumed::new(&challenge, stored, found.user, found.secrets)
    }

    /// Counts an attempt, and consumes the challenge if `check` returns `true`. Otherwise the
    /// challenge can be used again, as often as
    /// [`max_attempts`](TokenOptions::max_attempts).
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, Client, services::{ChallengeHandle, Consumed, TokenChallenges},
    /// };
    ///
    /// async fn confirm(
    ///     words: &TokenChallenges<()>,
    ///     client: &Client,
    ///     handle: &ChallengeHandle,
    ///     word: [u8; 32],
    /// ) -> Result<Consumed<()>, AuthError> {
    ///     words.consume_if(client, handle, |own| own.derive("word") == word).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCode`] if `check` returned `false`, otherwise as
    /// [`consume`](Self::consume).
    pub async fn consume_if(
        &self,
        client: &Client,
        handle: &ChallengeHandle,
        check: impl FnOnce(&Consumed<T>) -> bool + Send,
    ) -> Result<Consumed<T>, AuthError> {
        let core = self.services.core()?;
        let Found { challenge, stored, user, secrets } = self.open(&core, client, handle).await?;
        let tried = core.challenges.try_challenge(&challenge.id, core.clock.now()).await?;
        let tried = tried.ok_or(ErrorKind::ChallengeExpired)?;
        let consumed = Consumed::new(&tried, Stored::read(&tried)?, user, secrets)?;
        if !check(&consumed) {
            let event = core.event(EventKind::ProofRefused).client(client.info());
            core.events.record(event.reason("wrong_code"));
            return Err(ErrorKind::InvalidCode.into());
        }
        let (taken, _) = self.take(&core, client, &challenge, &stored).await?;
        // The data that were checked are those that were consumed.
        if taken.data != tried.data || taken.user_id != tried.user_id {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        Ok(consumed)
    }

    /// Deletes a challenge, and restores what its first request specified. Returns it as it was
    /// when it was deleted.
    pub(super) async fn take(
        &self,
        core: &Core,
        client: &Client,
        challenge: &Challenge,
        stored: &Stored,
    ) -> Result<(Challenge, Stored), AuthError> {
        let taken = core.challenges.take_challenge(&challenge.id, None, core.clock.now()).await?;
        let taken = taken.ok_or(ErrorKind::ChallengeExpired)?;
        let current = Stored::read(&taken)?;
        // The session that was checked is that of the challenge.
        if !current.has_session_of(stored) {
            return Err(ErrorKind::ChallengeExpired.into());
        }
        current.restore(&taken, client);
        if current.bound_to.is_some() {
            client.forget_bound(self.name, &mail_tag(&taken.id));
        }
        Ok((taken, current))
    }
}

/// Returns the end of the name of a cookie. Names begin with the time, so they sort by age.
fn cookie_id(id: &Digest, now: Timestamp) -> String {
    format!("{:08x}{}", now.as_second(), mail_tag(id))
}

impl<T> Clone for TokenChallenges<T> {
    fn clone(&self) -> Self {
        let (name, options) = (self.name, self.options);
        Self { services: self.services.clone(), name, options, data: PhantomData }
    }
}

impl<T> fmt::Debug for TokenChallenges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenChallenges").field("name", &self.name).finish_non_exhaustive()
    }
}
