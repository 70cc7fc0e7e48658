//! Storage of users, in five modes with the same behavior.
//!
//! | mode | stored in our tables | stored by the application |
//! |---|---|---|
//! | [`managed`](Users::managed), the default | the whole user | any data in its own tables |
//! | [`managed_core`](Users::managed_core) | id, email address, names, status, times | roles, scopes, tenant, attributes and metadata, behind a [`ClaimsSource`] |
//! | [`mapped`](Users::mapped) | credentials | the user, in its own table in the same database |
//! | [`custom`](Users::custom) | credentials | the user, in any storage, behind a [`UserStore`] |
//! | [`external`](Users::external) | credentials | the user, in an external read-only system, behind a [`UserResolver`] |
//!
//! Sessions, passwords, passkeys, identities, codes and links are stored in our tables in every
//! mode; a custom store can store passwords itself. The rest of the crate does not depend on the
//! mode.

mod claims;
mod custom;
mod custom_write;
mod elsewhere;
mod external;
mod kept;
mod line;
mod patch;
mod ports;
mod service;
mod time_limit;
mod transfer;

use std::{fmt, sync::Arc, time::Duration};

pub use patch::UserPatch;
pub use ports::{CacheRules, Claims, ClaimsSource, Update, UserResolver, UserStore};
#[cfg(feature = "password")]
pub(crate) use service::KnownHashes;
pub use service::UserService;
use time_limit::TimeLimited;
pub use transfer::{Imported, TransferError};

use crate::store::{AccountStore, Store, UserTable, UserTableError};

/// The storage mode of users, set with [`AuthBuilder::users`](crate::AuthBuilder::users).
#[must_use]
pub struct Users {
    mode: Mode,
    timeout: Duration,
}

enum Mode {
    Managed,
    ManagedCore(Arc<dyn ClaimsSource>, CacheRules),
    Mapped(Arc<dyn Store>),
    Custom(Arc<dyn UserStore>),
    External(Arc<dyn UserResolver>, CacheRules),
}

impl Users {
    fn of(mode: Mode) -> Self {
        Self { mode, timeout: time_limit::DEFAULT }
    }

    /// Stores users with all fields in our tables.
    pub fn managed() -> Self {
        Self::of(Mode::Managed)
    }

    /// Stores users in our tables, and fetches roles, scopes and other claims from the application.
    /// Claims are cached for five seconds; [`UserService::changed`] invalidates them at once.
    pub fn managed_core(claims: impl ClaimsSource) -> Self {
        let rules = CacheRules { fresh: Duration::from_secs(5), ..CacheRules::default() };
        Self::managed_core_with(claims, rules)
    }

    /// Like [`managed_core`](Self::managed_core), with rules for the cache of claims.
    pub fn managed_core_with(claims: impl ClaimsSource, rules: CacheRules) -> Self {
        Self::of(Mode::ManagedCore(Arc::new(claims), rules))
    }

    /// Uses a table of the application in the database of `store`. The table is checked now, and
    /// every statement is rendered once.
    ///
    /// # Errors
    ///
    /// [`UserTableError`], which names the table or column and the problem: it is missing, has a
    /// wrong type or no unique index, or its name cannot be quoted.
    ///
    /// # Security
    ///
    /// If the application deletes a row itself, the sessions of the user end with their next
    /// request, but passwords and passkeys remain. [`UserService::delete`] deletes them too.
    pub async fn mapped(store: &impl Store, table: UserTable) -> Result<Self, UserTableError> {
        Ok(Self::of(Mode::Mapped(store.over_table(&table).await?)))
    }

    /// Uses a store of the application.
    pub fn custom(users: impl UserStore) -> Self {
        Self::of(Mode::Custom(Arc::new(users)))
    }

    /// Uses an external system that is only read. Sign-up is rejected unless the resolver
    /// implements [`provision`](UserResolver::provision).
    pub fn external(resolver: impl UserResolver) -> Self {
        Self::external_with(resolver, CacheRules::default())
    }

    /// Like [`external`](Self::external), with rules for the cache of users.
    pub fn external_with(resolver: impl UserResolver, rules: CacheRules) -> Self {
        Self::of(Mode::External(Arc::new(resolver), rules))
    }

    /// Sets the time limit for each call of a [`ClaimsSource`], a [`UserStore`] or a
    /// [`UserResolver`]. The default is 10 seconds. When it expires, the future of the call is
    /// dropped and the request gets 503. A change of a user also waits at most this long for
    /// another change of the same user. Statements on a mapped table have the time limit of the
    /// store.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use authlayer::{UserStore, Users};
    /// # fn doc(my_store: impl UserStore) -> Users {
    /// Users::custom(my_store).timeout(Duration::from_secs(3))
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the store for this mode, and the port to its users.
    pub(crate) fn over(self, store: Arc<dyn Store>) -> (Arc<dyn Store>, Arc<dyn AccountStore>) {
        let timeout = self.timeout;
        match self.mode {
            Mode::Managed => (Arc::clone(&store), store),
            Mode::ManagedCore(source, rules) => {
                let source = Arc::new(TimeLimited::new(source, timeout));
                let accounts = claims::WithClaims::new(Arc::clone(&store), source, rules);
                (store, Arc::new(accounts))
            }
            Mode::Mapped(mapped) => (Arc::clone(&mapped), mapped),
            Mode::Custom(users) => {
                let (ours, users) = (store.without_users(), TimeLimited::new(users, timeout));
                let custom = custom::Custom::new(Arc::new(users), Arc::clone(&ours), timeout);
                (ours, Arc::new(custom))
            }
            Mode::External(resolver, rules) => {
                let (ours, resolver) = (store.with_standing(), TimeLimited::new(resolver, timeout));
                let external =
                    external::External::new(Arc::new(resolver), Arc::clone(&ours), rules, timeout);
                (ours, Arc::new(external))
            }
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.mode {
            Mode::Managed => "Users::managed",
            Mode::ManagedCore(..) => "Users::managed_core",
            Mode::Mapped(_) => "Users::mapped",
            Mode::Custom(_) => "Users::custom",
            Mode::External(..) => "Users::external",
        })
    }
}
