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
    event::{Event, EventKind, EventSink, Sinks, TracingSink},
    store::{EventQuery, EventStore, StoredEvent, first_id_at},
};

/// Maximum number of events in the queue.
const WAITING: usize = 4096;
/// Maximum number of events in the queue for events of unauthenticated requests.
const WAITING_CHEAP: usize = 1024;
/// Maximum number of events per insert statement.
const BATCH: usize = 256;
/// Maximum number of events that a query returns.
const MOST: u32 = 1000;
/// The longest pause between retries while a task waits for a flush.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);
/// The pauses between retries of a failed insert.
const RETRIES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The audit log: the stored events of an application. See [`Auth::audit_log`](crate::Auth::audit_log).
///
/// Events are written in batches in the background. If events arrive faster than they can be
/// written, they are dropped and counted by [`dropped_events`](Self::dropped_events); no request waits. Events that
/// unauthenticated clients can cause, such as failed sign-ins, have a separate queue, so a flood of
/// them does not displace other events.
///
/// A batch that cannot be written is retried for about 18 seconds while further events are queued.
/// If the retries fail too, its events are counted by [`dropped_events`](Self::dropped_events).
///
/// The events of a deleted user are retained without their IP addresses and user agents. These are
/// removed in batches after the deletion, at the latest by the next [sweep](crate::Auth::sweep).
///
/// ```
/// # use authlayer::{Auth, AuthError, UserId, store::EventQuery};
/// async fn print_events(auth: &Auth, user: UserId) -> Result<(), AuthError> {
///     let Some(log) = auth.audit_log() else { return Ok(()) };
///     let query = EventQuery::default().user(user);
///     for stored in log.query(&query, 50).await? {
///         println!("{:?}", stored.event);
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct AuditLog {
    store: Arc<dyn EventStore>,
    sender: mpsc::Sender<Job>,
    cheap: mpsc::Sender<Numbered>,
    shared: Arc<Shared>,
    keep: Duration,
}

/// The state that the sinks and the writer share.
#[derive(Default)]
struct Shared {
    /// Numbers the events in the order of their recording.
    count: AtomicU64,
    lost: AtomicU64,
    dropped_low_priority: AtomicU64,
    /// The number of tasks that wait in [`AuditLog::flush`].
    flushing: AtomicUsize,
    /// Ends the pause before a retry.
    hurry: Notify,
}

/// Shortens the retry pauses of the writer while it exists.
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
    Keep(Box<Numbered>),
    Flush(oneshot::Sender<()>),
}

impl AuditLog {
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

    /// Returns events, the latest first: at most `most`, and never more than 1,000. For the next
    /// page set [`before`](EventQuery::before) to the id of the last one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn query(
        &self,
        query: &EventQuery,
        most: u32,
    ) -> Result<Vec<StoredEvent>, AuthError> {
        Ok(self.store.list_events(query, most.min(MOST)).await?)
    }

    /// Returns how many events were dropped since the start, because the queue was full or the
    /// store failed to write them.
    pub fn dropped_events(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed).saturating_add(self.dropped_low_priority())
    }

    /// Returns how many of the [lost](Self::dropped_events) events were dropped from the queue for events of
    /// unauthenticated requests, such as failed sign-ins.
    pub fn dropped_low_priority(&self) -> u64 {
        self.shared.dropped_low_priority.load(Ordering::Relaxed)
    }

    /// Waits until every recorded event is written or counted as lost. During the wait, the writer
    /// retries failed batches with short pauses, for events of all users: call it only when the
    /// process shuts down.
    pub(crate) async fn flush(&self) {
        let _flushing = Flushing::new(&self.shared);
        self.written().await;
    }

    /// Waits until every recorded event is written, at most for this time. The pauses before retries
    /// are unchanged.
    pub(crate) async fn catch_up(&self, at_most: Duration) {
        let _in_time = tokio::time::timeout(at_most, self.written()).await;
    }

    /// Waits until the writer has processed every recorded event.
    async fn written(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send(Job::Flush(done)).await.is_ok() {
            let _ended = written.await;
        }
    }

    /// Deletes at most `batch` events that are older than the retention, and returns how many.
    pub(crate) async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, AuthError> {
        let age = SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX);
        let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        Ok(self.store.sweep_events(before, batch).await?)
    }
}

