//! Removes IP addresses and user agents from the events of deleted users.
//!
//! The transaction that deletes a user records the deletion and updates no event, so that its
//! duration does not depend on how many there are. The events are anonymized afterwards in batches:
//! right after the deletion by the process that made it, and by each sweep until the record is an
//! hour old, since events that waited in the audit queue of any process are written late.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time;

use crate::store::{DeletedUser, EventStore, StoreError, first_id_at};

/// Records of deleted users per query.
const PAGE: u32 = 100;
/// Events per statement.
const BATCH: u32 = 500;
/// The pause between two batches, so that other statements can run.
const PAUSE: Duration = Duration::from_millis(5);
/// Requests of the user may still be in progress for this time after the deletion.
const IN_PROGRESS: SignedDuration = SignedDuration::from_mins(1);
/// Events from this time before a deletion may still be written after it.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// Anonymizes the events of users who were deleted since the last sweep.
pub(crate) async fn erase_new(store: &dyn EventStore, now: Timestamp) -> Result<(), StoreError> {
    erase(store, now, None).await
}

/// Anonymizes the events of all recorded deletions, and deletes the records of those before
/// `expired`.
pub(crate) async fn sweep(
    store: &dyn EventStore,
    now: Timestamp,
    expired: Timestamp,
) -> Result<(), StoreError> {
    erase(store, now, Some(expired)).await
}

async fn erase(
    store: &dyn EventStore,
    now: Timestamp,
    expired: Option<Timestamp>,
) -> Result<(), StoreError> {
    let mut last = None;
    loop {
        let page = store.list_deleted_users(last.as_ref(), PAGE).await?;
        for deleted in &page {
            if expired.is_some() || deleted.checked_to.is_empty() {
                erase_user(store, deleted, now, expired).await?;
            }
        }
        match page.last() {
            Some(deleted) => last = Some(deleted.user.clone()),
            None => return Ok(()),
        }
    }
}

async fn erase_user(
    store: &dyn EventStore,
    deleted: &DeletedUser,
    now: Timestamp,
    expired: Option<Timestamp>,
) -> Result<(), StoreError> {
    let at = match deleted.at {
        Some(at) => at,
        None => {
            let at = now.checked_add(IN_PROGRESS).unwrap_or(now);
            store.date_deletion(&deleted.user, at).await?;
            at
        }
    };
    let mut after = deleted.checked_to.clone();
    while let Some(end) = store.anonymize_events(&deleted.user, at, &after, BATCH).await? {
        after = end;
        time::sleep(PAUSE).await;
    }
    if expired.is_some_and(|expired| at < expired) {
        return store.remove_deleted_user(&deleted.user, at).await;
    }
    let checked_to = first_id_at(at.checked_sub(LATE).unwrap_or(Timestamp::MIN));
    store.note_checked(&deleted.user, at, &checked_to).await
}
