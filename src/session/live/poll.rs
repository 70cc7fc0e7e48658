//! The task that queries watched sessions.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    look::{INTERVAL, Looker},
    watcher::Watcher,
};
use crate::{
    model::SessionId,
    session::Sessions,
    store::{CacheScope, Subscription},
};

/// The interval between two checks of the lease and of expired sessions.
const TICK: Duration = Duration::from_millis(250);
/// The time that is waited for further changes after the first one.
const SETTLE: Duration = Duration::from_millis(10);
/// Maximum changes that are applied before the lock is released.
const CHANGES: usize = 256;

/// The running task. If it ends early, because of a panic or the end of its runtime, all sessions
/// are ended, since nothing would detect their end any more.
pub(super) struct Running {
    pub(super) watcher: Arc<Watcher>,
    pub(super) is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let ended = self.watcher.watched().end_all();
        if ended > 0 {
            tracing::warn!(sessions = ended, "live connections were closed: their watcher stopped");
        }
    }
}

pub(super) async fn run(sessions: Sessions, mut running: Running) {
    let watcher = Arc::clone(&sessions.watcher);
    let subscription = watcher.changes.subscribe();
    tokio::select! {
        () = watcher.follow(&sessions, subscription) => running.is_over = true,
        () = watcher.look(&sessions) => {}
    }
}

impl Watcher {
    /// Queries the sessions that are not confirmed, all of them at most twice a second.
    async fn look(&self, sessions: &Sessions) {
        let mut looker = Looker::new(sessions);
        let mut allowed = Instant::now();
        loop {
            let wake = {
                let (watched, now) = (self.watched(), Instant::now());
                match watched.has_invalid() {
                    _ if watched.has_urgent() => now,
                    true => allowed,
                    false => now + INTERVAL,
                }
            };
            tokio::select! {
                () = sleep_until(wake) => {}
                () = self.work() => {}
            }
            let mut due = Vec::new();
            if Instant::now() >= allowed {
                due = self.due();
                if !due.is_empty() {
                    allowed = Instant::now() + INTERVAL;
                }
            }
            looker.look(due).await;
        }
    }

    fn due(&self) -> Vec<SessionId> {
        if self.watched().is_everything_due() {
            let mut last = None;
            loop {
                last = self.watched().invalidate_after(last);
                if last.is_none() {
                    break;
                }
            }
        }
        self.watched().invalid()
    }

    /// Follows changes, the lease and the clock until no session is watched.
    async fn follow(&self, sessions: &Sessions, mut subscription: Subscription) {
        let mut tick = Instant::now();
        loop {
            let at = Instant::now();
            let is_leased = self.is_leased(sessions).await;
            self.apply_changes(&mut subscription);
            let now = sessions.clock.now();
            while self.watched().expire(now) {}
            let has_queued = {
                let mut watched = self.watched();
                if watched.is_empty() {
                    watched.is_running = false;
                    return;
                }
                watched.lease(at, is_leased);
                if at >= tick {
                    tick = at + TICK;
                    watched.tick();
                }
                watched.has_queued() || watched.is_everything_due()
            };
            if has_queued {
                self.work.notify_one();
            }
            let mut next = Some(at);
            while next.is_some_and(|next| next <= at) {
                next = self.watched().end_silent(at);
            }
            tokio::select! {
                () = sleep_until(next.map_or(tick, |next| next.min(tick))) => {}
                changed = subscription.changed() => {
                    self.watched().change(changed);
                    sleep(SETTLE).await;
                }
            }
        }
    }

    /// Returns whether all changes of sessions and their users are reported.
    async fn is_leased(&self, sessions: &Sessions) -> bool {
        sessions.users.keeping() == CacheScope::UserStorage && self.changes.is_leased_soon().await
    }

    fn apply_changes(&self, subscription: &mut Subscription) {
        loop {
            let mut watched = self.watched();
            for _ in 0..CHANGES {
                let Some(changed) = subscription.try_changed() else { return };
                watched.change(changed);
            }
        }
    }
}
