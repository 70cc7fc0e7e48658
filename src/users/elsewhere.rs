//! A user there and what signs them in here, which no transaction holds together.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{
    model::{User, UserId},
    store::{Creation, Credential, CredentialKind, Store, StoreError},
};

/// Makes a user there with a passkey or an identity here. The credential comes first, so that
/// of two sign-ups by one of them one makes a user; whoever fails leaves nothing.
pub(super) async fn create(
    ours: &Arc<dyn Store>,
    user: &User,
    credential: Option<&Credential>,
    creating: impl Future<Output = Result<Creation, StoreError>> + Send,
) -> Result<Creation, StoreError> {
    let early = credential.filter(|own| own.kind != CredentialKind::Password);
    if let Some(own) = early {
        // An id that was in use before must not come with what signed its user in.
        ours.forget_former_user(&user.id).await?;
        if !ours.insert_credential(own).await? {
            return Ok(Creation::CredentialTaken);
        }
    }
    let made = match creating.await {
        Ok(Creation::Created(made)) => made,
        other => {
            if early.is_some() {
                ours.forget_former_user(&user.id).await?;
            }
            return other;
        }
    };
    if made.id == user.id && early.is_some() {
        return Ok(Creation::Created(made));
    }
    ours.forget_former_user(&made.id).await?;
    if let Some(own) = early {
        ours.forget_former_user(&user.id).await?;
        let own = Credential { user_id: made.id.clone(), ..own.clone() };
        if !ours.insert_credential(&own).await? {
            return Err(StoreError::new("a credential was taken while its user was made"));
        }
    }
    Ok(Creation::Created(made))
}

/// How many users may be written at once.
const SHARDS: usize = 64;

/// Lets the transitions of one user follow one another in this process: no transaction spans two
/// stores, and a transition decided on the user of one store must not meet another halfway.
pub(super) struct Turns {
    shards: Vec<Arc<Mutex<()>>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        let shards = std::iter::repeat_with(Arc::default).take(SHARDS).collect();
        Self { shards, hasher: RandomState::new() }
    }
}

impl Turns {
    /// Waits for the transitions of a user that are under way.
    pub(super) async fn of(&self, id: &UserId) -> Option<OwnedMutexGuard<()>> {
        let shards = u64::try_from(self.shards.len().max(1)).unwrap_or(1);
        let shard = usize::try_from(self.hasher.hash_one(id.as_str()) % shards).ok()?;
        Some(Arc::clone(self.shards.get(shard)?).lock_owned().await)
    }
}
