//! When sessions were last used, written many at a time.

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

/// `last_seen_at` is exact to this.
pub(super) const SEEN_INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// How long a use waits for others.
const WAIT: Duration = Duration::from_millis(500);
/// How many uses are written without waiting for more.
const MOST: usize = 500;

/// Uses that are yet to be written; what a process leaves unwritten as it ends is the last
/// half second of them, unless it [shuts down](crate::Auth::shutdown).
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
    /// Notes that a session is used, unless that was noted a short while ago.
    pub(super) fn note(
        self: &Arc<Self>,
        store: &Arc<dyn SessionStore>,
        session: &mut Session,
        now: Timestamp,
    ) {
        // One that lies further ahead was noted before the clock was set back.
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

    /// Writes what waits, in one statement.
    pub(super) async fn write(&self, store: &dyn SessionStore) {
        let Waiting { ids, at } = mem::take(&mut *self.waiting());
        if ids.is_empty() {
            return;
        }
        let ids: Vec<_> = ids.into_iter().collect();
        if let Err(error) = store.touch(&ids, at, before(at)).await {
            tracing::warn!(sessions = ids.len(), cause = %error, "last uses were not noted");
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
