//! The ports of storage. They are [sealed](Store): other crates call them.
//!
//! A flow or a session knows these traits and nothing of SQL. "Not found" is
//! `Ok(None)`, "taken" is a value; a [`StoreError`] always means that the store could
//! not do its work, and becomes `503`, never "anonymous".

mod account;
mod challenge;
mod changes;
mod event;
mod key;
mod session_limit;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod sql;
mod table;
mod transition;
mod watched;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

pub use account::{
    AccountStore, Creation, Edit, Edited, Keeping, Standing, StandingStore, UserTableError,
};
pub use challenge::{Challenge, ChallengeKind, ChallengeStore};
pub use changes::{Began, Changed, Changes, Changing, Reading, Subscription};
pub(crate) use event::first_id_at;
pub use event::{DeletedUser, EventQuery, EventStore, KeptEvent};
pub use key::KeyStore;
pub use session_limit::SessionLimit;
pub use table::UserTable;
pub(crate) use table::{Field, Mapped, ReadProfile, Shape};
pub use transition::{
    AccountWrites, Applied, Decide, EndSessions, EndedSessions, NewKey, Remove, Requirement,
    SessionWrite, Unmet,
};
pub use watched::WatchedRow;

use crate::{
    crypto::digest::Digest,
    model::{Session, SessionId, User, UserId, name},
};

/// Keeps the traits of storage to this crate, so that they can get methods.
pub(crate) mod sealed {
    pub trait Sealed {}
}

use sealed::Sealed;

/// The store could not do its work. Its text has that of the cause, for example the host and port of
/// a server and its own reason.
#[derive(Debug, thiserror::Error)]
#[error("the store is not available: {0}")]
pub struct StoreError(#[source] Box<dyn StdError + Send + Sync>);

impl StoreError {
    /// Wraps the cause, which is logged and never answered.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// A session with the hashes by which its tokens are recognised.
///
/// A dump of these rows yields no token: every field is public, random or a SHA-256 of
/// something with at least 128 bits of entropy.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// What the application sees of it.
    pub session: Session,
    /// Makes the lineage of this session its own; never changes.
    pub nonce: [u8; 32],
    /// The salt of the last rotation; random at the beginning.
    pub salt: [u8; 32],
    /// How often the refresh token was rotated.
    pub generation: u32,
    /// Of the current lineage, by which a token of any age is recognised.
    pub lineage_hash: Digest,
    /// Of the current refresh secret.
    pub refresh_hash: Digest,
    /// Of the current access secret.
    pub access_hash: Digest,
    /// Of the access secret before the last rotation, with its expiry.
    pub previous_access: Option<(Digest, Timestamp)>,
    /// When the refresh token was last rotated.
    pub rotated_at: Option<Timestamp>,
    /// When the current generation was first used.
    pub confirmed_at: Option<Timestamp>,
    /// The lineages before the tokens were replaced other than by a refresh, oldest first.
    pub former: Vec<FormerLineage>,
}

/// A lineage of a session whose tokens were replaced, for example by a step-up.
///
/// Its tokens authenticate nobody; they are recognized so that a sign-out with one of them ends
/// the session.
#[derive(Clone, Copy, Debug)]
pub struct FormerLineage {
    /// The last generation of the lineage.
    pub generation: u32,
    /// Of the lineage at that generation.
    pub lineage_hash: Digest,
    /// Of the last access secret.
    pub access_hash: Digest,
}

/// The part of a session by which an access token is recognised.
#[derive(Clone, Debug)]
pub struct AccessRow {
    /// What the application sees of it.
    pub session: Session,
    /// How often the refresh token was rotated.
    pub generation: u32,
    /// Of the current access secret.
    pub access_hash: Digest,
    /// Of the access secret before the last rotation, with its expiry.
    pub previous_access: Option<(Digest, Timestamp)>,
    /// When the current generation was first used.
    pub confirmed_at: Option<Timestamp>,
}

impl From<SessionRow> for AccessRow {
    fn from(row: SessionRow) -> Self {
        let SessionRow { session, generation, access_hash, previous_access, confirmed_at, .. } =
            row;
        Self { session, generation, access_hash, previous_access, confirmed_at }
    }
}

/// A row of a session or an API key and, where users live in the same database, its user.
#[derive(Clone, Debug)]
pub struct Found<Row = SessionRow> {
    /// The row.
    pub row: Row,
    /// The user, unless another store has to be asked.
    pub user: Option<User>,
}

/// A session whose row cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The id of the session.
    pub id: SessionId,
    /// What is wrong with the row.
    pub cause: StoreError,
}

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// A password; its `lookup` is the user id, so that a user has at most one.
    Password,
    /// An identity at a provider; its `lookup` is issuer and subject.
    Identity,
    /// A passkey; its `lookup` is the credential id, in base64url.
    Passkey,
    /// A kind that a flow outside this crate has registered.
    Custom(&'static str),
    /// A kind that no flow of this process has registered, or only a newer version knows. It signs
    /// nobody in here, and counts as a sign-in method when the last one must not be removed.
    Other,
}

