//! The queue between an answer and the delivery of its message.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{self, Instant},
};

use super::{Letter, Mailer, Message, MessageKind, Rendered, Templates};
use crate::{
    clock::Clock,
    crypto::random,
    error::{AuthError, ErrorKind},
    event::{Event, EventKind, EventSink},
};

/// How many are handed over at once.
const DELIVERIES: usize = 8;
/// After how long a message is tried again; then it is given up.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
/// How long a mailer may take for one attempt.
const PATIENCE: Duration = Duration::from_secs(30);

/// Hands messages to the mailer after the answer.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Inner>);

struct Inner {
    mailer: Arc<dyn Mailer>,
    templates: Arc<dyn Templates>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    places: Arc<Semaphore>,
    deliveries: Semaphore,
    waiting: Mutex<Waiting>,
    /// Changes whenever a message or a place leaves the queue.
    left: watch::Sender<()>,
    /// How many tasks wait in [`Outbox::finish`]. Until then failed messages are retried.
    finishing: watch::Sender<usize>,
}

/// What is in the queue, in the order in which the places were taken.
#[derive(Default)]
struct Waiting {
    next: u64,
    /// The kind of the message, once there is one.
    kinds: BTreeMap<u64, Option<MessageKind>>,
}

/// A place in the queue, taken before it is known whether there is anything to send, so that
/// a full queue tells nothing.
pub(crate) struct Place {
    outbox: Outbox,
    number: u64,
    _held: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.outbox.0.waiting().kinds.remove(&self.number);
        self.outbox.0.left.send_replace(());
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

impl Outbox {
    pub(crate) fn new(
        mailer: Arc<dyn Mailer>,
        templates: Arc<dyn Templates>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
        size: u32,
    ) -> Self {
        let places = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX >> 4)));
        let deliveries = Semaphore::new(DELIVERIES);
        let (left, finishing) = (watch::Sender::new(()), watch::Sender::new(0));
        let waiting = Mutex::default();
        Self(Arc::new(Inner {
            mailer,
            templates,
            clock,
            events,
            places,
            deliveries,
            waiting,
            left,
            finishing,
        }))
    }

    /// A place for one message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] when the queue is full.
    pub(crate) fn place(&self) -> Result<Place, AuthError> {
        let held = Arc::clone(&self.0.places).try_acquire_owned();
        let held = held.map_err(|_| {
            AuthError::new(ErrorKind::Unavailable).because("the queue of messages is full")
        })?;
        let number = {
            let mut waiting = self.0.waiting();
            let number = waiting.next;
            waiting.next = number.saturating_add(1);
            waiting.kinds.insert(number, None);
            number
        };
        Ok(Place { outbox: self.clone(), number, _held: held })
    }

    /// Waits until every message that is in the queue now has been delivered or given up, at most
    /// until `end`. Failed messages get one more attempt without a pause. Messages that are still
    /// in the queue at `end` are reported as failed, and remain there. New messages are accepted
    /// meanwhile.
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
            tracing::error!(messages = kinds.len(), "messages were not delivered by the deadline");
            for kind in kinds {
                self.0.record_failure(kind);
            }
        }
    }
}

impl Place {
    /// Queues a letter.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] when the random source fails.
    pub(crate) fn send(self, letter: &Letter) -> Result<(), AuthError> {
        let inner = Arc::clone(&self.outbox.0);
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
        let Rendered { subject, text, html } = inner.templates.render(letter);
        let message = Message {
            id,
            to: letter.to.clone(),
            kind: letter.kind,
            subject,
            text,
            html,
            code: letter.code.clone(),
            link: letter.link.clone(),
            about: letter.about.clone(),
            sent_at: inner.clock.now(),
        };
        inner.waiting().kinds.insert(self.number, Some(message.kind));
        tokio::spawn(async move {
            inner.deliver(message).await;
            drop(self);
        });
        Ok(())
    }
}

impl Inner {
    async fn deliver(&self, message: Message) {
        let mut finishing = self.finishing.subscribe();
        let mut pauses = PAUSES.into_iter();
        let mut is_last = false;
        loop {
            let outcome = {
                let Ok(_held) = self.deliveries.acquire().await else { return };
                time::timeout(PATIENCE, self.mailer.send(message.clone())).await
            };
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) if error.is_permanent() => return self.give_up(&message, &error),
                Ok(Err(error)) => error.to_string() + ": " + &chain(&error),
                Err(elapsed) => elapsed.to_string(),
            };
            let pause = pauses.next().filter(|_| !is_last);
            let Some(pause) = pause else { return self.give_up(&message, &error) };
            tracing::warn!(message = message.id, error, "a message is tried again");
            // The sender lives as long as `self`.
            let finished = async { finishing.wait_for(|count| *count > 0).await.map(drop) };
            is_last = time::timeout(pause, finished).await.is_ok();
        }
    }

    fn give_up(&self, message: &Message, error: &impl ToString) {
        tracing::error!(message = message.id, error = error.to_string(), "a message was given up");
        self.record_failure(message.kind);
    }

    fn record_failure(&self, kind: MessageKind) {
        let event = Event::new(EventKind::MailFailed, self.clock.now());
        self.events.record(event.reason(kind.as_str()));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("number", &self.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("mailer", &self.0.mailer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        clock::SystemClock,
        event::Sinks,
        mail::{BuiltIn, MailError},
    };

    /// Fails once, and then accepts.
    #[derive(Debug, Default)]
    struct FailsOnce(AtomicUsize);

    #[async_trait::async_trait]
    impl Mailer for FailsOnce {
        async fn send(&self, _: Message) -> Result<(), MailError> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Err(MailError::new("try again")),
                _ => Ok(()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn finish_shortens_the_pause_before_the_next_attempt() {
        let mailer = Arc::new(FailsOnce::default());
        let attempts = || mailer.0.load(Ordering::SeqCst);
        let (templates, events) = (Arc::new(BuiltIn::default()), Arc::new(Sinks(Vec::new())));
        let outbox =
            Outbox::new(Arc::clone(&mailer) as _, templates, Arc::new(SystemClock), events, 1);
        let to = "ada@example.com".parse().unwrap();
        let letter = Letter::new(MessageKind::ResetLink, to);
        outbox.place().unwrap().send(&letter).unwrap();
        let start = Instant::now();
        time::sleep(PAUSES[0] / 2).await;
        assert_eq!(attempts(), 1);
        outbox.finish(start + PAUSES[4]).await;
        assert_eq!((attempts(), start.elapsed()), (2, PAUSES[0] / 2));
        outbox.place().expect("the place is free again");
    }
}
