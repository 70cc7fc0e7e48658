//! The queue of messages and codes, which are delivered outside the request path.

use std::{
    collections::BTreeMap,
    fmt,
    future::{self, Future},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{self, Instant},
};

use super::{
    DeliveryError,
    custody::{Custody, LEASE},
};
use crate::{
    clock::Clock,
    error::{AuthError, ErrorKind},
    event::{Event, EventKind, EventSink},
    measure,
};

/// The number of concurrent deliveries.
const DELIVERIES: usize = 8;
/// The pauses before a failed delivery is retried. After the last one there is no further attempt.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
/// The time limit of one attempt.
const ATTEMPT: Duration = Duration::from_secs(30);

/// One attempt of a delivery.
pub(crate) type Delivering = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

/// Delivers outside the request path, with retries.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    places: Arc<Semaphore>,
    capacity: usize,
    deliveries: Semaphore,
    waiting: Mutex<Waiting>,
    /// Notifies when a delivery or a place leaves the queue.
    left: watch::Sender<()>,
    /// The number of tasks that wait in [`Queue::finish`]. While it is zero, failed deliveries are
    /// retried.
    finishing: watch::Sender<usize>,
}

/// The deliveries in the queue, in the order in which their places were reserved.
#[derive(Default)]
struct Waiting {
    next: u64,
    /// The kinds of the messages that are lost with the process, once they are known.
    kinds: BTreeMap<u64, Option<&'static str>>,
}

/// A reserved place in the queue. It is reserved before it is known whether there is anything to
/// send, so that a full queue discloses nothing.
pub(crate) struct QueuePlace {
    queue: Queue,
    number: u64,
    _held: OwnedSemaphorePermit,
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.queue.0.waiting().kinds.remove(&self.number);
        measure::mail_queue_size(-1);
        self.queue.0.left.send_replace(());
    }
}

/// Stops the retries while it exists.
struct Finishing<'a>(&'a watch::Sender<usize>);

impl<'a> Finishing<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count = count.saturating_add(1));
        Self(count)
    }
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Queue {
    pub(crate) fn new(clock: Arc<dyn Clock>, events: Arc<dyn EventSink>, size: u32) -> Self {
        let capacity = usize::try_from(size).unwrap_or(usize::MAX >> 4);
        let places = Arc::new(Semaphore::new(capacity));
        let (left, finishing) = (watch::Sender::new(()), watch::Sender::new(0));
        let (deliveries, waiting) = (Semaphore::new(DELIVERIES), Mutex::default());
        Self(Arc::new(Inner {
            clock,
            events,
            places,
            capacity,
            deliveries,
            waiting,
            left,
            finishing,
        }))
    }

    /// Reserves a place.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the queue is full.
    pub(crate) fn place(&self) -> Result<QueuePlace, AuthError> {
        let held = Arc::clone(&self.0.places).try_acquire_owned();
        let held = held.map_err(|_| {
            AuthError::new(ErrorKind::Unavailable).with_source("the queue of messages is full")
        })?;
        let number = {
            let mut waiting = self.0.waiting();
            let number = waiting.next;
            waiting.next = number.saturating_add(1);
            waiting.kinds.insert(number, None);
            number
        };
        measure::mail_queue_size(1);
        Ok(QueuePlace { queue: self.clone(), number, _held: held })
    }

    /// Returns the number of messages in the queue and its capacity.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let capacity = self.0.capacity;
        (capacity.saturating_sub(self.0.places.available_permits()), capacity)
    }

    /// Waits until every delivery that is in the queue now has succeeded or failed, at most until
    /// `end`. A failed delivery gets one more attempt without a pause. Deliveries that remain in
    /// the queue at `end` are recorded as failed, unless they are stored and another process
    /// continues them. New deliveries are accepted in the meantime.
    pub(crate) async fn finish(&self, end: Instant) {
        let _finishing = Finishing::new(&self.0.finishing);
        let next = self.0.waiting().next;
        let mut left = self.0.left.subscribe();
        let all_left = async {
            while self.0.waiting().kinds.range(..next).next().is_some() {
                // The sender lives as long as `self`.
                let _changed = left.changed().await;
            }
        };
        if time::timeout_at(end, all_left).await.is_err() {
            let kinds: Vec<_> =
                self.0.waiting().kinds.range(..next).filter_map(|(_, kind)| *kind).collect();
            if !kinds.is_empty() {
                let messages = kinds.len();
                tracing::error!(messages, "messages were not delivered by the deadline");
            }
            for kind in kinds {
                self.0.record_failure(kind);
            }
        }
    }
}

impl QueuePlace {
    /// Queues a delivery. `attempt` runs once for each attempt; `id` identifies the message in the
    /// log.
    pub(crate) fn deliver(
        self,
        kind: &'static str,
        id: String,
        custody: Option<Custody>,
        attempt: impl Fn() -> Delivering + Send + Sync + 'static,
    ) {
        let inner = Arc::clone(&self.queue.0);
        inner.waiting().kinds.insert(self.number, Some(kind));
        let number = self.number;
        tokio::spawn(async move {
            let message =
                Queued { inner: &inner, number, kind, id: &id, custody: custody.as_ref() };
            message.deliver(attempt).await;
            drop(self);
        });
    }
}

