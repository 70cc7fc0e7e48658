//! Users in our tables, with roles, scopes and other claims from a [`ClaimsSource`](super::ClaimsSource).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Map;

use super::{
    claims_batch::Batch,
    erased::AnyClaimsSource,
    kept::Kept,
    ports::{CachePolicy, Claims},
    time_limit::TimeLimited,
};
use crate::{
    model::{Email, User, UserId, Username},
    store::{
        AccountStore, AccountWrites, Applied, CompleteFn, CreateUserOutcome, Creation, Credential,
        Decide, DeleteOutcome, EditFn, EditOutcome, Field, Remaining, Store, StoreError,
        UserFilter, UserSearch,
    },
};

/// The fields that come from a [`ClaimsSource`](super::ClaimsSource).
const CLAIMED: [Field; 6] = [
    Field::Roles,
    Field::Scopes,
    Field::TenantId,
    Field::Attributes,
    Field::UserMetadata,
    Field::AppMetadata,
];

pub(super) struct WithClaims {
    store: Arc<dyn Store>,
    batch: Batch,
    kept: Kept<Claims>,
}

impl WithClaims {
    pub(super) fn new(
        store: Arc<dyn Store>,
        source: Arc<TimeLimited<dyn AnyClaimsSource>>,
        rules: CachePolicy,
    ) -> Self {
        let kept = Kept::new(rules, store.changes());
        Self { store, batch: Batch::new(source), kept }
    }

    /// Returns the claims of a user, from the cache if the rules allow it.
    async fn claims(&self, user: &UserId) -> Result<Claims, StoreError> {
        let ask = async { self.batch.claims(user).await.map(Some) };
        Ok(self.kept.or_ask(user, ask).await?.unwrap_or_default())
    }

    /// Returns users with their claims, which are fetched together.
    async fn all_with(&self, users: Vec<User>) -> Result<Vec<User>, StoreError> {
        let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
        if ids.is_empty() {
            return Ok(users);
        }
        let mut found = self.batch.source.claims_batch(&ids).await?;
        let with = |user: User| claimed(&user, &found.remove(&user.id).unwrap_or_default());
        Ok(users.into_iter().map(with).collect())
    }

    async fn with(&self, user: Option<User>) -> Result<Option<User>, StoreError> {
        let Some(user) = user else { return Ok(None) };
        let claims = self.claims(&user.id).await?;
        Ok(Some(claimed(&user, &claims)))
    }
}

