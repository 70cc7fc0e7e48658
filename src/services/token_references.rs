//! Challenges without their handle: changed by a link elsewhere, remembered by a name, or consumed
//! by a reference that another challenge stores.

use serde::{Serialize, de::DeserializeOwned};

use super::{
    ChallengeHandle, Client, Consumed, Core, Owner, TokenChallenges,
    consumed::{Secrets, Stored},
};
use crate::{
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    store::Challenge,
};

/// Maximum attempts of a conditional write.
const MAX_RACES: usize = 5;

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> TokenChallenges<T> {
    /// Changes a challenge if `change` returns `true`, in one conditional write; `change` can be
    /// called more than once. It needs neither the browser nor the session of the challenge. Returns
    /// `false` if there is no such challenge, or `change` returned `false`. With an owner, the
    /// challenge belongs to that user from then on.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, FreshUser, services::{ChallengeHandle, Owner, TokenChallenges},
    /// };
    ///
    /// /// Approves the sign-in of a television. It consumes the challenge and signs this user in.
    /// async fn approve(
    ///     grants: &TokenChallenges<bool>,
    ///     user: &FreshUser,
    ///     typed: &ChallengeHandle,
    /// ) -> Result<bool, AuthError> {
    ///     let owner = Owner::from(&user.user().id);
    ///     grants.update(typed, Some(owner), |approved| !std::mem::replace(approved, true)).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    ///
    /// # Security
    ///
    /// Attempts with wrong handles are not counted here: call [`peek`](Self::peek) before, for
    /// handles that people type.
    pub async fn update<'a>(
        &self,
        handle: &ChallengeHandle,
        owner: Option<Owner<'a>>,
        change: impl Fn(&mut T) -> bool + Send + Sync,
    ) -> Result<bool, AuthError> {
        let core = self.services.core()?;
        let Some(key) = self.key(handle) else { return Ok(false) };
        for _ in 0..MAX_RACES {
            let Some((found, mut stored)) = self.find(&core, &key.id).await? else {
                return Ok(false);
            };
            let data = serde_json::from_value(stored.data.clone());
            let mut data: T = data.map_err(|_| ErrorKind::ChallengeExpired)?;
            if !change(&mut data) {
                return Ok(false);
            }
            stored.data = serde_json::to_value(data).map_err(AuthError::misconfigured)?;
            if let Some(owner) = owner {
                stored = stored.owned_by(owner);
            }
            let user = owner.and_then(|owner| owner.user_id());
            let after = Challenge {
                user_id: user.clone().or(found.user_id.clone()),
                data: stored.to_value(),
                ..found.clone()
            };
            let now = core.clock.now();
            let (id, before, data) = (&found.id, &found.data, &after.data);
            let is_changed = match &user {
                Some(user) => core.challenges.assign_data(id, before, data, user, now).await?,
                None => core.challenges.replace_data(id, before, data, None, now).await?,
            };
            if is_changed {
                return match owner {
                    Some(owner) => self.is_still_owned(&core, &after, owner).await,
                    None => Ok(true),
                };
            }
        }
        Err(AuthError::new(ErrorKind::Unavailable).with_source("a challenge changes too often"))
    }

    /// Deletes a challenge whose new owner was deleted, disabled or signed out in the meantime: what
    /// ends the challenges of a user did not see this one yet.
    async fn is_still_owned(
        &self,
        core: &Core,
        challenge: &Challenge,
        owner: Owner<'_>,
    ) -> Result<bool, AuthError> {
        let is_owned = match (owner.session(), owner.user_id()) {
            (Some(session), _) => core.sessions.current(session).await?.is_some(),
            (None, Some(user)) => {
                core.users.find_user(&user).await?.is_some_and(|user| user.is_active())
            }
            (None, None) => true,
        };
        if !is_owned {
            core.challenges.take_challenge(&challenge.id, None, core.clock.now()).await?;
        }
        Ok(is_owned)
    }

    /// Stores data under a name that is accepted once, such as the `jti` of a token. Returns `false`
    /// if the name is stored already: for the lifetime of the challenges, and at most until the
    /// expired row is swept.
    ///
    /// ```
    /// use authlayer::{AuthError, ErrorKind, services::TokenChallenges};
    ///
    /// async fn accept_once(used: &TokenChallenges<()>, jti: &str) -> Result<(), AuthError> {
    ///     match used.remember(jti, ()).await? {
    ///         true => Ok(()),
    ///         false => Err(ErrorKind::InvalidToken.into()),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn remember(&self, name: &str, data: T) -> Result<bool, AuthError> {
        let core = self.services.core()?;
        let data = serde_json::to_value(data).map_err(AuthError::misconfigured)?;
        let stored = Stored::of(Owner::ANYONE, data);
        let challenge = self.challenge(&core, self.named(name), None, &stored);
        core.store_challenge(&challenge).await
    }

    /// Returns the data of a challenge by its [reference](super::IssuedToken::reference) or by the
    /// name under which it was [remembered](Self::remember). A sign-in does not accept the result.
    ///
    /// ```
    /// # use authlayer::{AuthError, services::TokenChallenges};
    /// async fn is_used(used: &TokenChallenges<()>, jti: &str) -> Result<bool, AuthError> {
    ///     Ok(used.peek_reference(jti).await?.is_some())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn peek_reference(&self, reference: &str) -> Result<Option<T>, AuthError> {
        let core = self.services.core()?;
        let found = self.find_reference(&core, reference).await?;
        Ok(found.and_then(|(_, stored)| serde_json::from_value(stored.data).ok()))
    }

    /// Consumes a challenge by its [reference](super::IssuedToken::reference), or by the name under
    /// which it was [remembered](Self::remember). The browser is not checked.
    ///
    /// ```
    /// use authlayer::{
    ///     AuthError, Client, services::{ChallengeHandle, Consumed, TokenChallenges},
    /// };
    ///
    /// /// Consumes the challenge of a device, and the one that its user has typed.
    /// async fn redeem(
    ///     devices: &TokenChallenges<String>,
    ///     typed: &TokenChallenges<bool>,
    ///     client: &Client,
    ///     handle: &ChallengeHandle,
    /// ) -> Result<Consumed<bool>, AuthError> {
    ///     let device = devices.consume(client, handle).await?;
    ///     typed.consume_reference(client, device.data()).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ChallengeExpired`]; [`ErrorKind::Unauthenticated`] without the session of the
    /// challenge; [`ErrorKind::Unavailable`].
    ///
    /// # Security
    ///
    /// A reference is not a secret: take it from a challenge that was consumed, and not from the
    /// request.
    pub async fn consume_reference(
        &self,
        client: &Client,
        reference: &str,
    ) -> Result<Consumed<T>, AuthError> {
        let core = self.services.core()?;
        let found = self.find_reference(&core, reference).await?;
        let (found, stored) = found.ok_or(ErrorKind::ChallengeExpired)?;
        let user = stored.session_user(client).await?;
        let (taken, stored) = self.take(&core, client, &found, &stored).await?;
        Consumed::new(&taken, stored, user, Secrets::random()?)
    }

    async fn find_reference(
        &self,
        core: &Core,
        reference: &str,
    ) -> Result<Option<(Challenge, Stored)>, AuthError> {
        if let Some(id) = Digest::from_base64(reference)
            && let Some(found) = self.find(core, &id).await?
        {
            return Ok(Some(found));
        }
        self.find(core, &self.named(reference)).await
    }

    fn named(&self, name: &str) -> Digest {
        Digest::hash(Domain::REMEMBERED, format!("{}\0{name}", self.kind().as_str()).as_bytes())
    }
}
