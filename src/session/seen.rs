//! The last use of sessions, written in batches.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time;

use crate::{
    model::{Session, SessionId},
    store::SessionStore,
};

/// The precision of `last_seen_at`.
pub(super) const SEEN_INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// The maximum time that a use waits for a batch.
const WAIT: Duration = Duration::from_millis(500);
/// The size of a batch that is written at once.
const MOST: usize = 500;

/// Uses of sessions that are not written yet. A process that exits without
/// [`Auth::shutdown`](crate::Auth::shutdown) loses the uses of the last half second.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    ids: HashSet<SessionId>,
    at: Timestamp,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { ids: HashSet::new(), at: Timestamp::MIN }
    }
}

impl Seen {
    /// Records the use of a session, unless its last use was recorded within `SEEN_INTERVAL`.
    pub(super) fn note(
        self: &Arc<Self>,
        store: &Arc<dyn SessionStore>,
        session: &mut Session,
        now: Timestamp,
    ) {
        // A time further in the future was recorded before the clock was set back.
        if before(now) < session.last_seen_at && session.last_seen_at <= after(now) {
            return;
        }
        session.last_seen_at = now;
        let wait = {
            let mut waiting = self.waiting();
            waiting.at = waiting.at.max(now);
            waiting.ids.insert(session.id);
            match waiting.ids.len() {
                1 => WAIT,
                MOST => Duration::ZERO,
                _ => return,
            }
        };
        let (seen, store) = (Arc::clone(self), Arc::clone(store));
        tokio::spawn(async move {
            time::sleep(wait).await;
            seen.write(&*store).await;
        });
    }

    /// Writes all pending uses in one statement.
    pub(super) async fn write(&self, store: &dyn SessionStore) {
        let Waiting { ids, at } = mem::take(&mut *self.waiting());
        if ids.is_empty() {
            return;
        }
        let ids: Vec<_> = ids.into_iter().collect();
        if let Err(error) = store.touch(&ids, at, before(at)).await {
            tracing::warn!(sessions = ids.len(), cause = %error, "last_seen_at was not updated");
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn before(now: Timestamp) -> Timestamp {
    now.checked_sub(SEEN_INTERVAL).unwrap_or(Timestamp::MIN)
}

fn after(now: Timestamp) -> Timestamp {
    now.checked_add(SEEN_INTERVAL).unwrap_or(Timestamp::MAX)
}
