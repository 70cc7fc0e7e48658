//! What an application implements that keeps users itself.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{
    model::{Email, User, UserId},
    store::{Creation, StoreError},
};

/// What an application knows of a user beside the core.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The roles, for guards.
    pub roles: Vec<String>,
    /// The scopes, for guards.
    pub scopes: Vec<String>,
    /// The tenant in which the user works by default.
    pub tenant_id: Option<String>,
    /// What a policy may ask for.
    pub attributes: Map<String, Value>,
    /// What the user may see about themselves.
    pub user_metadata: Map<String, Value>,
    /// What only the application sees.
    pub app_metadata: Map<String, Value>,
}

/// The application's own source of what users may do.
///
/// Each call has a time limit, [`Users::timeout`](super::Users::timeout).
///
/// Requests that come together are asked for together. An error is 503 for every one of them,
/// never a user without roles; a user who is not among the answers has no claims.
#[async_trait]
pub trait ClaimsSource: Send + Sync + 'static {
    /// The claims of these users.
    async fn claims(&self, users: &[UserId]) -> Result<HashMap<UserId, Claims>, StoreError>;
}

/// The application's view of users who live elsewhere: an HTTP service, LDAP, another database.
///
/// "Not found" is `Ok(None)`; an error means that nobody answered. `testing::user_store_suite`
/// tries every rule on an implementation. Each call has a time limit,
/// [`Users::timeout`](super::Users::timeout).
#[async_trait]
pub trait UserResolver: Send + Sync + 'static {
    /// The user of this id.
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// The user of this address, which is in lower case.
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Makes room for somebody who signs in for the first time, and answers with the user as
    /// it is there. [`Creation::Refused`], which is the default, turns them away with 403
    /// `sign_up_disabled`.
    ///
    /// # Security
    ///
    /// `email_verified_at` says whether the address was proved; where it was not, whoever has
    /// the address may be somebody else.
    async fn provision(&self, _wanted: &User) -> Result<Creation, StoreError> {
        Ok(Creation::Refused)
    }

    /// Whether passwords are kept there too, and only compared there.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Whether this is the user's password, where it is kept there.
    async fn verify_password(&self, _user: &User, _password: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// How long what was read may be used again.
#[derive(Clone, Copy, Debug)]
pub struct CacheRules {
    /// So long without asking. What changes there is seen that late, unless
    /// [`UserService::changed`](super::UserService::changed) says so; a ban or a sign-out here
    /// is seen at once. While changes on other nodes are not heard of, one second at most.
    pub fresh: Duration,
    /// So long, and at least `fresh`, while nobody answers there; after that, for whoever was
    /// not read before, and for whoever is known to have changed, it is 503.
    pub stale: Duration,
    /// So many users.
    pub users: usize,
}

impl Default for CacheRules {
    /// A minute, no more while nobody answers, 10,000 users.
    fn default() -> Self {
        Self { fresh: Duration::from_secs(60), stale: Duration::ZERO, users: 10_000 }
    }
}

/// What came of writing a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is written.
    Done,
    /// There is no such user.
    Unknown,
    /// Another user has the address or the name.
    Taken,
    /// The user is no longer as it was; nothing was written, and it will be tried again.
    Stale,
    /// There is no place for a field of this name; nothing was written.
    NotKept(&'static str),
}

/// An application's own store of users: four functions of a life, and two for passwords where
/// it wants to keep them.
///
/// Each call has a time limit, [`Users::timeout`](super::Users::timeout): its future is dropped and
/// the request answered with 503 when it passes. Creations, changes and deletions are completed
/// even if the client closes its connection.
///
/// "Not found" is `Ok(None)`; an error means that the store could not do its work, and becomes
/// 503. Addresses come in lower case, and no two users have one.
/// `testing::user_store_suite` tries every rule on an implementation.
///
/// # Security
///
/// A user who is disabled or gone here is let in no longer, whatever sessions stand: the store
/// is asked for every request that the session cache does not answer.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// The user of this id.
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// The user of this address.
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Keeps a new user, and answers with it as it is now: id and defaults may be the store's
    /// own. Two with one address at once: one stands.
    async fn create(&self, user: &User) -> Result<Creation, StoreError>;

    /// Writes what differs between two versions of a user.
    async fn update(&self, before: &User, after: &User) -> Result<Update, StoreError>;

    /// Removes a user; answers whether there was one.
    async fn delete(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Users in the order of their ids, those after `after`, at most so many: for
    /// [`UserService::export`](super::UserService::export).
    async fn list(&self, _after: Option<&UserId>, _at_most: u32) -> Result<Vec<User>, StoreError> {
        Err(StoreError::new("this store of users does not list them"))
    }

    /// Whether this store keeps passwords too. If not, we do.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Whether this is the user's password, where this store keeps it.
    async fn verify_password(&self, _user: &User, _password: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Keeps the hash of a new password, a PHC string, where this store keeps passwords.
    async fn set_password(&self, _user: &UserId, _hash: &str) -> Result<(), StoreError> {
        Ok(())
    }
}