/// Returns `true` if a request without credentials can cause the event.
fn is_cheap(event: &Event) -> bool {
    match event.kind {
        EventKind::SignUpRefused
        | EventKind::SignInFailed
        | EventKind::RefreshRefused
        | EventKind::CrossOriginRefused
        | EventKind::AccessTokenRefused
        | EventKind::AmbiguousCredentials
        | EventKind::UndecidedRoute
        | EventKind::LimitReached
        | EventKind::MailFailed
        | EventKind::ProofRequested
        | EventKind::ProofRefused
        | EventKind::AccessDenied
        | EventKind::PasswordResetRequested
        | EventKind::PasskeyRefused
        | EventKind::ProviderRefused => true,
        EventKind::PolicyAllowed | EventKind::PolicyRefused => event.user_id.is_none(),
        _ => false,
    }
}

impl EventSink for AuditLog {
    fn record(&self, event: Event) {
        let is_cheap = is_cheap(&event);
        let numbered = Numbered(self.shared.count.fetch_add(1, Ordering::Relaxed), event);
        let (is_sent, lost, queue) = match is_cheap {
            true => {
                let is_sent = self.cheap.try_send(numbered).is_ok();
                (is_sent, &self.shared.dropped_low_priority, "failures of unauthenticated requests")
            }
            false => {
                let is_sent = self.sender.try_send(Job::Keep(Box::new(numbered))).is_ok();
                (is_sent, &self.shared.lost, "events")
            }
        };
        if !is_sent {
            let lost = lost.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if lost.is_power_of_two() {
                tracing::warn!(lost, "audit log: {queue} arrive faster than they are written");
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
    /// Whether the last batch was lost: the next ones are not retried.
    is_failing: bool,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Job>) {
        let (mut jobs, mut first) = (Vec::new(), Vec::new());
        let mut is_open = true;
        while is_open {
            // The main queue has priority; a batch is filled up from the other one.
            tokio::select! {
                biased;
                received = receiver.recv_many(&mut jobs, BATCH) => is_open = received > 0,
                Some(event) = self.cheap.recv() => first.push(event),
            }
            let (mut events, mut waiting) = (std::mem::take(&mut first), Vec::new());
            for job in jobs.drain(..) {
                match job {
                    Job::Keep(event) => events.push(*event),
                    Job::Flush(done) => waiting.push(done),
                }
            }
            self.fill(&mut events);
            let deleted = events.iter().filter_map(|Numbered(_, event)| deletion(event)).max();
            self.write(events).await;
            // A flush, a deletion and the shutdown wait for the other queue too.
            let is_last = !is_open || !waiting.is_empty() || deleted.is_some();
            let mut left = if is_last { self.cheap.len() } else { 0 };
            while left > 0 {
                let mut events = Vec::new();
                self.fill(&mut events);
                left = left.saturating_sub(events.len().max(1));
                self.write(events).await;
            }
            if let Some(at) = deleted {
                // If the channel is full, the task is about to run anyway.
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
                tracing::error!(lost, cause = %error, "audit log: events could not be written");
                return;
            };
            tracing::warn!(
                events = events.len(), cause = %error,
                "audit log: events could not be written and will be retried"
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
    event.kind.is_deletion().then_some(event.at)
}

/// Anonymizes the events of deleted users until the writer ends. It is a separate task, since the
/// writer would drop events in the meantime.
async fn erase(store: Arc<dyn EventStore>, mut deletions: mpsc::Receiver<Timestamp>) {
    while let Some(at) = deletions.recv().await {
        if let Err(error) = erasure::erase_new(&*store, at).await {
            tracing::warn!(
                cause = %error,
                "audit log: events of deleted users were not anonymized; the next sweep retries it"
            );
        }
    }
}

/// Ids are ordered by time and, within a millisecond, by the order of recording in this process.
fn kept(Numbered(count, event): Numbered) -> StoredEvent {
    let noise: [u8; 8] = random::bytes().unwrap_or_default();
    let noise = u64::from_be_bytes(noise);
    StoredEvent { id: format!("{}-{count:08x}-{noise:016x}", first_id_at(event.at)), event }
}

/// Returns the sinks of the application and the audit log as one. Without a sink of the application,
/// events are logged.
pub(crate) fn sinks(
    mut all: Vec<Arc<dyn EventSink>>,
    audit: Option<AuditLog>,
) -> Arc<dyn EventSink> {
    if all.is_empty() {
        all.push(Arc::new(TracingSink));
    }
    all.extend(audit.map(|audit| Arc::new(audit) as Arc<dyn EventSink>));
    Arc::new(Sinks(all))
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").finish_non_exhaustive()
    }
}
