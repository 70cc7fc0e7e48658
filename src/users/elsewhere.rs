//! Users in a store of the application with credentials in our tables, which no transaction spans.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::OwnedMutexGuard;
use tracing::Instrument;

use super::time_limit::within;
use crate::{
    model::{User, UserId},
    store::{CreateUserOutcome, Credential, CredentialKind, Store, StoreError},
};

/// Runs work that writes to two stores in a separate task, so that it completes even if the client
/// disconnects.
pub(super) async fn complete<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work.in_current_span()).await.map_err(StoreError::new)?
}

/// Creates a user in the other store with a passkey or an identity here. The credential is inserted
/// first: of two concurrent sign-ups with the same credential, one creates a user and the other
/// leaves no data. Call [`adopt`] if the user was created.
pub(super) async fn create(
    ours: &Arc<dyn Store>,
    user: &User,
    credential: Option<&Credential>,
    creating: impl Future<Output = Result<CreateUserOutcome, StoreError>> + Send,
) -> Result<CreateUserOutcome, StoreError> {
    let early = early(credential);
    if let Some(own) = early {
        // A reused id must not get the credentials of its former user.
        ours.forget_former_user(&user.id).await?;
        if !ours.insert_credential(own).await? {
            return Ok(CreateUserOutcome::CredentialTaken);
        }
    }
    let created = creating.await;
    if early.is_some() && !matches!(created, Ok(CreateUserOutcome::Created(_))) {
        ours.forget_former_user(&user.id).await?;
    }
    created
}

/// Assigns the credential of [`create`] to the created user, whose id may be chosen by the
/// application. Returns whether the credential still exists.
pub(super) async fn adopt(
    ours: &Arc<dyn Store>,
    wanted: &UserId,
    made: &UserId,
    credential: Option<&Credential>,
) -> Result<bool, StoreError> {
    let early = early(credential);
    if made == wanted && early.is_some() {
        return Ok(true);
    }
    ours.forget_former_user(made).await?;
    let Some(own) = early else { return Ok(true) };
    ours.forget_former_user(wanted).await?;
    let own = Credential { user_id: made.clone(), ..own.clone() };
    ours.insert_credential(&own).await
}

/// Returns the credential if it can be inserted before its user, because its lookup does not depend
/// on the id.
fn early(credential: Option<&Credential>) -> Option<&Credential> {
    credential.filter(|own| own.kind != CredentialKind::Password)
}

type Locks = HashMap<UserId, Arc<tokio::sync::Mutex<()>>>;

/// Serializes the transitions of each user in this process. No transaction spans two stores, so
/// that a transition must not interleave with another one of the same user.
#[derive(Clone)]
pub(super) struct Turns {
    locks: Arc<Mutex<Locks>>,
    max_wait: Duration,
}

/// The lock on the changes of one user, held until it is dropped.
pub(super) struct Turn {
    turns: Turns,
    user: UserId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub(super) fn new(max_wait: Duration) -> Self {
        Self { locks: Arc::default(), max_wait }
    }

    /// Waits until no other transition of the user is in progress.
    pub(super) async fn of(&self, user: &UserId) -> Result<Turn, StoreError> {
        let mut turn = Turn { turns: self.clone(), user: user.clone(), guard: None };
        let own = Arc::clone(self.lock().entry(user.clone()).or_default());
        let waiting = async { Ok(own.lock_owned().await) };
        turn.guard = Some(within(self.max_wait, "another change of the user", waiting).await?);
        Ok(turn)
    }

    fn lock(&self) -> MutexGuard<'_, Locks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut locks = self.turns.lock();
        // Tasks that wait for the lock hold a reference too.
        if locks.get(&self.user).is_some_and(|own| Arc::strong_count(own) == 1) {
            locks.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn transitions_of_one_user_are_serialized_within_the_limit() {
        let turns = Turns::new(Duration::from_secs(10));
        let (ada, bob) = (UserId::new("ada"), UserId::new("bob"));
        let first = turns.of(&ada).await.unwrap();
        drop(turns.of(&bob).await.unwrap());
        assert!(turns.of(&ada).await.is_err(), "the first one takes longer than the limit");
        let waiting = {
            let turns = turns.clone();
            let ada = ada.clone();
            tokio::spawn(async move { turns.of(&ada).await.map(drop) })
        };
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap().unwrap();
        assert!(turns.lock().is_empty(), "no lock outlives its transitions");
    }
}
