//! What happened, kept and asked for.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::{
    crypto::random,
    error::AuthError,
    event::{Event, EventSink},
    store::{EventQuery, EventStore, KeptEvent},
};

/// How many events may wait to be written.
const WAITING: usize = 4096;
/// How many are written in one statement.
const BATCH: usize = 256;
/// The most that one question answers.
const MOST: u32 = 1000;

/// The events of an application, in the store: [`Auth::audit`](crate::Auth::audit).
///
/// They are written in batches, off the path of the request. Events that come faster than they
/// can be written are counted and left out, so that nobody waits for them.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn EventStore>,
    sender: mpsc::Sender<Job>,
    lost: Arc<AtomicU64>,
    keep: Duration,
}

enum Job {
    Keep(Event),
    Flush(oneshot::Sender<()>),
}

impl Audit {
    /// `None` outside of a runtime.
    pub(crate) fn new(store: Arc<dyn EventStore>, keep: Duration) -> Option<Self> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (sender, receiver) = mpsc::channel(WAITING);
        runtime.spawn(write(Arc::clone(&store), receiver));
        Some(Self { store, sender, lost: Arc::default(), keep })
    }

    /// The latest events first, at most `most` of them and never more than a thousand; go on
    /// with [`before`](EventQuery::before) the last.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn find(&self, query: &EventQuery, most: u32) -> Result<Vec<KeptEvent>, AuthError> {
        Ok(self.store.list_events(query, most.min(MOST)).await?)
    }

    /// How many events were left out since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything that happened is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send(Job::Flush(done)).await.is_ok() {
            let _ended = written.await;
        }
    }

    /// Deletes at most `batch` events that are older than the retention; returns how many.
    pub(crate) async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, AuthError> {
        let age = SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX);
        let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Ok(self.store.sweep_events(before, batch).await?)
    }
}

impl EventSink for Audit {
    fn record(&self, event: Event) {
        if self.sender.try_send(Job::Keep(event)).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed);
            if lost.is_power_of_two() || lost == 0 {
                tracing::warn!(lost = lost + 1, "events come faster than they are written");
            }
        }
    }
}

async fn write(store: Arc<dyn EventStore>, mut receiver: mpsc::Receiver<Job>) {
    let mut jobs = Vec::new();
    let mut count = 0;
    while receiver.recv_many(&mut jobs, BATCH).await > 0 {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Keep(event) => {
                    count += 1;
                    events.push(kept(event, count));
                }
                Job::Flush(done) => waiting.push(done),
            }
        }
        if !events.is_empty()
            && let Err(error) = store.insert_events(&events).await
        {
            tracing::error!(events = events.len(), cause = %error, "events were not written");
        }
        for done in waiting {
            let _gone = done.send(());
        }
    }
}

/// Ids follow time, and within a millisecond the order in which things happened here.
fn kept(event: Event, count: u64) -> KeptEvent {
    let millis = u64::try_from(event.at.as_millisecond()).unwrap_or_default();
    let noise: [u8; 8] = random::bytes().unwrap_or_default();
    let noise = u64::from_be_bytes(noise);
    KeptEvent { id: format!("{millis:012x}-{count:08x}-{noise:016x}"), event }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}
