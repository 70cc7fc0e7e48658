//! Storage of sessions.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{CredentialUpdate, DeviceChallenges, SessionLimit, StoreError, sealed::Sealed};
use crate::{
    crypto::digest::Digest,
    model::{Impersonator, Session, SessionBinding, SessionId, User, UserId},
    store::SessionTag,
};

/// A session with the hashes of its tokens.
///
/// A copy of these rows yields no token: every field is public, random, or a SHA-256 of a value
/// with at least 128 bits of entropy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionRow {
    /// The public part.
    pub session: Session,
    /// Random value that makes the lineage of this session unique; never changes.
    pub nonce: [u8; 32],
    /// The salt of the last rotation; random at first.
    pub salt: [u8; 32],
    /// The number of rotations of the refresh token.
    pub generation: u32,
    /// The hash of the current lineage, which identifies a token of any age.
    pub lineage_hash: Digest,
    /// The hash of the current refresh secret.
    pub refresh_hash: Digest,
    /// The hash of the current access secret.
    pub access_hash: Digest,
    /// The hash of the access secret before the last rotation, with its expiry.
    pub previous_access: Option<(Digest, Timestamp)>,
    /// The time of the last rotation.
    pub rotated_at: Option<Timestamp>,
    /// The time of the first use of the current generation.
    pub confirmed_at: Option<Timestamp>,
    /// The lineages from before the tokens were replaced other than by a refresh, oldest first.
    pub former: Vec<FormerLineage>,
    /// The tags of the session; they never change.
    pub tags: Vec<SessionTag>,
    /// Whether an impersonation was begun on this session.
    pub has_impersonated: bool,
    /// The challenges for proofs of the key of a browser; empty unless the session is bound to one.
    pub challenges: DeviceChallenges,
}

/// A lineage of a session whose tokens were replaced, for example by a step-up.
///
/// Its tokens do not authenticate any request. They are recognized so that a sign-out with one of
/// them ends the session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FormerLineage {
    /// The last generation of the lineage.
    pub generation: u32,
    /// The hash of the lineage at that generation.
    pub lineage_hash: Digest,
    /// The hash of the last access secret.
    pub access_hash: Digest,
}

/// The part of a session that is needed to verify an access token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccessTokenRow {
    /// The public part.
    pub session: Session,
    /// The number of rotations of the refresh token.
    pub generation: u32,
    /// The hash of the current access secret.
    pub access_hash: Digest,
    /// The hash of the access secret before the last rotation, with its expiry.
    pub previous_access: Option<(Digest, Timestamp)>,
    /// The time of the first use of the current generation.
    pub confirmed_at: Option<Timestamp>,
}

impl From<SessionRow> for AccessTokenRow {
    fn from(row: SessionRow) -> Self {
        let SessionRow { session, generation, access_hash, previous_access, confirmed_at, .. } =
            row;
        Self { session, generation, access_hash, previous_access, confirmed_at }
    }
}

/// A row of a session or an API key, with its user if users are in the same database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WithUser<Row = SessionRow> {
    /// The row.
    pub row: Row,
    /// The user; `None` if it does not exist or is in another store.
    pub user: Option<User>,
}

/// A session whose row cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// The id of the session.
    pub id: SessionId,
    /// The reason.
    pub cause: StoreError,
}

/// Options of the insert of a session.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct InsertOptions {
    /// The maximum number of sessions of the user.
    pub at_most: Option<SessionLimit>,
    /// The use of a credential that is required for the insert.
    pub using: Option<CredentialUpdate>,
}

/// The part of a session that determines whether a live connection may continue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WatchedRow {
    /// The id of the session.
    pub id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// The time at which the session expires unless it is refreshed before.
    pub expires_at: Timestamp,
    /// The administrator, if the session is an impersonation.
    pub impersonator: Option<Impersonator>,
}

impl From<SessionRow> for WatchedRow {
    fn from(row: SessionRow) -> Self {
        let Session { id, user_id, refresh_expires_at, expires_at, impersonator, .. } = row.session;
        Self { id, user_id, expires_at: refresh_expires_at.min(expires_at), impersonator }
    }
}

impl From<WithUser> for WithUser<WatchedRow> {
    fn from(found: WithUser) -> Self {
        Self { row: found.row.into(), user: found.user }
    }
}

