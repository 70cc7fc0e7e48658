//! The audit log: events stored in the database.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, oneshot},
};

use crate::{
    crypto::random,
    erasure,
    error::AuthError,
    event::{Event, EventKind, EventSink},
    store::{EventQuery, EventStore, KeptEvent, first_id_at},
};

/// How many events may wait to be written.
const WAITING: usize = 4096;
/// How many events that cost their sender nothing may wait to be written.
const WAITING_CHEAP: usize = 1024;
/// How many are written in one statement.
const BATCH: usize = 256;
/// The most that one query returns.
const MOST: u32 = 1000;
/// The longest pause while a task waits for a flush.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);
/// The pauses before a batch that was not written is tried again.
const RETRIES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The events of an application, in the store: [`Auth::audit`](crate::Auth::audit).
///
/// They are written in batches, off the path of the request. Events that come faster than they
/// can be written are dropped and counted by [`lost`](Self::lost), so that no request waits for
/// them. Events that anybody can cause at no cost, such as failed sign-ins, have a queue of their
/// own: a flood of them drops only its like.
///
/// A batch that the store fails to write is tried again for about 18 seconds while further events
/// wait, and is counted by [`lost`](Self::lost) if that fails too.
///
/// The events of a user who is deleted are retained without their IP addresses, which are removed in
/// batches after the deletion, at the latest by the next [sweep](crate::Auth::sweep).
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn EventStore>,
    sender: mpsc::Sender<Job>,
    cheap: mpsc::Sender<Numbered>,
    shared: Arc<Shared>,
    keep: Duration,
}

/// What the sinks and the writer share.
#[derive(Default)]
struct Shared {
    /// Numbers the events in the order in which they happened.
    count: AtomicU64,
    lost: AtomicU64,
    lost_cheap: AtomicU64,
    /// How many tasks wait in [`Audit::flush`].
    flushing: AtomicUsize,
    /// Ends the pause before a batch is tried again.
    hurry: Notify,
}

/// Shortens the pauses of the writer while it exists.
struct Flushing<'a>(&'a Shared);

