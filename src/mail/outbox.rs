//! The queue between an answer and the delivery of its message.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

use super::{Letter, Mailer, Message, Rendered, Templates};
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
    size: u32,
}

/// A place in the queue, taken before it is known whether there is anything to send, so that
/// a full queue tells nothing.
#[derive(Debug)]
pub(crate) struct Place {
    outbox: Outbox,
    held: OwnedSemaphorePermit,
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
        Self(Arc::new(Inner { mailer, templates, clock, events, places, deliveries, size }))
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
        Ok(Place { outbox: self.clone(), held })
    }

    /// Waits until every message was delivered or given up.
    pub(crate) async fn drain(&self) {
        // Nobody closes it, so every place comes free in the end.
        drop(self.0.places.acquire_many(self.0.size).await);
    }
}

impl Place {
    /// Queues a letter.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] when the random source fails.
    pub(crate) fn send(self, letter: &Letter) -> Result<(), AuthError> {
        let Self { outbox: Outbox(inner), held } = self;
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
        tokio::spawn(async move {
            inner.deliver(message).await;
            drop(held);
        });
        Ok(())
    }
}

impl Inner {
    async fn deliver(&self, message: Message) {
        for pause in PAUSES.into_iter().map(Some).chain([None]) {
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
            match pause {
                Some(pause) => {
                    tracing::warn!(message = message.id, error, "a message is tried again");
                    time::sleep(pause).await;
                }
                None => self.give_up(&message, &error),
            }
        }
    }

    fn give_up(&self, message: &Message, error: &impl ToString) {
        tracing::error!(message = message.id, error = error.to_string(), "a message was given up");
        let event = Event::new(EventKind::MailFailed, self.clock.now());
        self.events.record(event.reason(message.kind.as_str()));
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("mailer", &self.0.mailer).finish_non_exhaustive()
    }
}
