//! Deletes expired rows.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{runtime::Handle, time};

use crate::{
    erasure,
    error::{AuthError, with_sources},
    services::Core,
};

/// Rows per statement: few, so that other statements do not wait long.
const BATCH: u32 = 500;
/// The time for which an expired row is retained, in case the clock was ahead when it expired.
/// Events have their own retention.
const MARGIN: SignedDuration = SignedDuration::from_hours(1);
/// The time for which a message is retained that is due and that no process takes over.
const ABANDONED: SignedDuration = SignedDuration::from_hours(24);
/// The time for which a signing key that was replaced is published.
const RETAINED: SignedDuration = SignedDuration::from_hours(24);
/// The pause between two batches, so that other statements can run.
const PAUSE: Duration = Duration::from_millis(5);

/// A table whose rows expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Sessions,
    Challenges,
    Limits,
    ApiKeys,
    Events,
    /// Messages that no process delivers, for example because there is no mailer any more.
    Mails,
    /// Records of deleted users, whose events are anonymized; they are not counted either.
    DeletedUsers,
    /// Keys that sign no more, and are not published any longer; they are not counted either.
    SigningKeys,
    /// Records of changes, which are internal and not counted.
    InvalidationClock,
}

impl Table {
    const ALL: [Self; 9] = [
        Self::Sessions,
        Self::Challenges,
        Self::Limits,
        Self::ApiKeys,
        Self::Events,
        Self::Mails,
        Self::DeletedUsers,
        Self::SigningKeys,
        Self::InvalidationClock,
    ];
}

impl Core {
    pub(super) async fn sweep(&self) -> Result<u64, AuthError> {
        // Read once: rows that expire during the sweep are left to the next one.
        let now = self.clock.now();
        if let Err(error) = self.announce_recoveries().await {
            let cause = with_sources(&error);
            tracing::warn!(cause, "users were not notified of available recoveries");
        }
        self.try_deliver_stored().await;
        if !self.clocks.is_within_skew().await? {
            return Ok(0);
        }
        let (mut deleted, mut failure) = (0, None);
        for table in Table::ALL {
            match self.sweep_table(table, now).await {
                Ok(_) if table == Table::InvalidationClock => {}
                Ok(rows) => deleted += rows,
                Err(error) => {
                    tracing::warn!(
                        ?table,
                        cause = with_sources(&error),
                        "expired rows were not deleted"
                    );
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(deleted), Err)
    }

    async fn sweep_table(&self, table: Table, now: Timestamp) -> Result<u64, AuthError> {
        let mut deleted = 0;
        let expired = now.checked_sub(MARGIN).unwrap_or(Timestamp::MIN);
        loop {
            let rows = match table {
                Table::Sessions => self.sessions.sweep(expired, BATCH).await?,
                Table::Challenges => self.challenges.sweep_challenges(expired, BATCH).await?,
                Table::Limits => self.limits.sweep(expired, BATCH).await?,
                Table::ApiKeys => self.keys.sweep_keys(expired, BATCH).await?,
                Table::Events => match &self.audit {
                    Some(audit) => audit.sweep(now, BATCH).await?,
                    None => 0,
                },
                Table::Mails => {
                    let abandoned = expired.checked_sub(ABANDONED).unwrap_or(Timestamp::MIN);
                    self.changes.sweep_mails(abandoned, BATCH).await?
                }
                Table::DeletedUsers => {
                    erasure::sweep(&*self.changes, now, expired).await?;
                    0
                }
                Table::SigningKeys => {
                    let replaced = expired.checked_sub(RETAINED).unwrap_or(Timestamp::MIN);
                    self.changes.sweep_signing_keys(replaced).await?;
                    0
                }
                Table::InvalidationClock => self.changes.sweep_changes(BATCH).await?,
            };
            deleted += rows;
            // A batch that is not full was the last one, or another process sweeps this table.
            if rows < u64::from(BATCH) {
                return Ok(deleted);
            }
            time::sleep(PAUSE).await;
        }
    }
}

/// Sweeps until the last reference to the core is dropped.
pub(crate) fn keep_sweeping(core: &Arc<Core>, runtime: &Handle, every: Duration) {
    let core = Arc::downgrade(core);
    runtime.spawn(async move {
        loop {
            time::sleep(every).await;
            let Some(core) = Weak::upgrade(&core) else { return };
            // A failure is logged by table; the next sweep tries again.
            let _failed = core.sweep().await;
        }
    });
}
