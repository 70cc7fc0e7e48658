//! Inserts challenges on the condition that their user exists.

use super::consumed::Stored;
use crate::{
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    services::Core,
    store::Challenge,
};

impl Core {
    /// Returns the challenge of a handle or of a token, if it exists and has not expired.
    pub(super) async fn live(
        &self,
        purpose: TokenPurpose,
        text: &str,
    ) -> Result<Option<Challenge>, AuthError> {
        let Some(token) = OneTimeToken::parse(purpose, text) else { return Ok(None) };
        Ok(self.challenges.find_challenge(&token.digest(), self.clock.now()).await?)
    }

    /// Inserts a challenge. Returns `false` if its id exists already or its user does not exist.
    ///
    /// A user in another store can be deleted while the challenge is inserted here. The user is
    /// therefore fetched again after the insert, and the challenge is deleted if the user is gone.
    pub(crate) async fn store_challenge(&self, challenge: &Challenge) -> Result<bool, AuthError> {
        Ok(self.challenges.insert_challenge(challenge).await? && self.has_owner(challenge).await?)
    }

    /// Inserts a challenge that any client can request for an email address. Its user is fetched
    /// again in a separate task, because the response time of a slow or failing user store would
    /// disclose which addresses are registered.
    pub(crate) async fn store_requested(&self, challenge: Challenge) -> Result<(), AuthError> {
        self.challenges.insert_challenge(&challenge).await?;
        if challenge.user_id.is_some()
            && !self.users.is_transactional()
            && let Some(core) = self.shared()
        {
            tokio::spawn(async move {
                if let Err(error) = core.has_owner(&challenge).await {
                    tracing::warn!(cause = %error, "the user of a link was not fetched again");
                }
            });
        }
        Ok(())
    }

    /// Replaces the challenge of the same id, in other respects like `store_challenge`.
    pub(crate) async fn replace_challenge(&self, challenge: &Challenge) -> Result<bool, AuthError> {
        Ok(self.challenges.put_challenge(challenge).await? && self.has_owner(challenge).await?)
    }

    /// Consumes the older challenges of the same kind and user, and of the same session if the
    /// challenge belongs to one.
    pub(super) async fn replace_older(&self, challenge: &Challenge) -> Result<(), AuthError> {
        let Some(user) = &challenge.user_id else { return Ok(()) };
        let stored = Stored::read(challenge)?;
        let now = self.clock.now();
        for older in self.challenges.list_challenges(user, challenge.kind).await? {
            let is_same = Stored::read(&older).is_ok_and(|own| own.has_session_of(&stored));
            // Of concurrent new challenges, one remains.
            let age = |own: &Challenge| (own.created_at, own.id.to_base64());
            if is_same && age(&older) < age(challenge) {
                self.challenges.take_challenge(&older.id, None, now).await?;
            }
        }
        Ok(())
    }

    /// Does the same in a separate task: a challenge that any client can request must not disclose
    /// whether it has a user.
    pub(super) fn replace_older_later(&self, challenge: Challenge) {
        let Some(core) = self.shared().filter(|_| challenge.user_id.is_some()) else { return };
        tokio::spawn(async move {
            if let Err(error) = core.replace_older(&challenge).await {
                tracing::warn!(cause = %error, "older challenges were not consumed");
            }
        });
    }

    async fn has_owner(&self, challenge: &Challenge) -> Result<bool, AuthError> {
        let Some(user) = challenge.user_id.as_ref().filter(|_| !self.users.is_transactional())
        else {
            return Ok(true);
        };
        if self.users.find_user(user).await?.is_some() {
            return Ok(true);
        }
        let now = self.clock.now();
        self.challenges.take_challenge(&challenge.id, None, now).await?;
        Ok(false)
    }
}
