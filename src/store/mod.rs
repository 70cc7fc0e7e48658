//! The ports of storage. They are [sealed](Store): other crates call them.
//!
//! A flow or a session knows these traits and nothing of SQL. "Not found" is
//! `Ok(None)`, "taken" is a value; a [`StoreError`] always means that the store could
//! not do its work, and becomes `503`, never "anonymous".

mod account;
mod challenge;
mod changes;
mod credential;
mod error;
mod event;
mod key;
mod limit;
#[allow(unnameable_types, reason = "nobody else implements what is sealed by it")]
pub(crate) mod sealed;
mod session;
mod session_limit;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
mod standing;
mod table;
mod transition;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use account::{AccountStore, Creation, Edit, Edited, Keeping, UserTableError};
pub use challenge::{Challenge, ChallengeKind, ChallengeStore};
pub use changes::{Began, Changed, Changes, Changing, Reading, Subscription};
pub use credential::{Credential, CredentialKind, CredentialStore, Use};
pub use error::StoreError;
pub(crate) use event::first_id_at;
pub use event::{DeletedUser, EventQuery, EventStore, KeptEvent};
pub use key::KeyStore;
pub use limit::{Allowance, Count, LimitRule, LimitStore};
pub use session::{
    AccessRow, FormerLineage, Found, Opening, SessionRow, SessionStore, Unreadable, WatchedRow,
};
pub use session_limit::SessionLimit;
pub use standing::{Standing, StandingStore};
pub(crate) use table::Field;
pub use table::UserTable;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use table::{Mapped, ReadProfile, Shape};
pub use transition::{
    AccountWrites, Applied, Decide, EndSessions, EndedSessions, NewKey, Remove, Requirement,
    SessionWrite, Unmet,
};

/// All that the crate keeps, in one place.
///
/// This trait and those it consists of are sealed: they get methods as the crate grows, and
/// [`SqliteStore`](crate::SqliteStore) and [`PgStore`](crate::PgStore) implement them. To keep
/// users elsewhere, implement [`UserStore`](crate::UserStore) or
/// [`UserResolver`](crate::UserResolver); [`ClaimsSource`](crate::ClaimsSource),
/// [`Mailer`](crate::mail::Mailer) and [`EventSink`](crate::EventSink) are open too.
#[async_trait]
pub trait Store:
    SessionStore
    + CredentialStore
    + ChallengeStore
    + LimitStore
    + AccountStore
    + StandingStore
    + KeyStore
    + EventStore
{
    /// The same store with the users in a table of the application.
    ///
    /// # Errors
    ///
    /// [`UserTableError`], which says what of the table cannot stand.
    async fn over_table(&self, table: &UserTable) -> Result<Arc<dyn Store>, UserTableError>;

    /// The same store without users: they live elsewhere.
    fn without_users(&self) -> Arc<dyn Store>;

    /// Returns this store for external users, which are only read. It fetches a session together
    /// with the status of its user that is stored here.
    fn with_standing(&self) -> Arc<dyn Store>;

    /// Deletes at most `batch` records of changes that every node has read, and returns how many.
    /// Counted as background work.
    async fn sweep_changes(&self, batch: u32) -> Result<u64, StoreError> {
        let _ = batch;
        Ok(0)
    }

    /// Returns the time by the clock of the database server, to compare clocks; `None` if the
    /// database has the clock of this machine. Counted nowhere.
    async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Returns where this store reports every change of a session or a user: its own, and those of
    /// others in the same database while there is a [lease](Changes::lease).
    fn changes(&self) -> Arc<Changes>;
}
