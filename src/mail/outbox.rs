//! Renders messages and queues them for the mailer.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    AnyMailer, MailContent, Message, RenderedMail, Templates,
    queue::{Queue, QueuePlace},
};
use crate::{clock::Clock, crypto::random, error::AuthError};

/// Delivers messages with the mailer, outside the request path.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Inner>);

struct Inner {
    mailer: Arc<dyn AnyMailer>,
    templates: Arc<dyn Templates>,
    clock: Arc<dyn Clock>,
    queue: Queue,
}

/// A reserved place in the queue for one message.
#[derive(Debug)]
pub(crate) struct Place {
    outbox: Outbox,
    place: QueuePlace,
}

impl Outbox {
    pub(crate) fn new(
        mailer: Arc<dyn AnyMailer>,
        templates: Arc<dyn Templates>,
        clock: Arc<dyn Clock>,
        queue: Queue,
    ) -> Self {
        Self(Arc::new(Inner { mailer, templates, clock, queue }))
    }

    /// Reserves a place for one message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the queue is full.
    pub(crate) fn place(&self) -> Result<Place, AuthError> {
        Ok(Place { outbox: self.clone(), place: self.0.queue.place()? })
    }
}

impl Place {
    /// Renders and queues a message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the random source fails.
    pub(crate) fn send(self, letter: &MailContent) -> Result<(), AuthError> {
        let Self { outbox: Outbox(inner), place } = self;
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
        let RenderedMail { subject, text, html } = inner.templates.render(letter);
        let message = Message {
            id: id.clone(),
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
        place.deliver(letter.kind.as_str(), id, move || {
            let (mailer, message) = (Arc::clone(&inner.mailer), message.clone());
            Box::pin(async move { mailer.send(message).await })
        });
        Ok(())
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
