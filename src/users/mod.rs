//! Storage of users, in five modes with the same behavior.
//!
//! | mode | stored in our tables | stored by the application |
//! |---|---|---|
//! | [`managed`](UserStorage::managed), the default | the whole user | any data in its own tables |
//! | [`managed_with_claims`](UserStorage::managed_with_claims) | id, email address, names, status, times | roles, scopes, tenant, attributes and metadata, behind a [`ClaimsSource`] |
//! | [`mapped`](UserStorage::mapped) | credentials | the user, in its own table in the same database |
//! | [`custom`](UserStorage::custom) | credentials | the user, in any storage, behind a [`UserStore`] |
//! | [`external`](UserStorage::external) | credentials | the user, in an external read-only system, behind a [`UserDirectory`] |
//!
//! Sessions, passwords, passkeys, identities, codes and links are stored in our tables in every
//! mode; a custom store can store passwords itself. The rest of the crate does not depend on the
//! mode.

mod administrator_rule;
mod administrators;
mod changed;
mod claims;
mod claims_batch;
mod custom;
mod custom_write;
mod disclose;
mod elsewhere;
mod erased;
mod external;
mod factor;
#[cfg(feature = "import")]
mod import;
mod kept;
mod line;
mod lines;
mod new_user;
mod patch;
mod ports;
mod query;
mod service;
mod time_limit;
mod transfer;
mod transitions;
mod usernames;

use std::{fmt, sync::Arc, time::Duration};

use erased::{AnyClaimsSource, AnyUserDirectory, AnyUserStore};
pub use factor::UserFactor;
#[cfg(feature = "import")]
pub use import::{ImportSource, UnknownImportSource};
pub use new_user::NewUser;
pub use patch::UserPatch;
pub use ports::{
    CachePolicy, Claims, ClaimsSource, CreateOutcome, UpdateOutcome, UserDirectory, UserStore,
};
pub use query::{UserPage, UserQuery};
#[cfg(feature = "password")]
pub(crate) use service::KnownHashes;
pub use service::Users;
use time_limit::TimeLimited;
pub use transfer::{ImportSummary, TransferError};
pub(crate) use transitions::{AnyObserver, Ending, TransitionRules, Transitions};

pub use crate::model::Patch;
use crate::store::{AccountStore, Store, UserTable, UserTableError};

/// The storage mode of users, set with [`AuthBuilder::users`](crate::AuthBuilder::users).
///
/// ```
/// use authlayer::{AuthBuilder, UserStorage, UserStore};
///
/// fn configure(builder: AuthBuilder, users: impl UserStore) -> AuthBuilder {
///     builder.users(UserStorage::custom(users))
/// }
/// ```
#[must_use]
pub struct UserStorage {
    mode: Mode,
    timeout: Duration,
}

/// The store, and the port to its users.
pub(crate) type Stores = (Arc<dyn Store>, Arc<dyn AccountStore>);

enum Mode {
    Managed,
    ManagedCore(Arc<dyn AnyClaimsSource>, CachePolicy),
    Mapped(Arc<dyn Store>),
    Custom(Arc<dyn AnyUserStore>),
    External(Arc<dyn AnyUserDirectory>, CachePolicy),
}

impl UserStorage {
    fn of(mode: Mode) -> Self {
        Self { mode, timeout: time_limit::DEFAULT }
    }

    /// Stores users with all fields in our tables.
    pub fn managed() -> Self {
        Self::of(Mode::Managed)
    }

    /// Stores users in our tables, and fetches roles, scopes and other claims from the application.
    /// Claims are cached for five seconds; [`Users::notify_changed`] invalidates them at once.
    pub fn managed_with_claims(claims: impl ClaimsSource) -> Self {
        let rules = CachePolicy { fresh: Duration::from_secs(5), ..CachePolicy::default() };
        Self::managed_with_claims_cached(claims, rules)
    }

    /// Like [`managed_with_claims`](Self::managed_with_claims), with rules for the cache of claims.
    pub fn managed_with_claims_cached(claims: impl ClaimsSource, rules: CachePolicy) -> Self {
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
    /// request, but passwords and passkeys remain. [`Users::delete`] deletes them too.
    pub async fn mapped(store: &impl Store, table: UserTable) -> Result<Self, UserTableError> {
        Ok(Self::of(Mode::Mapped(store.over_table(&table).await?)))
    }

    /// Uses a store of the application.
    pub fn custom(users: impl UserStore) -> Self {
        Self::of(Mode::Custom(Arc::new(users)))
    }

    /// Uses an external system that is only read. Sign-up is rejected unless the resolver
    /// implements [`provision`](UserDirectory::provision).
    pub fn external(resolver: impl UserDirectory) -> Self {
        Self::external_with(resolver, CachePolicy::default())
    }

    /// Like [`external`](Self::external), with rules for the cache of users.
    pub fn external_with(resolver: impl UserDirectory, rules: CachePolicy) -> Self {
        Self::of(Mode::External(Arc::new(resolver), rules))
    }

    /// Sets the time limit for each call of a [`ClaimsSource`], a [`UserStore`] or a
    /// [`UserDirectory`]. The default is 10 seconds. When it expires, the future of the call is
    /// dropped and the request gets 503. A change of a user also waits at most this long for
    /// another change of the same user. Statements on a mapped table have the time limit of the
    /// store.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use authlayer::{UserStorage, UserStore};
    /// # fn doc(my_store: impl UserStore) -> UserStorage {
    /// UserStorage::custom(my_store).timeout(Duration::from_secs(3))
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the store for this mode, and the port to its users.
    ///
    /// # Errors
    ///
    /// The problem, if hooks of the store would not run, or its table cannot have usernames.
    pub(crate) fn over(
        self,
        store: Arc<dyn Store>,
        usernames: bool,
    ) -> Result<Stores, &'static str> {
        let timeout = self.timeout;
        match &self.mode {
            Mode::Custom(_) | Mode::External(..) if store.user_hooks() > 0 => {
                return Err("`on_user_created` does not run with `UserStorage::custom` or \
                    `UserStorage::external`, where the application creates the user: write its \
                    rows in `UserStore::create` or `UserDirectory::provision`");
            }
            Mode::Mapped(mapped) if store.user_hooks() != mapped.user_hooks() => {
                return Err(
                    "`on_user_created` was called after `UserStorage::mapped`: call it on \
                    the store before, and pass the same store to `Auth::builder`",
                );
            }
            _ => {}
        }
        let named = |store: Arc<dyn Store>| match usernames {
            true => store.with_usernames(),
            false => Ok(store),
        };
        Ok(match self.mode {
            Mode::Managed => {
                let store = named(store)?;
                (Arc::clone(&store), store)
            }
            Mode::ManagedCore(source, rules) => {
                let store = named(store)?;
                let source = Arc::new(TimeLimited::new(source, timeout));
                let accounts = claims::WithClaims::new(Arc::clone(&store), source, rules);
                (store, Arc::new(accounts))
            }
            Mode::Mapped(mapped) => {
                let mapped = named(mapped)?;
                (Arc::clone(&mapped), mapped)
            }
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
        })
    }
}

impl fmt::Debug for UserStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.mode {
            Mode::Managed => "Users::managed",
            Mode::ManagedCore(..) => "Users::managed_with_claims",
            Mode::Mapped(_) => "Users::mapped",
            Mode::Custom(_) => "Users::custom",
            Mode::External(..) => "Users::external",
        })
    }
}
