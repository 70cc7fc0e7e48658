//! Security emails, the client of events, and events that a user is notified of.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::{code::locale_of, greeting::greeted_name};
use crate::{
    clock::whole_millis,
    event::{Event, EventKind, EventSink},
    mail::{MailContent, MessageKind, Occasion, outbox::Draft},
    model::{User, UserId},
    services::Core,
    store::StoredMail,
};

/// Security emails about a change of an account. They are stored in the transaction of the change,
/// and sent after it.
#[must_use = "the messages are sent by `send`"]
pub(crate) struct ChangeNotices<'a> {
    core: &'a Core,
    user: UserId,
    drafts: Vec<(MessageKind, Draft)>,
}

impl ChangeNotices<'_> {
    /// Returns the rows to store in the transaction of the change.
    pub(crate) fn rows(&self) -> Vec<StoredMail> {
        self.drafts.iter().filter_map(|(_, draft)| draft.row()).cloned().collect()
    }

    /// Sends the messages after the change, which stored their rows.
    pub(crate) fn send(self) {
        self.send_drafts(true);
    }

    fn send_drafts(self, are_stored: bool) {
        for (kind, draft) in self.drafts {
            if draft.send(are_stored).is_err() {
                let event = self.core.event(EventKind::MailFailed).user(&self.user);
                self.core.events.record(event.reason(kind.as_str()));
            }
        }
    }
}

impl Core {
    /// Sends a security email to a user. The result is not reported.
    pub(crate) fn notify(&self, user: &User, kind: MessageKind, about: Occasion) {
        self.notice(user, kind, about).send_drafts(false);
    }

    /// Like `notify`, for a message to an email address that may no longer be that of the user.
    pub(crate) fn notify_by(&self, user: &User, letter: MailContent) {
        self.notices(user, [letter]).send_drafts(false);
    }

    /// Creates a security email to a user about a change.
    pub(crate) fn notice(
        &self,
        user: &User,
        kind: MessageKind,
        about: Occasion,
    ) -> ChangeNotices<'_> {
        let to = user.email.clone();
        self.notices(user, to.map(|to| MailContent::new(kind, to).about(about)))
    }

    /// Creates security emails about a change, to email addresses that may no longer be those of the
    /// user.
    pub(crate) fn notices(
        &self,
        user: &User,
        letters: impl IntoIterator<Item = MailContent>,
    ) -> ChangeNotices<'_> {
        let mut drafts = Vec::new();
        if let Some(outbox) = self.outbox.as_ref().filter(|_| self.notices) {
            for letter in letters {
                let kind = letter.kind;
                let mut letter = letter.in_language(locale_of(user));
                letter.words = self.words_of(kind);
                if kind == MessageKind::NewDevice {
                    let is_theirs = user.email.as_ref() == Some(&letter.to);
                    letter.name = greeted_name(user).filter(|_| is_theirs);
                }
                letter.about.at.get_or_insert(whole_millis(self.clock.now()));
                // The message about a deletion outlives the user.
                let owner = (kind != MessageKind::AccountDeleted).then_some(&user.id);
                match outbox.draft(letter, owner) {
                    Ok(draft) => drafts.push((kind, draft)),
                    Err(error) => {
                        tracing::warn!(cause = %error, "a security email was not created")
                    }
                }
            }
        }
        ChangeNotices { core: self, user: user.id.clone(), drafts }
    }
}

/// Forwards every event with the client of the request, and notifies the user of a stolen refresh
/// token by email.
pub(crate) struct NoticeSink {
    inner: Arc<dyn EventSink>,
    core: Weak<Core>,
}

impl NoticeSink {
    pub(crate) fn new(inner: Arc<dyn EventSink>, core: Weak<Core>) -> Self {
        Self { inner, core }
    }
}

impl EventSink for NoticeSink {
    fn record(&self, event: Event) {
        let event = event.of_request();
        let stolen = event.kind == EventKind::RefreshReused;
        let (user, ip) = (event.user_id.clone().filter(|_| stolen), event.ip.clone());
        self.inner.record(event);
        let (Some(id), Some(core)) = (user, self.core.upgrade()) else { return };
        if !core.notices || core.outbox.is_none() {
            return;
        }
        tokio::spawn(async move {
            match core.users.find_user(&id).await {
                Ok(Some(user)) => core.notify(
                    &user,
                    MessageKind::RefreshReuse,
                    Occasion { ip, ..Occasion::default() },
                ),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(cause = %error, "a user was not notified of a stolen refresh token")
                }
            }
        });
    }
}

impl fmt::Debug for NoticeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
