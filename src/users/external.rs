//! Users in an external system, behind a [`UserDirectory`](super::UserDirectory), which are only read.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    elsewhere, erased::AnyUserDirectory, kept::Kept, ports::CachePolicy, time_limit::TimeLimited,
};
use crate::{
    model::{Email, User, UserId, UserStatus, Username},
    store::{
        AccountFlags, AccountStore, AccountWrites, Applied, CreateUserOutcome, Creation,
        Credential, CredentialKind, Decide, Field, Requirement, Store, StoreError, Unmet,
    },
};

/// Maximum attempts of a transition that conflicts with changes by other processes.
const MAX_RACES: usize = 8;

#[derive(Clone)]
pub(super) struct External {
    resolver: Arc<TimeLimited<dyn AnyUserDirectory>>,
    ours: Arc<dyn Store>,
    kept: Arc<Kept<User>>,
    turns: elsewhere::Turns,
}

impl External {
    pub(super) fn new(
        resolver: Arc<TimeLimited<dyn AnyUserDirectory>>,
        ours: Arc<dyn Store>,
        rules: CachePolicy,
        max_wait: Duration,
    ) -> Self {
        let kept = Arc::new(Kept::new(rules, ours.changes()));
        Self { resolver, ours, kept, turns: elsewhere::Turns::new(max_wait) }
    }

    async fn create(
        &self,
        user: &User,
        credential: Option<&Credential>,
    ) -> Result<CreateUserOutcome, StoreError> {
        let provisioning = self.resolver.provision(user);
        let made = match elsewhere::create(&self.ours, user, credential, provisioning).await? {
            CreateUserOutcome::Created(made) => *made,
            other => return Ok(other),
        };
        if !elsewhere::adopt(&self.ours, &user.id, &made.id, credential).await? {
            return Ok(CreateUserOutcome::CredentialTaken);
        }
        let password = credential.filter(|own| own.kind == CredentialKind::Password).map(|own| {
            let lookup = made.id.as_str().to_owned();
            Credential { user_id: made.id.clone(), lookup, ..own.clone() }
        });
        for _ in 0..MAX_RACES {
            // A ban outlives the deletion of a user, and the creation of the same user.
            let stored = self.ours.find_standing(&made.id).await?;
            let mut standing = AccountFlags::from(user);
            standing.email = standing.email.filter(|email| made.email.as_ref() == Some(email));
            if stored.status != UserStatus::Active {
                standing.status = stored.status;
            }
            let writes = AccountWrites {
                requires: vec![Requirement::AccountFlags(stored)],
                standing: Some(standing),
                add: password.clone(),
                ..AccountWrites::new(made.clone())
            };
            match self.ours.apply(&made.id, &|_| Some(writes.clone())).await? {
                Applied::Done(_) => {
                    let made = self.with(Some(made)).await?;
                    return Ok(made.map_or(CreateUserOutcome::Refused, |user| {
                        CreateUserOutcome::Created(Box::new(user))
                    }));
                }
                Applied::Unmet(Unmet::AccountFlags) => {}
                _ => return Ok(CreateUserOutcome::CredentialTaken),
            }
        }
        Err(StoreError::new("other processes changed the user during every attempt"))
    }

    async fn resolve(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.kept.or_ask(id, self.resolver.find(id)).await
    }

    /// Merges the status that is stored here into a user of the resolver.
    async fn with(&self, user: Option<User>) -> Result<Option<User>, StoreError> {
        let Some(user) = user else { return Ok(None) };
        let standing = self.ours.find_standing(&user.id).await?;
        Ok(Some(merged(user, &standing)))
    }
}

/// Merges the status that is stored here into a user of the resolver. A user who is disabled in one
/// of them is disabled.
fn merged(mut user: User, standing: &AccountFlags) -> User {
    if user.email_verified_at.is_none() && user.email.is_some() && standing.email == user.email {
        user.email_verified_at = standing.email_verified_at;
    }
    if standing.status != UserStatus::Active {
        user.status = standing.status;
    }
    user.is_anonymous |= standing.is_anonymous;
    user
}

/// Returns the status to store after a change, or `None` if it is the same. Only fields that the
/// change modified are updated; values of the resolver are not stored.
fn changed(
    standing: &AccountFlags,
    before: &User,
    after: &User,
    status: Option<UserStatus>,
) -> Option<AccountFlags> {
    let mut new = standing.clone();
    if before.email_verified_at != after.email_verified_at {
        new.email = after.email.clone().filter(|_| after.email_verified_at.is_some());
        new.email_verified_at = after.email_verified_at;
    }
    if let Some(status) = status.or_else(|| (before.status != after.status).then_some(after.status))
    {
        new.status = status;
    }
    if before.is_anonymous != after.is_anonymous {
        new.is_anonymous = after.is_anonymous;
    }
    (new != *standing).then_some(new)
}