/// Returns a search that does not select by roles, which are claims.
fn without_claims(search: UserSearch<'_>) -> UserSearch<'_> {
    match search {
        UserSearch::Newest { status, after, .. } => {
            UserSearch::Newest { role: None, status, after }
        }
        UserSearch::Prefix { field, text, after, .. } => {
            UserSearch::Prefix { field, text, role: None, after }
        }
        other @ UserSearch::ById { .. } => other,
    }
}

fn claimed(user: &User, claims: &Claims) -> User {
    let claims = claims.clone();
    User {
        roles: claims.roles,
        scopes: claims.scopes,
        tenant_id: claims.tenant_id,
        attributes: claims.attributes,
        user_metadata: claims.user_metadata,
        app_metadata: claims.app_metadata,
        ..user.clone()
    }
}

fn core(user: &User) -> User {
    User {
        roles: Vec::new(),
        scopes: Vec::new(),
        tenant_id: None,
        attributes: Map::new(),
        user_metadata: Map::new(),
        app_metadata: Map::new(),
        ..user.clone()
    }
}

impl crate::store::sealed::Sealed for WithClaims {}

#[async_trait]
impl AccountStore for WithClaims {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.with(self.store.find_user(id).await?).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.with(self.store.find_user_by_email(email).await?).await
    }

    async fn find_user_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.with(self.store.find_user_by_username(name).await?).await
    }

    async fn find_user_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.store.find_user_by_skeleton(name).await
    }

    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
        creation: Creation,
    ) -> Result<CreateUserOutcome, StoreError> {
        match self.store.create_user(&core(user), credential, creation).await? {
            CreateUserOutcome::Created(made) => match self.with(Some(*made)).await? {
                Some(made) => Ok(CreateUserOutcome::Created(Box::new(made))),
                None => Ok(CreateUserOutcome::Refused),
            },
            other => Ok(other),
        }
    }

    async fn edit_completing(
        &self,
        id: &UserId,
        edit: EditFn<'_>,
        credential: Option<&Credential>,
        remaining: Option<&Remaining>,
        complete: CompleteFn<'_>,
    ) -> Result<EditOutcome, StoreError> {
        let claims = self.batch.claims(id).await?;
        let lost = Mutex::new(None);
        let watched = |user: &mut User| {
            let before = claimed(user, &claims);
            let mut after = before.clone();
            let wanted = edit(&mut after);
            let changed = Field::changes(&before, &after).into_iter();
            let not_ours = changed.clone().find(|field| CLAIMED.contains(field));
            *lost.lock().unwrap_or_else(PoisonError::into_inner) = not_ours;
            *user = core(&after);
            wanted && not_ours.is_none()
        };
        let edited =
            self.store.edit_completing(id, &watched, credential, remaining, complete).await?;
        let lost = lost.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(match (edited, lost) {
            (EditOutcome::Refused, Some(field)) => EditOutcome::NotKept(field.name()),
            (EditOutcome::Done(user), _) => match self.with(Some(*user)).await? {
                Some(user) => EditOutcome::Done(Box::new(user)),
                None => EditOutcome::Unknown,
            },
            (other, _) => other,
        })
    }

    /// Transitions are decided on the user without claims and write no claims. Claims are fetched
    /// after them.
    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError> {
        let decide = |user: &User| {
            let writes = decide(&core(user))?;
            Some(AccountWrites { user: core(&writes.user), ..writes })
        };
        match self.store.apply(id, &decide).await? {
            Applied::Done(user) => match self.with(Some(*user)).await? {
                Some(user) => Ok(Applied::Done(Box::new(user))),
                None => Ok(Applied::Unknown),
            },
            other => Ok(other),
        }
    }

    async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError> {
        self.store.delete_user(id).await
    }

    async fn delete_user_keeping(
        &self,
        id: &UserId,
        remaining: Option<&Remaining>,
    ) -> Result<DeleteOutcome, StoreError> {
        self.store.delete_user_keeping(id, remaining).await
    }

    /// The condition judges users in our tables, which have no claims. The claims are those of now and
    /// not part of the transaction.
    async fn complete_condition(
        &self,
        condition: Remaining,
        changed: &UserId,
    ) -> Result<Remaining, StoreError> {
        let Remaining { user, passes } = condition;
        let (of_other, of_changed) =
            tokio::try_join!(self.batch.claims(&user), self.batch.claims(changed))?;
        let other = user.clone();
        let passes = Arc::new(move |user: &User| {
            let claims = if user.id == other { &of_other } else { &of_changed };
            passes(&claimed(user, claims))
        });
        Ok(Remaining { user, passes })
    }

    async fn search_users(
        &self,
        search: &UserSearch<'_>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        let users = self.store.search_users(&without_claims(*search), at_most).await?;
        self.all_with(users).await
    }

    async fn count_users(&self, filter: &UserFilter) -> Result<Option<u64>, StoreError> {
        match filter.role {
            Some(_) => Ok(None),
            None => self.store.count_users(filter).await,
        }
    }

    async fn list_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        let users = self.store.list_users(after, at_most).await?;
        Ok(users.iter().map(core).collect())
    }

    async fn import_users(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let all: Vec<_> = all.iter().map(|(user, own)| (core(user), own.clone())).collect();
        self.store.import_users(&all).await
    }

    async fn user_of_session(
        &self,
        id: &UserId,
        joined: Option<User>,
    ) -> Result<Option<User>, StoreError> {
        match joined {
            Some(user) => self.with(Some(user)).await,
            None => self.find_user(id).await,
        }
    }

    fn stores(&self, member: &str) -> bool {
        !CLAIMED.iter().any(|field| field.name() == member) && self.store.stores(member)
    }

    async fn announce(&self, id: &UserId) -> Result<(), StoreError> {
        self.kept.change(id);
        self.store.announce(id).await
    }
}
