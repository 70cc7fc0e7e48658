//! Where users live: five modes, one behaviour.
//!
//! | mode | kept here | kept by the application |
//! |---|---|---|
//! | [`managed`](Users::managed), the default | the whole user | what it likes, beside it |
//! | [`managed_core`](Users::managed_core) | id, address, names, status, times | roles, scopes, tenant, attributes and metadata, behind a [`ClaimsSource`] |
//! | [`mapped`](Users::mapped) | what signs users in | the user, in a table of its own in the same database |
//! | [`custom`](Users::custom) | what signs users in | the user, wherever, behind a [`UserStore`] |
//! | [`external`](Users::external) | what signs users in | the user, elsewhere and for reading alone, behind a [`UserResolver`] |
//!
//! Sessions, passwords, passkeys, identities, codes and links are in our own tables in every
//! mode; a custom store may keep passwords itself. Nothing else in the crate knows which mode
//! is on.

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

/// Where users live; given to [`AuthBuilder::users`](crate::AuthBuilder::users).
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

    /// Users are kept here with all their fields.
    pub fn managed() -> Self {
        Self::of(Mode::Managed)
    }

    /// Users are kept here, and what they may do comes from the application, which is asked
    /// whenever a session resolves and was not in the last five seconds, and after
    /// [`UserService::changed`] at once.
    pub fn managed_core(claims: impl ClaimsSource) -> Self {
        let rules = CacheRules { fresh: Duration::from_secs(5), ..CacheRules::default() };
        Self::managed_core_with(claims, rules)
    }

    /// Like [`managed_core`](Self::managed_core), with rules for what was read before: claims
    /// stay with their sessions for five seconds unless said otherwise, and no longer while
    /// nobody answers.
    pub fn managed_core_with(claims: impl ClaimsSource, rules: CacheRules) -> Self {
        Self::of(Mode::ManagedCore(Arc::new(claims), rules))
    }

    /// Users live in a table that the application owns, in the database of `store`. The table
    /// is looked at now; every statement is rendered once.
    ///
    /// # Errors
    ///
    /// [`UserTableError`], which names the table or the column that cannot stand, and why:
    /// it is missing, of a wrong type, without a unique index, or its name wants more than
    /// quotes.
    ///
    /// # Security
    ///
    /// Deleting a row behind our back ends its sessions with their next request; let
    /// [`UserService::delete`] do it, and passwords and passkeys go at once too.
    pub async fn mapped(store: &impl Store, table: UserTable) -> Result<Self, UserTableError> {
        Ok(Self::of(Mode::Mapped(store.over_table(&table).await?)))
    }

    /// Users live wherever the application's own store keeps them.
    pub fn custom(users: impl UserStore) -> Self {
        Self::of(Mode::Custom(Arc::new(users)))
    }

    /// Users live elsewhere and are only read. Nobody new can sign up unless the resolver
    /// makes room for them.
    pub fn external(resolver: impl UserResolver) -> Self {
        Self::external_with(resolver, CacheRules::default())
    }

    /// Like [`external`](Self::external), with rules for what was read before.
    pub fn external_with(resolver: impl UserResolver, rules: CacheRules) -> Self {
        Self::of(Mode::External(Arc::new(resolver), rules))
    }

    /// Sets the time limit for each call of a [`ClaimsSource`], a [`UserStore`] or a
    /// [`UserResolver`]: 10 seconds by default. When it passes, the future of the call is dropped
    /// and the request is answered with 503. A change of a user also waits at most this long for
    /// another change of the same user. Statements on a mapped table have the limit of the store.
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

    /// The store with the users where they live, and the port to them.
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