/// Storage of sessions.
///
/// This trait is sealed.
#[async_trait]
pub trait SessionStore: Sealed + Send + Sync + 'static {
    /// Inserts a new session.
    ///
    /// Returns `false`, and writes nothing, if the user of the session is known to this store and
    /// not active, so that a sign-in cannot race a ban, or if the use of a credential fails. That
    /// use is recorded in the same transaction.
    ///
    /// Deletes the user's oldest unexpired sessions beyond the limit of `opening`, in the same
    /// transaction or right after it. Once all concurrent sign-ins of a user have returned, the
    /// user has at most as many sessions as the limit allows.
    async fn insert(&self, row: &SessionRow, opening: &InsertOptions) -> Result<bool, StoreError>;

    /// Returns the sessions of a user that can still be refreshed, newest first: at most 100. Omits
    /// sessions whose rows cannot be read.
    async fn list(&self, user: &UserId, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Returns the page of at most 100 sessions after a session of [`list`](Self::list), whether or
    /// not that session still exists.
    async fn list_after(&self, last: &Session, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Returns the session with this id, with its user, in one statement.
    async fn find(&self, id: SessionId) -> Result<Option<WithUser>, StoreError>;

    /// Like [`find`](Self::find), but returns only the part that access tokens need. Called on
    /// every request that is not served from a cache.
    async fn find_access(
        &self,
        id: SessionId,
    ) -> Result<Option<WithUser<AccessTokenRow>>, StoreError> {
        let found = self.find(id).await?;
        Ok(found.map(|WithUser { row, user }| WithUser { row: row.into(), user }))
    }

    /// Returns the existing sessions with these ids, with their users, in one statement. Each has
    /// its own error if its row cannot be read. Counted as background work.
    async fn find_many(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<WithUser, Unreadable>>, StoreError>;

    /// Returns the existing sessions with these ids, for live connections that watch them, with the
    /// part of their users that a [`Subject`](crate::model::Subject) and the status need. Counted
    /// as background work.
    async fn find_watched(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<WithUser<WatchedRow>, Unreadable>>, StoreError> {
        let found = self.find_many(ids).await?.into_iter();
        Ok(found.map(|found| found.map(WithUser::into)).collect())
    }

    /// Records the use of sessions, except for those with a use recorded after `unless_after`. A
    /// recorded time too far in the future is overwritten, since the clock was set back. Never
    /// restores a deleted session. Counted as background work.
    async fn touch(
        &self,
        ids: &[SessionId],
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError>;

    /// Replaces a row by its successor if it still has the same generation and salt, in one
    /// conditional write. Returns whether it was replaced; of concurrent calls at most one
    /// succeeds.
    async fn rotate(&self, from: &SessionRow, to: &SessionRow) -> Result<bool, StoreError>;

    /// Binds a session to a key, unless it is bound already or was deleted. Its tokens do not change.
    /// Returns whether it was bound.
    async fn bind(&self, id: SessionId, binding: &SessionBinding) -> Result<bool, StoreError>;

    /// Replaces the challenges of a session that is bound to a browser, unless they have changed.
    /// Returns whether they were replaced.
    async fn set_challenges(
        &self,
        id: SessionId,
        from: &DeviceChallenges,
        to: &DeviceChallenges,
    ) -> Result<bool, StoreError>;

    /// Records that the user was notified of a proof of another key, unless that is recorded. Returns
    /// whether it was recorded now.
    async fn note_mismatch(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError>;

    /// Records the first use of the current generation, unless it is recorded, or the session has
    /// another generation or was deleted. Counted as background work.
    async fn confirm(
        &self,
        id: SessionId,
        generation: u32,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Deletes a session. Returns whether it existed.
    async fn delete(&self, id: SessionId) -> Result<bool, StoreError>;

    /// Deletes a session if it belongs to this user. Returns whether it did.
    async fn delete_owned(&self, id: SessionId, user: &UserId) -> Result<bool, StoreError>;

    /// Deletes all sessions of a user, except for `except` if given. Returns how many.
    async fn delete_of_user(
        &self,
        user: &UserId,
        except: Option<SessionId>,
    ) -> Result<u64, StoreError>;

    /// Deletes the sessions, and the pending sign-ins and sign-ups, that have all of these tags.
    /// Returns how many sessions. Without tags, deletes nothing.
    async fn delete_tagged(&self, tags: &[SessionTag]) -> Result<u64, StoreError>;

    /// Records that an impersonation begins on a session: from now on, deleting the session also
    /// deletes those with its [tag](SessionTag). Returns whether it exists.
    async fn mark_impersonator(&self, id: SessionId) -> Result<bool, StoreError>;

    /// Deletes at most `batch` sessions of any users, and returns how many.
    async fn delete_any_sessions(&self, batch: u32) -> Result<u64, StoreError>;

    /// Deletes at most `batch` challenges of any kind except the bars of identities and the processed
    /// security events of providers, and returns how many.
    async fn delete_any_challenges(&self, batch: u32) -> Result<u64, StoreError>;

    /// Deletes at most `batch` sessions that can no longer be refreshed, and returns how many.
    /// Counted as background work.
    async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