impl CredentialKind {
    const ALL: [Self; 3] = [Self::Password, Self::Identity, Self::Passkey];

    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Identity => "identity",
            Self::Passkey => "passkey",
            Self::Custom(name) => name,
            Self::Other => "other",
        }
    }

    /// The kind of a name that this version knows.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        built_in.or_else(|| name::registered(name).map(Self::Custom))
    }
}

/// Something by which a user signs in.
#[derive(Clone)]
pub struct Credential {
    /// The id.
    pub id: String,
    /// Whose credential it is.
    pub user_id: UserId,
    /// What it is.
    pub kind: CredentialKind,
    /// By what it is found; unique within its kind.
    pub lookup: String,
    /// What the flow of its kind keeps.
    pub data: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it last signed its user in.
    pub last_used_at: Option<Timestamp>,
}

/// The data holds password hashes.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The use of a credential that keeps what it was last used with, such as a passkey its counter.
#[derive(Clone)]
pub struct Use {
    /// The id of the credential.
    pub credential: String,
    /// What it must still keep, so that of two uses of one state one counts.
    pub expected: Value,
    /// What it keeps from now on.
    pub data: Value,
    /// When.
    pub at: Timestamp,
}

impl fmt::Debug for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Use").field("credential", &self.credential).finish_non_exhaustive()
    }
}

/// What happens together with the beginning of a session.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// How many sessions the user may have.
    pub at_most: Option<SessionLimit>,
    /// The use of a credential without which the session does not begin.
    pub using: Option<Use>,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRule {
    /// How many there may be in a window.
    pub most: u32,
    /// How long the window is.
    pub window: Duration,
    /// Whether the window begins anew with each, rather than with the first.
    pub since_last: bool,
    /// After how many each has to wait for the next.
    pub free: u32,
    /// How long the first of them waits; each further one twice as long.
    pub delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
}

/// How many may be taken at once, how soon they come back, and how many there are in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many may be taken at once.
    pub at_once: u32,
    /// How long until one comes back.
    pub every: Duration,
    /// How many there are in an hour.
    pub an_hour: u32,
}

/// Whether something was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// It was, and there are so many now.
    Counted(u32),
    /// It was not, and will not be before this moment, which is never further away than the
    /// window of the rule, whatever the clock did.
    Refused(Timestamp),
}