impl<'a> Flushing<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.flushing.fetch_add(1, Ordering::Relaxed);
        shared.hurry.notify_one();
        Self(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.flushing.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Numbered(u64, Event);

enum Job {
    Keep(Numbered),
    Flush(oneshot::Sender<()>),
}

impl Audit {
    /// Creates an audit log and starts the task that writes it.
    pub(crate) fn new(store: Arc<dyn EventStore>, keep: Duration, runtime: &Handle) -> Self {
        let (deletions, deletions_receiver) = mpsc::channel(1);
        let (sender, receiver) = mpsc::channel(WAITING);
        let (cheap, cheap_receiver) = mpsc::channel(WAITING_CHEAP);
        let shared = Arc::<Shared>::default();
        let writer = Writer {
            store: Arc::clone(&store),
            shared: Arc::clone(&shared),
            cheap: cheap_receiver,
            deletions,
            is_failing: false,
        };
        runtime.spawn(writer.run(receiver));
        runtime.spawn(erase(Arc::clone(&store), deletions_receiver));
        Self { store, sender, cheap, shared, keep }
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

    /// Returns how many events were dropped since the start: because too many waited, or because
    /// the store failed to write them.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed).saturating_add(self.lost_cheap())
    }

    /// Returns how many of the [lost](Self::lost) events were dropped from the queue of those that
    /// cost their sender nothing, such as failed sign-ins.
    pub fn lost_cheap(&self) -> u64 {
        self.shared.lost_cheap.load(Ordering::Relaxed)
    }

    /// Waits until every event that was recorded is written, or counted as lost. Until then the
    /// writer retries failed batches without its pauses, for events of all users: only for the end
    /// of the process.
    pub(crate) async fn flush(&self) {
        let _flushing = Flushing::new(&self.shared);
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

/// Whether a request without any credential can cause an event.
fn is_cheap(event: &Event) -> bool {
    match event.kind {
        EventKind::SignUpRefused
        | EventKind::SignInFailed
        | EventKind::RefreshRefused
        | EventKind::CrossOriginRefused
        | EventKind::AccessTokenRefused
        | EventKind::AmbiguousCredentials
        | EventKind::LimitReached
        | EventKind::MailFailed
        | EventKind::ProofRequested
        | EventKind::ProofRefused
        | EventKind::PasskeyRefused
        | EventKind::ProviderRefused => true,
        EventKind::PolicyAllowed | EventKind::PolicyRefused => event.user_id.is_none(),
        _ => false,
    }
}

impl EventSink for Audit {
    fn record(&self, event: Event) {
        let is_cheap = is_cheap(&event);
        let numbered = Numbered(self.shared.count.fetch_add(1, Ordering::Relaxed), event);
        let (is_sent, lost, queue) = match is_cheap {
            true => {
                let is_sent = self.cheap.try_send(numbered).is_ok();
                (is_sent, &self.shared.lost_cheap, "failures of unauthenticated requests")
            }
            false => {
                let is_sent = self.sender.try_send(Job::Keep(numbered)).is_ok();
                (is_sent, &self.shared.lost, "events")
            }
        };
        if !is_sent {
            let lost = lost.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if lost.is_power_of_two() {
                tracing::warn!(lost, "audit log: {queue} come faster than they are written");
            }
        }
    }
}

/// Writes events in batches.
struct Writer {
    store: Arc<dyn EventStore>,
    shared: Arc<Shared>,
    cheap: mpsc::Receiver<Numbered>,
    /// Wakes the task that anonymizes the events of deleted users.
    deletions: mpsc::Sender<Timestamp>,
    /// Whether the last batch was given up: the next ones are tried once.
    is_failing: bool,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Job>) {
        let (mut jobs, mut first) = (Vec::new(), Vec::new());
        let mut is_open = true;
        while is_open {
            // The others go first; a batch is filled up with the cheap ones.
            tokio::select! {
                biased;
                received = receiver.recv_many(&mut jobs, BATCH) => is_open = received > 0,
                Some(event) = self.cheap.recv() => first.push(event),
            }
            let (mut events, mut waiting) = (std::mem::take(&mut first), Vec::new());
            for job in jobs.drain(..) {
                match job {
                    Job::Keep(event) => events.push(event),
                    Job::Flush(done) => waiting.push(done),
                }
            }
            self.fill(&mut events);
            let deleted = events.iter().filter_map(|Numbered(_, event)| deletion(event)).max();
            self.write(events).await;
            // A flush, a deletion, and the end wait for the cheap ones as well.
            let is_last = !is_open || !waiting.is_empty() || deleted.is_some();
            let mut left = if is_last { self.cheap.len() } else { 0 };
            while left > 0 {
                let mut events = Vec::new();
                self.fill(&mut events);
                left = left.saturating_sub(events.len().max(1));
                self.write(events).await;
            }
            if let Some(at) = deleted {
                // If the channel is full, the task looks again anyway.
                let _is_awake = self.deletions.try_send(at);
            }
            for done in waiting {
                let _gone = done.send(());
            }
        }
    }

    fn fill(&mut self, events: &mut Vec<Numbered>) {
        while events.len() < BATCH {
            let Ok(event) = self.cheap.try_recv() else { return };
            events.push(event);
        }
    }

    async fn write(&mut self, events: Vec<Numbered>) {
        if events.is_empty() {
            return;
        }
        let events: Vec<_> = events.into_iter().map(kept).collect();
        let mut pauses = RETRIES.iter().take(if self.is_failing { 0 } else { RETRIES.len() });
        loop {
            let error = match self.store.insert_events(&events).await {
                Ok(()) => {
                    self.is_failing = false;
                    return;
                }
                Err(error) => error,
            };
            let Some(pause) = pauses.next() else {
                self.is_failing = true;
                let lost = u64::try_from(events.len()).unwrap_or(u64::MAX);
                self.shared.lost.fetch_add(lost, Ordering::Relaxed);
                tracing::error!(lost, cause = %error, "audit log: events were not written");
                return;
            };
            tracing::warn!(
                events = events.len(), cause = %error,
                "audit log: events were not written, and are tried again"
            );
            let flushes = self.shared.flushing.load(Ordering::Relaxed) > 0;
            let pause = if flushes { FLUSH_PAUSE.min(*pause) } else { *pause };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.hurry.notified() => {}
            }
        }
    }
}

/// Returns the time of the event if it is the deletion of a user.
fn deletion(event: &Event) -> Option<Timestamp> {
    (event.kind == EventKind::AccountDeleted).then_some(event.at)
}

/// Anonymizes the events of deleted users until the writer ends. It does not write them itself: it
/// would drop events meanwhile.
async fn erase(store: Arc<dyn EventStore>, mut deletions: mpsc::Receiver<Timestamp>) {
    while let Some(at) = deletions.recv().await {
        if let Err(error) = erasure::erase_new(&*store, at).await {
            tracing::warn!(
                cause = %error,
                "audit log: events of deleted users were not anonymized; the next sweep does it"
            );
        }
    }
}

/// Ids follow time, and within a millisecond the order in which things happened here.
fn kept(Numbered(count, event): Numbered) -> KeptEvent {
    let noise: [u8; 8] = random::bytes().unwrap_or_default();
    let noise = u64::from_be_bytes(noise);
    KeptEvent { id: format!("{}-{count:08x}-{noise:016x}", first_id_at(event.at)), event }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}
