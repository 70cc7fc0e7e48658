//! Renders messages and queues them for the mailer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    AnyMailer, DefaultTemplates, DeliveryError, MailContent, Message, RenderedMail, Templates,
    queue::{Queue, QueuePlace},
};
use crate::{clock::Clock, crypto::random, error::AuthError};

/// Delivers messages with the mailer, outside the request path.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Inner>);

struct Inner {
    mailer: Arc<dyn AnyMailer>,
    /// Those of the application, else those of a flow.
    templates: OnceLock<Arc<dyn Templates>>,
    default: DefaultTemplates,
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
        templates: Option<Arc<dyn Templates>>,
        clock: Arc<dyn Clock>,
        queue: Queue,
    ) -> Self {
        let templates = templates.map(OnceLock::from).unwrap_or_default();
        let default = DefaultTemplates::default();
        Self(Arc::new(Inner { mailer, templates, default, clock, queue }))
    }

    /// Sets the templates of a flow, unless the application has its own.
    pub(crate) fn offer_templates(&self, templates: Arc<dyn Templates>) {
        self.0.templates.get_or_init(|| templates);
    }

    /// Returns whether the templates have a language.
    pub(crate) fn has_language(&self, tag: &str) -> bool {
        self.0.templates().has_language(tag)
    }

    /// Renders the content of a message without sending it.
    pub(crate) fn preview(&self, letter: &MailContent) -> RenderedMail {
        self.0.templates().render(letter)
    }

    /// Reserves a place for one message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the queue is full.
    pub(crate) fn place(&self) -> Result<Place, AuthError> {
        Ok(Place { outbox: self.clone(), place: self.0.queue.place()? })
    }

    /// Makes one attempt to deliver a message, for a delivery that has a place in the queue.
    pub(crate) async fn attempt(&self, letter: &MailContent) -> Result<(), DeliveryError> {
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<16>().map_err(DeliveryError::new)?);
        self.0.mailer.send(self.0.render(id, letter)).await
    }
}

impl Inner {
    fn templates(&self) -> &dyn Templates {
        self.templates.get().map_or(&self.default, AsRef::as_ref)
    }

    fn render(&self, id: String, letter: &MailContent) -> Message {
        let RenderedMail { subject, text, html } = self.templates().render(letter);
        Message {
            id,
            to: letter.to.clone(),
            kind: letter.kind,
            subject,
            text,
            html,
            code: letter.code.clone(),
            link: letter.link.clone(),
            about: letter.about.clone(),
            values: letter.values.clone(),
            sent_at: self.clock.now(),
        }
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
        let message = inner.render(id.clone(), letter);
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
