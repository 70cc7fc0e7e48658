//! A message that is stored until it is delivered.
//!
//! The process that creates a message attempts to deliver it at once. A message that is not
//! delivered at once is stored, with a lease of the process that works on it: it can be taken over
//! when it is due. A process takes it over by one conditional statement, so of several one delivers
//! it. If a process ends, its lease ends too, and the next one continues.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{LinkChallenge, MailContent, MessageKind, Occasion};
use crate::{
    clock::{Clock, after, whole_millis},
    error::with_sources,
    model::{Email, UserId},
    store::{MailStore, StoreError, StoredMail},
};

/// The time for which a process has a message for itself. It is longer than an attempt to deliver it.
pub(crate) const LEASE: Duration = Duration::from_secs(120);
/// The time after which a message is not delivered any more.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
/// The pause before a process takes a message over again. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(15 * 60);
const MAX_PAUSE: Duration = Duration::from_secs(8 * 3600);

/// A message that this process delivers, with its lease.
pub(crate) struct Custody {
    mails: Arc<dyn MailStore>,
    clock: Arc<dyn Clock>,
    mail: StoredMail,
    lease: Mutex<Lease>,
}

struct Lease {
    is_stored: bool,
    due_at: Timestamp,
}

impl Custody {
    /// Creates the custody of a message, which may be stored already.
    pub(super) fn new(
        mails: &Arc<dyn MailStore>,
        clock: &Arc<dyn Clock>,
        mail: StoredMail,
        is_stored: bool,
    ) -> Self {
        let lease = Mutex::new(Lease { is_stored, due_at: mail.due_at });
        Self { mails: Arc::clone(mails), clock: Arc::clone(clock), mail, lease }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.lease().is_stored
    }

    /// Stores the message. If that fails, the message is delivered from memory.
    pub(super) async fn store(&self) {
        if self.is_stored() {
            return;
        }
        let due_at = after(self.now(), LEASE);
        match self.mails.insert_mail(&StoredMail { due_at, ..self.mail.clone() }).await {
            Ok(()) => *self.lease() = Lease { is_stored: true, due_at },
            Err(error) => self.warn("a message was not stored and is only in memory", &error),
        }
    }

    /// Renews the lease before an attempt. Returns `false` if another process delivers the message,
    /// or if it was deleted with its user.
    pub(super) async fn renew(&self) -> bool {
        self.reschedule(after(self.now(), LEASE)).await
    }

    /// Keeps the lease for a pause of this process.
    pub(super) async fn pause(&self, pause: Duration) {
        // If another process has the message, `renew` detects it after the pause.
        self.reschedule(after(after(self.now(), pause), LEASE)).await;
    }

    /// Leaves the message to the next process.
    pub(super) async fn release(&self) {
        self.reschedule(self.now()).await;
    }

    /// Ends the attempts of this process. Returns whether the message is delivered later; a message
    /// that is not stored, or that is a day old, is not.
    pub(crate) async fn defer(&self) -> bool {
        if !self.is_stored() {
            return false;
        }
        let (now, end) = (self.now(), after(self.mail.created_at, MAX_AGE));
        if now >= end {
            self.remove().await;
            return false;
        }
        let doubled = 2_u32.saturating_pow(self.mail.attempts.min(16));
        let pause = FIRST_PAUSE.saturating_mul(doubled).min(MAX_PAUSE);
        self.reschedule(after(now, pause).min(end)).await;
        true
    }

    /// Deletes the stored message, which was delivered or never will be.
    pub(super) async fn remove(&self) {
        if self.is_stored()
            && let Err(error) = self.mails.remove_mail(&self.mail.id).await
        {
            self.warn("a delivered message was not deleted and will be delivered again", &error);
        }
    }

    async fn reschedule(&self, to: Timestamp) -> bool {
        let from = {
            let lease = self.lease();
            if !lease.is_stored {
                return true;
            }
            lease.due_at
        };
        match self.mails.reschedule_mail(&self.mail.id, from, to).await {
            Ok(is_own) => {
                if is_own {
                    self.lease().due_at = to;
                }
                is_own
            }
            Err(error) => {
                self.warn("the lease of a message was not renewed", &error);
                true
            }
        }
    }

    fn now(&self) -> Timestamp {
        whole_millis(self.clock.now())
    }

    fn warn(&self, problem: &'static str, error: &StoreError) {
        tracing::warn!(message = self.mail.id, cause = with_sources(error), "{problem}");
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content of a message without secrets.
#[derive(Serialize, Deserialize)]
struct StoredContent {
    kind: String,
    to: Email,
    locale: Option<String>,
    name: Option<String>,
    minutes: u64,
    about: Occasion,
    values: Map<String, Value>,
    link: Option<StoredLink>,
}

/// A link without its token.
#[derive(Serialize, Deserialize)]
struct StoredLink {
    start: String,
    is_replaced: bool,
}

/// Returns the stored form of a message, or `None` if it has a secret that cannot be replaced: a code,
/// or a link without a challenge.
pub(super) fn to_stored(
    letter: &MailContent,
    id: &str,
    user: Option<&UserId>,
    now: Timestamp,
) -> Option<StoredMail> {
    if letter.code.is_some() || (letter.link.is_some() && letter.challenge.is_none()) {
        return None;
    }
    let link = letter.challenge.as_ref();
    let content = StoredContent {
        kind: letter.kind.as_str().to_owned(),
        to: letter.to.clone(),
        locale: letter.locale.clone(),
        name: letter.name.clone(),
        minutes: letter.minutes,
        about: letter.about.clone(),
        values: letter.values.clone(),
        link: link.map(|LinkChallenge { start, is_replaced, .. }| StoredLink {
            start: start.clone(),
            is_replaced: *is_replaced,
        }),
    };
    Some(StoredMail {
        id: id.to_owned(),
        user_id: user.cloned(),
        content: json!(content),
        link: link.map(|link| link.id),
        attempts: 0,
        created_at: now,
        due_at: after(now, LEASE),
    })
}

/// Reads a stored message, whose link has no token yet. Returns `None` if the message or its kind is
/// that of another version or of a flow that is not registered.
pub(crate) fn of_stored(
    mail: &StoredMail,
    kind: impl FnOnce(&str) -> Option<MessageKind>,
) -> Option<MailContent> {
    let content = StoredContent::deserialize(&mail.content).ok()?;
    let StoredContent { to, locale, name, minutes, about, values, link, .. } = content;
    let challenge = link.zip(mail.link).map(|(link, id)| {
        let StoredLink { start, is_replaced } = link;
        LinkChallenge { id, start, is_replaced }
    });
    let mut letter = MailContent::new(kind(&content.kind)?, to).about(about);
    (letter.locale, letter.name, letter.minutes) = (locale, name, minutes);
    (letter.values, letter.challenge) = (values, challenge);
    Some(letter)
}

#[cfg(test)]
mod tests;
