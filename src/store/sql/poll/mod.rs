//! Polls the database for changes that other processes made.
//!
//! While requests come, each poll renews the lease of [`Changes`]; nothing that is cached counts
//! without it. While none come, nothing is polled.

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
use crate::{model::UserId, store::Changes};

/// After so many polls whose lease nobody asked for, the next one waits until somebody asks.
const IDLE: u32 = 25;
/// Limits the wait for somebody who asks, so that the task ends soon after its store.
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// The pause after a failure doubles from the first of these to the second.
const RETRY: Duration = Duration::from_millis(250);
const MAX_RETRY: Duration = Duration::from_secs(60);
/// While polls fail, a warning is logged once in this time.
const WARN_EVERY: Duration = Duration::from_secs(60 * 60);

/// Where changes are read from.
pub(super) trait Source: Send + 'static {
    /// The pause between two polls.
    const PAUSE: Duration;
    /// How long cached rows count after a poll began.
    const LEASE: Duration;

    /// Returns whether the store was closed.
    fn is_closed(&self) -> bool;

    /// Returns what was committed since the last poll.
    fn poll(&mut self) -> impl Future<Output = Result<News, StoreError>> + Send;
}

/// What a poll found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These changes, perhaps none: `s` with the id of a session, or `u` with that of a user.
    Changes(Vec<String>),
    /// Anything may have changed.
    Everything,
}

/// Polls until the last handle on `changes` is dropped. Outside of a runtime it does nothing.
pub(super) fn spawn(changes: &Arc<Changes>, source: impl Source) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(run(Arc::downgrade(changes), source));
    }
}

async fn run<S: Source>(changes: Weak<Changes>, mut source: S) {
    let mut idle = 0;
    let mut retry = RETRY;
    let mut warned: Option<Instant> = None;
    while let Some(changes) = changes.upgrade() {
        if source.is_closed() {
            return changes.end_lease();
        }
        idle = if changes.was_asked() { 0 } else { idle + 1 };
        if idle > IDLE && timeout(IDLE_WAIT, changes.wanted()).await.is_err() {
            continue;
        }
        let from = changes.now();
        let pause = match source.poll().await {
            Ok(news) => {
                report(&changes, news);
                changes.lease(from, S::LEASE);
                (retry, warned) = (RETRY, None);
                S::PAUSE
            }
            Err(error) => {
                changes.end_lease();
                if !source.is_closed() && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    warned = Some(Instant::now());
                    tracing::warn!(
                        cause = %error,
                        "changes by other processes cannot be read: every request queries the database"
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

fn report(changes: &Changes, news: News) {
    let News::Changes(all) = news else { return changes.everything() };
    for changed in all {
        let session = changed.strip_prefix('s').and_then(|id| id.parse().ok());
        match (session, changed.strip_prefix('u')) {
            (Some(id), _) => changes.session(id),
            (None, Some(id)) => changes.user(&UserId::new(id)),
            (None, None) => changes.everything(),
        }
    }
}
