//! Inserts challenges on the condition that their user exists.

use crate::{error::AuthError, services::Core, store::Challenge};

impl Core {
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