impl crate::store::sealed::Sealed for External {}

#[async_trait]
impl AccountStore for External {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.with(self.resolve(id).await?).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let user = self.resolver.find_by_email(email).await?;
        if user.is_none() {
            // Executes the same statement as for a registered user, so that the number of
            // statements does not disclose whether an email address is registered.
            self.ours.find_standing(&UserId::new(email.as_str())).await?;
        }
        self.with(user).await
    }

    async fn find_user_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        let user = self.resolver.find_by_username(name).await?;
        if user.is_none() {
            // As for email addresses.
            self.ours.find_standing(&UserId::new(name.as_str())).await?;
        }
        self.with(user).await
    }

    /// The external system decides whether usernames look alike, when it creates a user.
    async fn find_user_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.find_user_by_username(name).await
    }

    /// Uses the status that was fetched with the session, whose changes invalidate cached sessions.
    async fn user_of_session(
        &self,
        id: &UserId,
        joined: Option<User>,
    ) -> Result<Option<User>, StoreError> {
        let there = self.resolve(id).await?;
        match joined {
            Some(ours) => Ok(there.map(|user| merged(user, &AccountFlags::from(&ours)))),
            None => self.with(there).await,
        }
    }

    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
        _: Creation,
    ) -> Result<CreateUserOutcome, StoreError> {
        if let Some(email) = &user.email
            && self.resolver.find_by_email(email).await?.is_some()
        {
            return Ok(CreateUserOutcome::EmailTaken);
        }
        let (this, user, credential) = (self.clone(), user.clone(), credential.cloned());
        let creating = async move { this.create(&user, credential.as_ref()).await };
        elsewhere::complete(creating).await
    }

    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError> {
        let _turn = self.turns.of(id).await?;
        for _ in 0..MAX_RACES {
            let Some(there) = self.resolve(id).await? else { return Ok(Applied::Unknown) };
            let standing = self.ours.find_standing(id).await?;
            let before = merged(there, &standing);
            let Some(writes) = decide(&before) else { return Ok(Applied::Declined) };
            if writes.password.is_some() && self.keeps_passwords() {
                return Err(StoreError::unsupported("set_password"));
            }
            let changes = Field::changes(&before, &writes.user);
            let lost = changes.iter().find(|own| !own.is_standing() && **own != Field::UpdatedAt);
            if let Some(field) = lost {
                return Ok(Applied::Unsupported(field.name()));
            }
            // The change is applied to the status that is stored here, regardless of the status at
            // the resolver.
            let alone = User { status: standing.status, ..before.clone() };
            let status = decide(&alone).map(|own| own.user.status);
            let new = changed(&standing, &before, &writes.user, status);
            let mut ours = AccountWrites { standing: new, ..writes };
            ours.requires.push(Requirement::AccountFlags(standing));
            match self.ours.apply(id, &|_| Some(ours.clone())).await? {
                Applied::Unmet(Unmet::AccountFlags) => {}
                applied => return Ok(applied),
            }
        }
        Err(StoreError::new("other processes changed the user during every attempt"))
    }

    /// Deletes the credentials and sessions that are stored here. The user remains in the external
    /// system.
    async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError> {
        let (this, id) = (self.clone(), id.clone());
        elsewhere::complete(async move {
            let exists = this.resolver.find(&id).await?.is_some();
            this.ours.forget_user(&id).await?;
            this.kept.change(&id);
            Ok(exists)
        })
        .await
    }

    async fn list_users(&self, _: Option<&UserId>, _: u32) -> Result<Vec<User>, StoreError> {
        Err(StoreError::unsupported("list_users"))
    }

    async fn import_users(
        &self,
        _: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        Err(StoreError::unsupported("import_users"))
    }

    async fn announce(&self, id: &UserId) -> Result<(), StoreError> {
        self.kept.change(id);
        self.ours.announce(id).await
    }

    fn is_transactional(&self) -> bool {
        false
    }

    fn keeps_passwords(&self) -> bool {
        self.resolver.keeps_passwords()
    }

    async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        self.resolver.has_password(user).await
    }

    async fn verify_password(&self, user: &User, password: &str) -> Result<bool, StoreError> {
        self.resolver.verify_password(user, password).await
    }
}
