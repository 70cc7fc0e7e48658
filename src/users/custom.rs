//! Users in a store of the application, behind a [`UserStore`](super::UserStore).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    custom_write::{Write, split_password, take_hash},
    elsewhere,
    erased::AnyUserStore,
    time_limit::TimeLimited,
};
use crate::{
    model::{Email, User, UserId, Username},
    store::{
        AccountStore, Applied, CreateUserOutcome, Creation, Credential, CredentialKind, Decide,
        Store, StoreError,
    },
};

/// Maximum attempts of a transition that conflicts with other changes.
const MOST_RACES: usize = 8;

/// Users in the store of the application, with their credentials in our tables.
#[derive(Clone)]
pub(super) struct Custom {
    users: Arc<TimeLimited<dyn AnyUserStore>>,
    ours: Arc<dyn Store>,
    turns: elsewhere::Turns,
}

impl Custom {
    pub(super) fn new(
        users: Arc<TimeLimited<dyn AnyUserStore>>,
        ours: Arc<dyn Store>,
        max_wait: Duration,
    ) -> Self {
        Self { users, ours, turns: elsewhere::Turns::new(max_wait) }
    }

    /// Inserts a credential of a user whose final id is known. If the application stores passwords,
    /// the password credential here has no hash.
    async fn add(&self, id: &UserId, credential: &Credential) -> Result<bool, StoreError> {
        let mut own = Credential { user_id: id.clone(), ..credential.clone() };
        if own.kind == CredentialKind::Password {
            id.as_str().clone_into(&mut own.lookup);
            if self.users.keeps_passwords()
                && let Some(hash) = take_hash(&mut own)
            {
                self.users.set_password(id, &hash).await?;
            }
        }
        self.ours.insert_credential(&own).await
    }

    async fn create(
        &self,
        user: &User,
        credential: Option<&Credential>,
    ) -> Result<CreateUserOutcome, StoreError> {
        let creating = self.users.create(user);
        let made = match elsewhere::create(&self.ours, user, credential, creating).await? {
            CreateUserOutcome::Created(made) => made,
            other => return Ok(other),
        };
        let added = self.add_first(&user.id, &made.id, credential).await;
        if !matches!(added, Ok(true)) {
            let undone = self.users.delete(&made.id).await;
            tracing::warn!(user = %made.id, ?undone, "a sign-up failed: its user was removed");
        }
        Ok(if added? {
            CreateUserOutcome::Created(made)
        } else {
            CreateUserOutcome::CredentialTaken
        })
    }

    async fn add_first(
        &self,
        wanted: &UserId,
        made: &UserId,
        credential: Option<&Credential>,
    ) -> Result<bool, StoreError> {
        if !elsewhere::adopt(&self.ours, wanted, made, credential).await? {
            return Ok(false);
        }
        match credential.filter(|own| own.kind == CredentialKind::Password) {
            Some(password) => self.add(made, password).await,
            None => Ok(true),
        }
    }

    async fn delete(&self, id: &UserId) -> Result<bool, StoreError> {
        let _turn = self.turns.of(id).await?;
        let existed = self.users.delete(id).await?;
        self.ours.forget_user(id).await?;
        Ok(existed)
    }

    async fn import(
        &self,
        user: &User,
        credentials: &[Credential],
    ) -> Result<Option<UserId>, StoreError> {
        let CreateUserOutcome::Created(made) = self.create(user, credentials.first()).await? else {
            return Ok(None);
        };
        for credential in credentials.iter().skip(1) {
            if !self.add(&made.id, credential).await? {
                self.delete(&made.id).await?;
                return Ok(None);
            }
        }
        Ok(Some(made.id))
    }
}

impl crate::store::sealed::Sealed for Custom {}

#[async_trait]
impl AccountStore for Custom {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.users.find(id).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.users.find_by_email(email).await
    }

    async fn find_user_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.users.find_by_username(name).await
    }

    async fn find_user_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.users.find_by_skeleton(name).await
    }

    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
        _: Creation,
    ) -> Result<CreateUserOutcome, StoreError> {
        let (this, user, credential) = (self.clone(), user.clone(), credential.cloned());
        let creating = async move { this.create(&user, credential.as_ref()).await };
        elsewhere::complete(creating).await
    }

    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError> {
        let mut turn = self.turns.of(id).await?;
        for _ in 0..MOST_RACES {
            let Some(before) = self.users.find(id).await? else { return Ok(Applied::Unknown) };
            let Some(mut writes) = decide(&before) else { return Ok(Applied::Declined) };
            let (users, ours) = (Arc::clone(&self.users), Arc::clone(&self.ours));
            let hash = match users.keeps_passwords() {
                true => split_password(&ours, &mut writes).await?,
                false => None,
            };
            let write = Write { users, ours, before, writes, hash };
            let writing = async move { Ok((write.run().await?, turn)) };
            let (applied, again) = elsewhere::complete(writing).await?;
            if let Some(applied) = applied {
                return Ok(applied);
            }
            turn = again;
        }
        Err(StoreError::new("the user was changed by other writers during every attempt"))
    }

    async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError> {
        let (this, id) = (self.clone(), id.clone());
        elsewhere::complete(async move { this.delete(&id).await }).await
    }

    async fn list_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.users.list(after, at_most).await
    }

    async fn import_users(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let mut ids = Vec::with_capacity(all.len());
        for (user, credentials) in all {
            let (this, user, credentials) = (self.clone(), user.clone(), credentials.clone());
            let importing = async move { this.import(&user, &credentials).await };
            ids.push(elsewhere::complete(importing).await?);
        }
        Ok(ids)
    }

    async fn announce(&self, id: &UserId) -> Result<(), StoreError> {
        self.ours.announce(id).await
    }

    fn is_transactional(&self) -> bool {
        false
    }

    fn keeps_passwords(&self) -> bool {
        self.users.keeps_passwords()
    }

    async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        self.users.has_password(user).await
    }

    async fn verify_password(&self, user: &User, password: &str) -> Result<bool, StoreError> {
        self.users.verify_password(user, password).await
    }
}
