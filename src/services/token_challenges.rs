//! Challenges of a flow whose handle is the secret: links, states and ceremonies.

use std::{fmt, marker::PhantomData, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    ChallengeHandle, Client, Consumed, Core, Owner, Services, code_challenges::internal,
    consumed::Stored,
};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind},
    hook::Purpose,
    store::{Challenge, ChallengeKind},
};

/// Challenges of one kind whose handle is the secret.
pub struct TokenChallenges<T> {
    services: Services,
    name: &'static str,
    lifetime: Duration,
    data: PhantomData<fn(T) -> T>,
}

/// A challenge that was issued.
#[derive(Debug)]
#[must_use]
pub struct IssuedToken {
    handle: ChallengeHandle,
    expires_at: Timestamp,
}

impl IssuedToken {
    /// Returns the handle, a secret.
    pub fn handle(&self) -> &ChallengeHandle {
        &self.handle
    }

    /// Returns the time of expiry.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl<T> TokenChallenges<T> {
    pub(crate) fn new(services: Services, name: &'static str, lifetime: Duration) -> Self {
        Self { services, name, lifetime, data: PhantomData }
    }

    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Custom(self.name)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> TokenChallenges<T> {
    /// Creates a challenge.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn issue<'a>(
        &self,
        client: &Client,
        owner: impl Into<Owner<'a>>,
        data: T,
    ) -> Result<IssuedToken, AuthError> {
        let (core, owner) = (self.services.core()?, owner.into());
        client.begin(&core, Purpose::Custom(self.name)).await?;
        let data = serde_json::to_value(data).map_err(internal)?;
        let handle = OneTimeToken::random(TokenPurpose::Link)?;
        let now = whole_millis(core.clock.now());
        let challenge = Challenge {
            id: handle.digest(),
            kind: self.kind(),
            user_id: owner.user_id(),
            address: None,
            code: None,
            tries: 1,
            data: Stored::new(client, owner, data).to_value(),
            created_at: now,
            expires_at: after(now, self.lifetime),
        };
        core.store_challenge(&challenge).await?;
        let expires_at = challenge.expires_at;
        Ok(IssuedToken { handle: ChallengeHandle::new(handle.to_token().expose()), expires_at })
    }

    /// Returns the data of a challenge without consuming it, or `None` if there is none. A sign-in
    /// does not accept the result.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn peek(&self, handle: &ChallengeHandle) -> Result<Option<T>, AuthError> {
        let core = self.services.core()?;
        let Some((_, stored)) = self.find(&core, handle).await? else { return Ok(None) };
        Ok(serde_json::from_value(stored.data).ok())
    }

    /// Consumes a challenge: of any number of concurrent callers, one succeeds. A challenge that
    /// was issued for a session can be consumed only on that session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`] for a handle of another kind, or one that is used or
    /// expired; [`ErrorKind::Unauthenticated`] without the session; [`ErrorKind::Unavailable`].
    pub async fn consume(
        &self,
        client: &Client,
        handle: &ChallengeHandle,
    ) -> Result<Consumed<T>, AuthError> {
        let core = self.services.core()?;
        let found = self.find(&core, handle).await?;
        let (found, stored) = found.ok_or(ErrorKind::ChallengeExpired)?;
        let user = stored.session_user(client).await?;
        let taken = core.challenges.take_challenge(&found.id, None, core.clock.now()).await?;
        let taken = taken.ok_or(ErrorKind::ChallengeExpired)?;
        Consumed::new(&taken, stored, user, client)
    }

    async fn find(
        &self,
        core: &Core,
        handle: &ChallengeHandle,
    ) -> Result<Option<(Challenge, Stored)>, AuthError> {
        let Some(handle) = OneTimeToken::parse(TokenPurpose::Link, handle.expose()) else {
            return Ok(None);
        };
        let found = core.challenges.find_challenge(&handle.digest(), core.clock.now()).await?;
        let Some(found) = found.filter(|own| own.kind == self.kind()) else { return Ok(None) };
        let stored = Stored::read(&found)?;
        Ok(Some((found, stored)))
    }
}

impl<T> Clone for TokenChallenges<T> {
    fn clone(&self) -> Self {
        let (name, lifetime) = (self.name, self.lifetime);
        Self { services: self.services.clone(), name, lifetime, data: PhantomData }
    }
}

impl<T> fmt::Debug for TokenChallenges<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenChallenges").field("name", &self.name).finish_non_exhaustive()
    }
}
