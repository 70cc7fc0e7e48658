//! Reports changes of this process to others, and starts the task that reads those of others
//! ([`poll`](super::poll)).

use std::sync::Arc;

use super::{Db, Hearing, SqlStore};
use crate::{
    model::UserId,
    store::{AccountStore, InvalidationClock, StoreError},
};

/// A write to the file, which other processes detect: a counter that has expired and will be
/// deleted by the sweep.
const TOUCH_FILE: &str = "INSERT INTO auth_limits (key, count, blocked_until, expires_at)
    VALUES ('changed', 1, 0, 0) ON CONFLICT (key) DO UPDATE SET count = auth_limits.count + 1";

/// A function of this crate; see the migrations.
const NOTE_USER: &str = "SELECT CAST(auth_user_changed($1) AS TEXT)";

/// Allows the sweep to delete the rows that were committed when this statement last changed
/// something, at least a minute ago. For a node whose last poll is older, everything counts as
/// changed.
const ADVANCE: &str = "INSERT INTO auth_change_epoch AS e DEFAULT VALUES
    ON CONFLICT (is_only) DO UPDATE SET removed_below = e.next_below,
        next_below = pg_snapshot_xmin(pg_current_snapshot()), next_since = clock_timestamp()
    WHERE e.next_since NOT BETWEEN clock_timestamp() - INTERVAL '1 minute' AND clock_timestamp()";

/// The second condition matches rows that were copied from another server, with its transaction
/// ids.
const REMOVE: &str = "DELETE FROM auth_changes WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM auth_changes
    WHERE xact < (SELECT removed_below FROM auth_change_epoch WHERE is_only)
    OR xact >= pg_snapshot_xmax(pg_current_snapshot())
    LIMIT $1 FOR UPDATE SKIP LOCKED))";

impl<DB: Db> SqlStore<DB> {
    /// Returns the tracker, and starts the task that polls for changes of other processes.
    pub(super) fn polled_changes(&self) -> Arc<InvalidationClock> {
        if self.hearing.hears() {
            let is_beside = self.hearing == Hearing::Beside;
            self.hears.get_or_init(|| {
                DB::spawn_poll(&self.changes, self.writer.access(), is_beside);
            });
        }
        Arc::clone(&self.changes)
    }

    /// Reports a change of a user by the application, to this process and to others.
    pub(super) async fn announce_user(&self, id: &UserId) -> Result<(), StoreError> {
        self.changes.invalidate_user(id);
        let found = match self.users.is_own {
            true => None,
            false => self.find_user(id).await.inspect_err(|_| self.changes.invalidate_all())?,
        };
        let id = found.as_ref().map_or(id, |user| &user.id);
        self.changes.invalidate_user(id);
        if DB::IS_POSTGRES {
            self.change(NOTE_USER, vec![id.as_str().into()]).await?;
        } else if self.hearing.hears() {
            self.execute(TOUCH_FILE, Vec::new()).await?;
        }
        Ok(())
    }

    /// Deletes records of changes that every node has read.
    pub(super) async fn remove_changes(&self, batch: u32) -> Result<u64, StoreError> {
        if !DB::IS_POSTGRES {
            return Ok(0);
        }
        let removed = self.background(REMOVE, vec![i64::from(batch).into()]).await?;
        if removed < u64::from(batch) {
            self.background(ADVANCE, Vec::new()).await?;
        }
        Ok(removed)
    }
}