/// Sessions at rest.
///
/// This trait is sealed.
#[async_trait]
pub trait SessionStore: Sealed + Send + Sync + 'static {
    /// Keeps a new session.
    ///
    /// Writes nothing and answers `false` when the user of the session is known to this
    /// store and is not active, so that a sign-in cannot outrun a ban, or when the use of a
    /// credential does not count. That use is recorded in the same transaction.
    ///
    /// Deletes the user's oldest unexpired sessions beyond the limit of the opening, in the same
    /// transaction or right after it. Once all concurrent sign-ins of a user have returned, the
    /// user has at most as many sessions as the limit allows.
    async fn insert(&self, row: &SessionRow, opening: &Opening) -> Result<bool, StoreError>;

    /// Returns the sessions of a user that can still be refreshed, newest first: at most a
    /// hundred. A session whose row cannot be read is left out.
    async fn list(&self, user: &UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Returns the page of at most a hundred sessions that follows a session of
    /// [`list`](Self::list), whether or not that session still exists.
    async fn list_after(&self, last: &Session, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// The session of this id, in one statement with its user.
    async fn find(&self, id: SessionId) -> Result<Option<Found>, StoreError>;

    /// The same, without what an access token has nothing to do with: this is asked at every
    /// request that is not answered from memory.
    async fn find_access(&self, id: SessionId) -> Result<Option<Found<AccessRow>>, StoreError> {
        let found = self.find(id).await?;
        Ok(found.map(|Found { row, user }| Found { row: row.into(), user }))
    }

    /// Returns the sessions of these ids that there are, in one statement with their users, each
    /// with its own error if its row cannot be read. Counted as background work.
    async fn find_many(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<Found, Unreadable>>, StoreError>;

    /// Returns the sessions of these ids that exist, for connections that watch them, with as
    /// much of their users as a [`Subject`](crate::model::Subject) and the status take. Counted
    /// as background work.
    async fn find_watched(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<Found<WatchedRow>, Unreadable>>, StoreError> {
        let found = self.find_many(ids).await?.into_iter();
        Ok(found.map(|found| found.map(Found::into)).collect())
    }

    /// Notes that sessions were used, but for those where that was noted after `unless_after`
    /// (and not further ahead than that is ago: then the clock was set back) or that are gone. Never brings a session back. Counted as background work.
    async fn touch(
        &self,
        ids: &[SessionId],
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError>;

    /// Replaces a row by its successor if it is still at the same generation and salt;
    /// answers whether it was. One conditional write: of two, one is made.
    async fn rotate(&self, from: &SessionRow, to: &SessionRow) -> Result<bool, StoreError>;

    /// Notes that the current generation was used, unless that is noted, the session is at
    /// another generation, or gone. Counted as background work.
    async fn confirm(
        &self,
        id: SessionId,
        generation: u32,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Ends a session; answers whether there was one.
    async fn delete(&self, id: SessionId) -> Result<bool, StoreError>;

    /// Ends a session if it is this user's; answers whether it was.
    async fn delete_owned(&self, id: SessionId, user: &UserId) -> Result<bool, StoreError>;

    /// Ends all sessions of a user but one, if one is named; answers how many there were.
    async fn delete_of_user(
        &self,
        user: &UserId,
        except: Option<SessionId>,
    ) -> Result<u64, StoreError>;

    /// Ends the sessions that came from this provider: of this session there, of this person
    /// there, or of both where both are named; answers how many there were. Nobody named, none
    /// ended.
    async fn delete_of_upstream(
        &self,
        provider: &str,
        subject: Option<&str>,
        session: Option<&str>,
    ) -> Result<u64, StoreError>;

    /// Ends at most `batch` sessions, whoever they belong to, and returns how many it ended.
    async fn delete_any_sessions(&self, batch: u32) -> Result<u64, StoreError>;

    /// Deletes at most `batch` challenges of any kind, and returns how many it deleted.
    async fn delete_any_challenges(&self, batch: u32) -> Result<u64, StoreError>;

    /// Removes at most `batch` sessions that can no longer be refreshed; answers how many.
    /// Counted as background work.
    async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}

/// Credentials at rest.
///
/// This trait is sealed.
#[async_trait]
pub trait CredentialStore: Sealed + Send + Sync + 'static {
    /// The credential of this kind that is found by `lookup`.
    async fn find_credential(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// The same, once changes of it that are under way have been made or taken back.
    async fn find_settled(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// Inserts a credential. Returns `false`, and writes nothing, if its kind has its `lookup`
    /// already, for whichever user, or if the user does not exist.
    async fn insert_credential(&self, credential: &Credential) -> Result<bool, StoreError>;

    /// The credentials of a user, oldest first.
    async fn list_credentials(&self, user: &UserId) -> Result<Vec<Credential>, StoreError>;

    /// The credentials of several users.
    async fn list_credentials_of(&self, users: &[UserId]) -> Result<Vec<Credential>, StoreError>;

    /// Notes that a credential signed its user in, with its new data if that still is
    /// `expected`; answers whether it was. Never brings a credential back.
    async fn use_credential(&self, using: &Use) -> Result<bool, StoreError>;

    /// Replaces the data of a credential if it still is `expected`, and sets the time of its last
    /// change. Returns whether it was replaced.
    async fn replace_credential(
        &self,
        id: &str,
        expected: &Value,
        data: &Value,
        updated_at: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// Counters at rest.
///
/// This trait is sealed.
#[async_trait]
pub trait LimitStore: Sealed + Send + Sync + 'static {
    /// Counts one more if the rule allows it now, in one atomic step; otherwise counts nothing
    /// and returns when it will be allowed. A counter whose window ends further away than a
    /// window that begins now, because the clock was set back, is void.
    async fn count(
        &self,
        key: &Digest,
        rule: &LimitRule,
        now: Timestamp,
    ) -> Result<Count, StoreError>;

    /// Takes one from an allowance, in one atomic step; otherwise returns when there will be
    /// one. A clock that was set back voids what was counted, as for [`count`](Self::count).
    async fn take(
        &self,
        key: &Digest,
        allowance: &Allowance,
        now: Timestamp,
    ) -> Result<Count, StoreError>;

    /// Counts one less.
    async fn uncount(&self, key: &Digest) -> Result<(), StoreError>;

    /// Forgets what was counted.
    async fn forget(&self, key: &Digest) -> Result<(), StoreError>;

    /// Removes at most `batch` counters that have ended; answers how many. Counted as
    /// background work.
    async fn sweep_limits(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}

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