/// A message in the queue.
struct Queued<'a> {
    inner: &'a Inner,
    number: u64,
    kind: &'static str,
    id: &'a str,
    custody: Option<&'a Custody>,
}

/// The result of an attempt that did not deliver the message.
enum Failure {
    /// Another process delivers the message, or it was deleted.
    NotOurs,
    Permanent(String),
    Transient(String),
}

impl Queued<'_> {
    async fn deliver(&self, attempt: impl Fn() -> Delivering) {
        let mut finishing = self.inner.finishing.subscribe();
        let mut pauses = PAUSES.into_iter();
        let (mut is_first, mut is_last) = (true, false);
        loop {
            let outcome = match self.custody {
                Some(custody) if is_first => self.attempt_and_store(custody, &attempt).await,
                _ => self.attempt(&attempt, !is_first).await,
            };
            is_first = false;
            let error = match outcome {
                Ok(()) => return self.remove().await,
                Err(Failure::NotOurs) => return,
                Err(Failure::Permanent(error)) => {
                    self.remove().await;
                    return self.give_up(&error);
                }
                Err(Failure::Transient(error)) => error,
            };
            let pause = pauses.next().filter(|_| !is_last);
            let Some(pause) = pause else { return self.end(&error, is_last).await };
            let id = self.id;
            tracing::warn!(message = id, error, "the delivery of a message failed and is retried");
            if let Some(custody) = self.custody {
                self.store(custody).await;
                custody.pause(pause).await;
            }
            // The sender lives as long as `self`.
            let finished = async { finishing.wait_for(|count| *count > 0).await.map(drop) };
            is_last = time::timeout(pause, finished).await.is_ok();
        }
    }

    /// Makes the first attempt. A message that is not delivered at once is stored in the meantime.
    async fn attempt_and_store(
        &self,
        custody: &Custody,
        attempt: &impl Fn() -> Delivering,
    ) -> Result<(), Failure> {
        let mut first = pin!(self.attempt(attempt, false));
        if !custody.is_stored() {
            tokio::select! {
                biased;
                outcome = &mut first => return outcome,
                () = future::ready(()) => {}
            }
        }
        tokio::join!(first, self.store(custody)).0
    }

    /// Stores the message, which is then not lost with the process.
    async fn store(&self, custody: &Custody) {
        custody.store().await;
        if custody.is_stored() {
            self.inner.waiting().kinds.insert(self.number, None);
        }
    }

    async fn attempt(
        &self,
        attempt: &impl Fn() -> Delivering,
        is_repeated: bool,
    ) -> Result<(), Failure> {
        let waits_since = Instant::now();
        let Ok(_held) = self.inner.deliveries.acquire().await else { return Err(Failure::NotOurs) };
        let is_stale = is_repeated || waits_since.elapsed() > LEASE / 2;
        if let Some(custody) = self.custody.filter(|_| is_stale)
            && !custody.renew().await
        {
            return Err(Failure::NotOurs);
        }
        match time::timeout(ATTEMPT, attempt()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.is_permanent() => Err(Failure::Permanent(error.to_string())),
            Ok(Err(error)) => Err(Failure::Transient(error.to_string() + ": " + &chain(&error))),
            Err(elapsed) => Err(Failure::Transient(elapsed.to_string())),
        }
    }

    /// Ends the attempts of this process. At the end of the process, the next one continues.
    async fn end(&self, error: &str, is_shutdown: bool) {
        match self.custody {
            Some(custody) if custody.is_stored() && is_shutdown => custody.release().await,
            Some(custody) if custody.defer().await => {
                let id = self.id;
                tracing::warn!(message = id, error, "the delivery of a message is deferred");
            }
            _ => self.give_up(error),
        }
    }

    async fn remove(&self) {
        if let Some(custody) = self.custody {
            custody.remove().await;
        }
    }

    fn give_up(&self, error: &str) {
        tracing::error!(message = self.id, error, "a message was not delivered");
        self.inner.record_failure(self.kind);
    }
}

impl Inner {
    fn record_failure(&self, kind: &'static str) {
        let event = Event::new(EventKind::MailFailed, self.clock.now());
        self.events.record(event.reason(kind));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

impl fmt::Debug for QueuePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuePlace").field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{clock::SystemClock, event::Sinks};

    #[tokio::test(start_paused = true)]
    async fn finish_shortens_the_pause_before_the_next_attempt() {
        let count = Arc::new(AtomicUsize::new(0));
        let attempts = || count.load(Ordering::SeqCst);
        let queue = Queue::new(Arc::new(SystemClock), Arc::new(Sinks(Vec::new())), 1);
        let fails_once = Arc::clone(&count);
        queue.place().unwrap().deliver("test", "one".to_owned(), None, move || {
            let attempt = fails_once.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                match attempt {
                    0 => Err(DeliveryError::new("try again")),
                    _ => Ok(()),
                }
            })
        });
        let start = Instant::now();
        time::sleep(PAUSES[0] / 2).await;
        assert_eq!(attempts(), 1);
        queue.finish(start + PAUSES[4]).await;
        assert_eq!((attempts(), start.elapsed()), (2, PAUSES[0] / 2));
        queue.place().expect("the place is free again");
    }
}
