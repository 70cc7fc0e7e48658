//! Sessions, at rest.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SessionLimit, StoreError, Use, sealed::Sealed};
use crate::{
    crypto::digest::Digest,
    model::{Session, SessionId, User, UserId},
};

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

/// What happens together with the beginning of a session.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// How many sessions the user may have.
    pub at_most: Option<SessionLimit>,
    /// The use of a credential without which the session does not begin.
    pub using: Option<Use>,
}

/// The part of a session that decides whether a connection may go on.
#[derive(Clone, Debug)]
pub struct WatchedRow {
    /// The session.
    pub id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// When it ends unless it is refreshed before.
    pub expires_at: Timestamp,
}

impl From<SessionRow> for WatchedRow {
    fn from(row: SessionRow) -> Self {
        let Session { id, user_id, refresh_expires_at, expires_at, .. } = row.session;
        Self { id, user_id, expires_at: refresh_expires_at.min(expires_at) }
    }
}

impl From<Found> for Found<WatchedRow> {
    fn from(found: Found) -> Self {
        Self { row: found.row.into(), user: found.user }
    }
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
