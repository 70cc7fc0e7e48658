//! A time limit for calls of traits that the application implements.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    erased::{AnyClaimsSource, AnyUserDirectory, AnyUserStore},
    ports::{Claims, UpdateOutcome},
};
use crate::{
    model::{Email, User, UserId, Username},
    store::{CreateUserOutcome, StoreError},
};

/// Longer than the five seconds of a database statement, since a call may consist of several
/// requests.
pub(super) const DEFAULT: Duration = Duration::from_secs(10);

/// An implementation of the application, each call of which has a time limit.
pub(super) struct TimeLimited<T: ?Sized> {
    inner: Arc<T>,
    limit: Duration,
}

impl<T: ?Sized> TimeLimited<T> {
    pub(super) fn new(inner: Arc<T>, limit: Duration) -> Self {
        Self { inner, limit }
    }

    async fn call<R>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<R, StoreError>> + Send,
    ) -> Result<R, StoreError> {
        within(self.limit, name, call).await
    }
}

/// Returns the result of a call, or an error if it takes longer than `limit`.
pub(super) async fn within<R>(
    limit: Duration,
    name: &'static str,
    call: impl Future<Output = Result<R, StoreError>> + Send,
) -> Result<R, StoreError> {
    let Ok(result) = timeout(limit, call).await else {
        return Err(StoreError::new(format!("{name} did not return within {limit:?}")));
    };
    result
}

impl TimeLimited<dyn AnyUserStore> {
    pub(super) async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.call("UserStore::find", self.inner.find(id)).await
    }

    pub(super) async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.call("UserStore::find_by_email", self.inner.find_by_email(email)).await
    }

    pub(super) async fn find_by_username(
        &self,
        name: &Username,
    ) -> Result<Option<User>, StoreError> {
        self.call("UserStore::find_by_username", self.inner.find_by_username(name)).await
    }

    pub(super) async fn find_by_skeleton(
        &self,
        name: &Username,
    ) -> Result<Option<User>, StoreError> {
        self.call("UserStore::find_by_skeleton", self.inner.find_by_skeleton(name)).await
    }

    pub(super) async fn create(&self, user: &User) -> Result<CreateUserOutcome, StoreError> {
        self.call("UserStore::create", self.inner.create(user)).await.map(Into::into)
    }

    pub(super) async fn update(
        &self,
        before: &User,
        after: &User,
    ) -> Result<UpdateOutcome, StoreError> {
        self.call("UserStore::update", self.inner.update(before, after)).await
    }

    pub(super) async fn delete(&self, id: &UserId) -> Result<bool, StoreError> {
        self.call("UserStore::delete", self.inner.delete(id)).await
    }

    pub(super) async fn list(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.call("UserStore::list", self.inner.list(after, at_most)).await
    }

    pub(super) fn keeps_passwords(&self) -> bool {
        self.inner.keeps_passwords()
    }

    pub(super) async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        self.call("UserStore::has_password", self.inner.has_password(user)).await
    }

    pub(super) async fn verify_password(
        &self,
        user: &User,
        password: &str,
    ) -> Result<bool, StoreError> {
        self.call("UserStore::verify_password", self.inner.verify_password(user, password)).await
    }

    pub(super) async fn set_password(&self, user: &UserId, hash: &str) -> Result<(), StoreError> {
        self.call("UserStore::set_password", self.inner.set_password(user, hash)).await
    }
}

impl TimeLimited<dyn AnyUserDirectory> {
    pub(super) async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.call("UserDirectory::find", self.inner.find(id)).await
    }

    pub(super) async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.call("UserDirectory::find_by_email", self.inner.find_by_email(email)).await
    }

    pub(super) async fn find_by_username(
        &self,
        name: &Username,
    ) -> Result<Option<User>, StoreError> {
        self.call("UserDirectory::find_by_username", self.inner.find_by_username(name)).await
    }

    pub(super) async fn provision(&self, wanted: &User) -> Result<CreateUserOutcome, StoreError> {
        self.call("UserDirectory::provision", self.inner.provision(wanted)).await.map(Into::into)
    }

    pub(super) fn keeps_passwords(&self) -> bool {
        self.inner.keeps_passwords()
    }

    pub(super) async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        self.call("UserDirectory::has_password", self.inner.has_password(user)).await
    }

    pub(super) async fn verify_password(
        &self,
        user: &User,
        password: &str,
    ) -> Result<bool, StoreError> {
        let call = self.inner.verify_password(user, password);
        self.call("UserDirectory::verify_password", call).await
    }
}

impl TimeLimited<dyn AnyClaimsSource> {
    pub(super) async fn claims_batch(
        &self,
        users: &[UserId],
    ) -> Result<HashMap<UserId, Claims>, StoreError> {
        self.call("ClaimsSource::claims_batch", self.inner.claims_batch(users)).await
    }
}
