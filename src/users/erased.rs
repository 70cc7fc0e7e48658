//! Object-safe forms of the traits that the application implements.

use std::{collections::HashMap, future::Future, pin::Pin};

use super::ports::{Claims, ClaimsSource, CreateOutcome, UpdateOutcome, UserDirectory, UserStore};
use crate::{
    model::{Email, User, UserId, Username},
    store::StoreError,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The object-safe form of [`UserStore`].
pub(super) trait AnyUserStore: Send + Sync {
    fn find<'a>(&'a self, id: &'a UserId) -> Boxed<'a, Option<User>>;
    fn find_by_email<'a>(&'a self, email: &'a Email) -> Boxed<'a, Option<User>>;
    fn find_by_username<'a>(&'a self, name: &'a Username) -> Boxed<'a, Option<User>>;
    fn find_by_skeleton<'a>(&'a self, name: &'a Username) -> Boxed<'a, Option<User>>;
    fn create<'a>(&'a self, user: &'a User) -> Boxed<'a, CreateOutcome>;
    fn update<'a>(&'a self, before: &'a User, after: &'a User) -> Boxed<'a, UpdateOutcome>;
    fn delete<'a>(&'a self, id: &'a UserId) -> Boxed<'a, bool>;
    fn list<'a>(&'a self, after: Option<&'a UserId>, limit: u32) -> Boxed<'a, Vec<User>>;
    fn keeps_passwords(&self) -> bool;
    fn has_password<'a>(&'a self, user: &'a User) -> Boxed<'a, Option<bool>>;
    fn verify_password<'a>(&'a self, user: &'a User, password: &'a str) -> Boxed<'a, bool>;
    fn set_password<'a>(&'a self, user: &'a UserId, hash: &'a str) -> Boxed<'a, ()>;
}

impl<S: UserStore> AnyUserStore for S {
    fn find<'a>(&'a self, id: &'a UserId) -> Boxed<'a, Option<User>> {
        Box::pin(UserStore::find(self, id))
    }

    fn find_by_email<'a>(&'a self, email: &'a Email) -> Boxed<'a, Option<User>> {
        Box::pin(UserStore::find_by_email(self, email))
    }

    fn find_by_username<'a>(&'a self, name: &'a Username) -> Boxed<'a, Option<User>> {
        Box::pin(UserStore::find_by_username(self, name))
    }

    fn find_by_skeleton<'a>(&'a self, name: &'a Username) -> Boxed<'a, Option<User>> {
        Box::pin(UserStore::find_by_skeleton(self, name))
    }

    fn create<'a>(&'a self, user: &'a User) -> Boxed<'a, CreateOutcome> {
        Box::pin(UserStore::create(self, user))
    }

    fn update<'a>(&'a self, before: &'a User, after: &'a User) -> Boxed<'a, UpdateOutcome> {
        Box::pin(UserStore::update(self, before, after))
    }

    fn delete<'a>(&'a self, id: &'a UserId) -> Boxed<'a, bool> {
        Box::pin(UserStore::delete(self, id))
    }

    fn list<'a>(&'a self, after: Option<&'a UserId>, limit: u32) -> Boxed<'a, Vec<User>> {
        Box::pin(UserStore::list(self, after, limit))
    }

    fn keeps_passwords(&self) -> bool {
        UserStore::keeps_passwords(self)
    }

    fn has_password<'a>(&'a self, user: &'a User) -> Boxed<'a, Option<bool>> {
        Box::pin(UserStore::has_password(self, user))
    }

    fn verify_password<'a>(&'a self, user: &'a User, password: &'a str) -> Boxed<'a, bool> {
        Box::pin(UserStore::verify_password(self, user, password))
    }

    fn set_password<'a>(&'a self, user: &'a UserId, hash: &'a str) -> Boxed<'a, ()> {
        Box::pin(UserStore::set_password(self, user, hash))
    }
}

/// The object-safe form of [`UserDirectory`].
pub(super) trait AnyUserDirectory: Send + Sync {
    fn find<'a>(&'a self, id: &'a UserId) -> Boxed<'a, Option<User>>;
    fn find_by_email<'a>(&'a self, email: &'a Email) -> Boxed<'a, Option<User>>;
    fn find_by_username<'a>(&'a self, name: &'a Username) -> Boxed<'a, Option<User>>;
    fn provision<'a>(&'a self, wanted: &'a User) -> Boxed<'a, CreateOutcome>;
    fn keeps_passwords(&self) -> bool;
    fn has_password<'a>(&'a self, user: &'a User) -> Boxed<'a, Option<bool>>;
    fn verify_password<'a>(&'a self, user: &'a User, password: &'a str) -> Boxed<'a, bool>;
}

impl<D: UserDirectory> AnyUserDirectory for D {
    fn find<'a>(&'a self, id: &'a UserId) -> Boxed<'a, Option<User>> {
        Box::pin(UserDirectory::find(self, id))
    }

    fn find_by_email<'a>(&'a self, email: &'a Email) -> Boxed<'a, Option<User>> {
        Box::pin(UserDirectory::find_by_email(self, email))
    }

    fn find_by_username<'a>(&'a self, name: &'a Username) -> Boxed<'a, Option<User>> {
        Box::pin(UserDirectory::find_by_username(self, name))
    }

    fn provision<'a>(&'a self, wanted: &'a User) -> Boxed<'a, CreateOutcome> {
        Box::pin(UserDirectory::provision(self, wanted))
    }

    fn keeps_passwords(&self) -> bool {
        UserDirectory::keeps_passwords(self)
    }

    fn has_password<'a>(&'a self, user: &'a User) -> Boxed<'a, Option<bool>> {
        Box::pin(UserDirectory::has_password(self, user))
    }

    fn verify_password<'a>(&'a self, user: &'a User, password: &'a str) -> Boxed<'a, bool> {
        Box::pin(UserDirectory::verify_password(self, user, password))
    }
}

/// The object-safe form of [`ClaimsSource`].
pub(super) trait AnyClaimsSource: Send + Sync {
    fn claims_batch<'a>(&'a self, users: &'a [UserId]) -> Boxed<'a, HashMap<UserId, Claims>>;
}

impl<C: ClaimsSource> AnyClaimsSource for C {
    fn claims_batch<'a>(&'a self, users: &'a [UserId]) -> Boxed<'a, HashMap<UserId, Claims>> {
        Box::pin(ClaimsSource::claims_batch(self, users))
    }
}
