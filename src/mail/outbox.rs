//! Renders messages and queues them for the mailer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    AnyMailer, DefaultTemplates, DeliveryError, MailContent, Message, RenderedMail, Templates,
    custody::{self, Custody},
    queue::{Queue, QueuePlace},
};
use crate::{
    clock::{Clock, whole_millis},
    crypto::random,
    error::AuthError,
    model::UserId,
    store::{MailStore, StoredMail},
};

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
    /// Stores messages until they are delivered, if what it stores outlives the process.
    mails: Option<Arc<dyn MailStore>>,
}

/// A reserved place in the queue for one message.
#[derive(Debug)]
pub(crate) struct Place {
    outbox: Outbox,
    place: QueuePlace,
}

/// A message that is sent once a change is committed. Its row is stored in the transaction of the
/// change.
#[must_use]
pub(crate) struct Draft {
    outbox: Outbox,
    id: String,
    letter: MailContent,
    row: Option<StoredMail>,
}

impl Outbox {
    pub(crate) fn new(
        mailer: Arc<dyn AnyMailer>,
        templates: Option<Arc<dyn Templates>>,
        clock: Arc<dyn Clock>,
        queue: Queue,
        mails: Arc<dyn MailStore>,
    ) -> Self {
        let templates = templates.map(OnceLock::from).unwrap_or_default();
        let default = DefaultTemplates::default();
        let mails = Some(mails).filter(|mails| mails.keeps_mails());
        Self(Arc::new(Inner { mailer, templates, default, clock, queue, mails }))
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

    /// Creates a message about a change, which is not sent yet. The deletion of the user deletes it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the random source fails.
    pub(crate) fn draft(
        &self,
        letter: MailContent,
        user: Option<&UserId>,
    ) -> Result<Draft, AuthError> {
        let id = new_id()?;
        let row = self.0.row(&id, &letter, user);
        Ok(Draft { outbox: self.clone(), id, letter, row })
    }

    /// Returns the store of messages that are not delivered yet.
    pub(crate) fn stored(&self) -> Option<&Arc<dyn MailStore>> {
        self.0.mails.as_ref()
    }

    /// Returns the custody of a stored message that this process has taken over.
    pub(crate) fn custody(&self, mails: &Arc<dyn MailStore>, mail: StoredMail) -> Custody {
        Custody::new(mails, &self.0.clock, mail, true)
    }

    /// Returns whether at least half of the places are free, so that stored messages do not take
    /// those of requests.
    pub(crate) fn has_room(&self) -> bool {
        let (waiting, capacity) = self.0.queue.usage();
        waiting <= capacity / 2
    }

    /// Makes one attempt to deliver a message, for a delivery that has a place in the queue.
    pub(crate) async fn attempt(&self, letter: &MailContent) -> Result<(), DeliveryError> {
        let id = new_id().map_err(DeliveryError::new)?;
        self.0.mailer.send(self.0.render(id, letter)).await
    }
}

impl Inner {
    fn templates(&self) -> &dyn Templates {
        self.templates.get().map_or(&self.default, AsRef::as_ref)
    }

    /// Returns the stored form of a message, if it can be stored.
    fn row(&self, id: &str, letter: &MailContent, user: Option<&UserId>) -> Option<StoredMail> {
        self.mails.as_ref()?;
        custody::to_stored(letter, id, user, whole_millis(self.clock.now()))
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
    /// Renders and queues a message, which is only in memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the random source fails.
    pub(crate) fn send(self, letter: &MailContent) -> Result<(), AuthError> {
        self.deliver(new_id()?, letter, None, false);
        Ok(())
    }

    /// Renders and queues a message, which is stored unless it is delivered at once. The deletion of
    /// the user deletes it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub(crate) fn send_stored(
        self,
        letter: &MailContent,
        user: Option<&UserId>,
    ) -> Result<(), AuthError> {
        let id = new_id()?;
        let row = self.outbox.0.row(&id, letter, user);
        self.deliver(id, letter, row, false);
        Ok(())
    }

    /// Renders and queues a message that was stored, and that this process has taken over.
    pub(crate) fn resume(self, letter: &MailContent, row: StoredMail) {
        self.deliver(row.id.clone(), letter, Some(row), true);
    }

    fn deliver(self, id: String, letter: &MailContent, row: Option<StoredMail>, is_stored: bool) {
        let Self { outbox: Outbox(inner), place } = self;
        let message = inner.render(id.clone(), letter);
        let custody = inner.mails.as_ref().zip(row);
        let custody = custody.map(|(mails, row)| Custody::new(mails, &inner.clock, row, is_stored));
        place.deliver(letter.kind.as_str(), id, custody, move || {
            let (mailer, message) = (Arc::clone(&inner.mailer), message.clone());
            Box::pin(async move { mailer.send(message).await })
        });
    }
}

impl Draft {
    /// Returns the row to store in the transaction of the change.
    pub(crate) fn row(&self) -> Option<&StoredMail> {
        self.row.as_ref()
    }

    /// Sends the message after the change. If its row was stored and the queue is full, it is sent
    /// later.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the queue is full.
    pub(crate) fn send(self, is_stored: bool) -> Result<(), AuthError> {
        let Self { outbox, id, letter, row } = self;
        match outbox.place() {
            Ok(place) => place.deliver(id, &letter, row, is_stored),
            Err(_) if is_stored && row.is_some() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn new_id() -> Result<String, AuthError> {
    Ok(URL_SAFE_NO_PAD.encode(random::bytes::<16>()?))
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
