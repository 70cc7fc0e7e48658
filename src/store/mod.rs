//! The storage traits. They are [sealed](Store): other crates can call them, but not implement
//! them.
//!
//! Flows and sessions depend only on these traits, not on SQL. "Not found" is `Ok(None)` and a
//! conflict is a value. A [`StoreError`] always means that the store is unavailable, and becomes
//! `503`; it never makes a request anonymous.

mod account;
mod challenge;
mod changes;
mod created;
mod credential;
mod derived;
mod device_challenges;
mod epoch;
mod error;
mod event;
mod key;
mod lease;
mod limit;
mod mail;
#[allow(unnameable_types, reason = "seals the storage traits")]
pub(crate) mod sealed;
mod session;
mod session_limit;
mod session_tag;
mod signing_key;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
mod standing;
mod table;
mod transition;
mod user_search;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use account::{
    AccountStore, CacheScope, CompleteFn, CreateUserOutcome, EditFn, EditOutcome, UserTableError,
};
pub use challenge::{Challenge, ChallengeKind, ChallengeStore};
pub use changes::{
    Changed, InvalidationClock, PendingChange, ReadStart, ReadVersion, Subscription,
};
pub use created::{CreatedUser, Creation, UserOrigin};
pub use credential::{Credential, CredentialKind, CredentialStore, CredentialUpdate};
pub(crate) use derived::transitions_of;
pub use device_challenges::DeviceChallenges;
pub(crate) use device_challenges::is_current;
pub use error::StoreError;
pub use event::{DeletedUser, EventQuery, EventStore, StoredEvent};
pub(crate) use event::{first_id_at, is_event_id};
pub use key::KeyStore;
pub use limit::{Allowance, Count, GrowingDelay, LimitRule, LimitStore};
pub use mail::{MailStore, StoredMail};
pub use session::{
    AccessTokenRow, FormerLineage, InsertOptions, SessionRow, SessionStore, Unreadable, WatchedRow,
    WithUser,
};
pub use session_limit::SessionLimit;
pub use session_tag::SessionTag;
pub use signing_key::{SigningKeyStore, StoredSigningKey};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::{Db, Migration, MigrationKind, SqlStore, UserCreatedHook};
pub use standing::{AccountFlagStore, AccountFlags};
pub(crate) use table::Field;
pub use table::UserTable;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use table::{Mapped, ReadProfile, Shape};
pub use transition::{
    AccountWrites, Applied, Decide, Dependents, EndSessions, EndedSessions, NewKey, Remove,
    Requirement, SessionWrite, Unmet,
};
pub(crate) use user_search::Passes;
pub use user_search::{DeleteOutcome, Prefix, Remaining, SearchedField, UserFilter, UserSearch};

/// The storage of everything that this crate persists.
///
/// This trait and its supertraits are sealed, since they get new methods as the crate grows.
/// [`SqliteStore`](crate::SqliteStore) and [`PgStore`](crate::PgStore) implement them. To store
/// users elsewhere, implement [`UserStore`](crate::UserStore) or
/// [`UserDirectory`](crate::UserDirectory). [`ClaimsSource`](crate::ClaimsSource),
/// [`Mailer`](crate::mail::Mailer) and [`EventSink`](crate::EventSink) can be implemented too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store",
    note = "open one: `SqliteStore::open(\"app.db\").await?`, or `PgStore::connect(url).await?`"
)]
#[async_trait]
pub trait Store:
    SessionStore
    + CredentialStore
    + ChallengeStore
    + LimitStore
    + AccountStore
    + AccountFlagStore
    + KeyStore
    + EventStore
    + MailStore
    + SigningKeyStore
{
    /// Returns this store with users in a table of the application.
    ///
    /// # Errors
    ///
    /// [`UserTableError`] with the reason why the table cannot be used.
    async fn over_table(&self, table: &UserTable) -> Result<Arc<dyn Store>, UserTableError>;

    /// Returns this store without users, which are in another store.
    fn without_users(&self) -> Arc<dyn Store>;

    /// Returns this store for external users, which are only read. Sessions are fetched together
    /// with the status of their users that is stored here.
    fn with_standing(&self) -> Arc<dyn Store>;

    /// Returns this store with usernames that are unique by their skeletons.
    ///
    /// # Errors
    ///
    /// The reason why the table of users cannot have usernames.
    fn with_usernames(&self) -> Result<Arc<dyn Store>, &'static str>;

    /// Returns the number of hooks that run in the transactions that create users.
    fn user_hooks(&self) -> usize {
        0
    }

    /// Deletes at most `batch` records of changes that every node has read, and returns how many.
    /// Counted as background work.
    async fn sweep_changes(&self, batch: u32) -> Result<u64, StoreError> {
        let _ = batch;
        Ok(0)
    }

    /// Returns the time of the database server, to compare clocks; `None` if the database is on
    /// this machine. Not counted.
    async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Returns the tracker to which this store reports every change of a session or a user: its own
    /// changes, and those of other processes while there is a [lease](InvalidationClock::renew_lease).
    fn changes(&self) -> Arc<InvalidationClock>;
}
