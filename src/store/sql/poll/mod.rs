//! Polls the database for changes that other processes made.
//!
//! While there are requests, each poll renews the lease of [`InvalidationClock`], without which no cached
//! data is valid. While there are no requests, the database is not polled.

#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout},
};

use super::StoreError;
use crate::{model::UserId, store::InvalidationClock};

/// After this many polls without a request for the lease, the next poll waits for one.
const IDLE: u32 = 25;
/// Limits the wait for a request, so that the task ends soon after its store is dropped.
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// The pause after an error. It doubles up to `MAX_RETRY`.
const RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(60);
/// While polls fail, a warning is logged once per this interval.
const WARN_EVERY: Duration = Duration::from_secs(60 * 60);

/// The source of changes.
pub(super) trait Source: Send + 'static {
    /// The pause between two polls.
    const PAUSE: Duration;
    /// The time for which cached data is valid after the start of a poll.
    const LEASE: Duration;

    /// Returns `true` if the store was closed.
    fn is_closed(&self) -> bool;

    /// Returns the changes that were committed since the last poll.
    fn poll(&mut self) -> impl Future<Output = Result<News, StoreError>> + Send;
}

/// The result of a poll.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These changes, if any: `s` followed by the id of a session, or `u` by the id of a user.
    InvalidationClock(Vec<String>),
    /// Anything may have changed.
    Everything,
}

/// Polls until the last handle of `changes` is dropped. Does nothing outside of a Tokio runtime.
pub(super) fn spawn(changes: &Arc<InvalidationClock>, source: impl Source) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(run(Arc::downgrade(changes), source));
    }
}

async fn run<S: Source>(changes: Weak<InvalidationClock>, mut source: S) {
    let mut idle = 0;
    let mut retry = RETRY;
    let mut warned: Option<Instant> = None;
    while let Some(changes) = changes.upgrade() {
        if source.is_closed() {
            return changes.revoke_lease();
        }
        idle = if changes.take_demand() { 0 } else { idle + 1 };
        if idle > IDLE && timeout(IDLE_WAIT, changes.wait_for_demand()).await.is_err() {
            continue;
        }
        let from = changes.now();
        let pause = match source.poll().await {
            Ok(news) => {
                report(&changes, news);
                changes.renew_lease(from, S::LEASE);
                (retry, warned) = (RETRY, None);
                S::PAUSE
            }
            Err(error) => {
                changes.revoke_lease();
                if !source.is_closed() && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    tracing::warn!(
                        cause = %error,
                        "cannot read changes by other processes: every request queries the database"
                    );
                }
                let pause = retry;
                retry = (retry * 2).min(MAX_RETRY);
                pause
            }
        };
        drop(changes);
        sleep(pause).await;
    }
}

fn report(changes: &InvalidationClock, news: News) {
    let News::InvalidationClock(all) = news else { return changes.invalidate_all() };
    for changed in all {
        let session = changed.strip_prefix('s').and_then(|id| id.parse().ok());
        match (session, changed.strip_prefix('u')) {
            (Some(id), _) => changes.invalidate_session(id),
            (None, Some(id)) => changes.invalidate_user(&UserId::new(id)),
            (None, None) => changes.invalidate_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Fake {
        polls: Arc<AtomicU32>,
        fails: Arc<AtomicBool>,
        found: Arc<Mutex<Vec<String>>>,
    }

    impl Source for Fake {
        const PAUSE: Duration = Duration::from_millis(40);
        const LEASE: Duration = Duration::from_secs(1);

        fn is_closed(&self) -> bool {
            false
        }

        async fn poll(&mut self) -> Result<News, StoreError> {
            self.polls.fetch_add(1, SeqCst);
            if self.fails.load(SeqCst) {
                return Err(StoreError::new("no response"));
            }
            Ok(News::InvalidationClock(std::mem::take(&mut *self.found.lock().unwrap())))
        }
    }

    impl Fake {
        /// Returns the number of polls in a minute, in which `changes` are requested every second
        /// or not at all.
        async fn polls_in_a_minute(&self, changes: &InvalidationClock, is_used: bool) -> u32 {
            let before = self.polls.load(SeqCst);
            for _ in 0..60 {
                if is_used {
                    changes.is_leased(changes.now());
                }
                sleep(Duration::from_secs(1)).await;
            }
            self.polls.load(SeqCst) - before
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_poll_while_no_cache_is_used() {
        let (changes, fake) = (InvalidationClock::unleased(), Fake::default());
        spawn(&changes, fake.clone());
        assert!(fake.polls_in_a_minute(&changes, true).await > 1000);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(fake.polls_in_a_minute(&changes, false).await, 0);
        assert!(fake.polls_in_a_minute(&changes, true).await > 1000, "and then again");
    }

    #[tokio::test(start_paused = true)]
    async fn failing_source_ends_the_lease_and_is_polled_with_backoff() {
        let (changes, fake) = (InvalidationClock::unleased(), Fake::default());
        spawn(&changes, fake.clone());
        fake.polls_in_a_minute(&changes, true).await;
        assert!(changes.is_leased(changes.now()));
        fake.fails.store(true, SeqCst);
        sleep(Duration::from_secs(1)).await;
        assert!(!changes.is_leased(changes.now()));
        let polls = fake.polls_in_a_minute(&changes, true).await;
        assert!((3..10).contains(&polls), "{polls}");
        fake.fails.store(false, SeqCst);
        assert!(fake.polls_in_a_minute(&changes, true).await > 1);
        assert!(fake.polls_in_a_minute(&changes, true).await > 1000);
        assert!(changes.is_leased(changes.now()));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_found_by_a_poll_are_reported() {
        let (changes, fake) = (InvalidationClock::unleased(), Fake::default());
        let session = crate::model::SessionId::from_bytes([1; 16]);
        let mut reported = changes.subscribe();
        spawn(&changes, fake.clone());
        let found = [format!("s{session}"), "uada".to_owned(), "*".to_owned(), "s?".to_owned()];
        fake.found.lock().unwrap().extend(found);
        changes.is_leased(changes.now());
        use crate::store::Changed;
        assert_eq!(reported.changed().await, Changed::Session(session));
        assert_eq!(reported.changed().await, Changed::User(changes.user_key(&UserId::new("ada"))));
        assert_eq!(reported.changed().await, Changed::Everything);
        assert_eq!(reported.changed().await, Changed::Everything, "of another form");
    }
}
