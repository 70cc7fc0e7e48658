//! Delivers messages that are stored and due: those of a process that ended, and those whose earlier
//! attempts failed.

use std::sync::Arc;

use super::Core;
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    event::EventKind,
    mail::{
        LinkChallenge, MailContent,
        custody::{LEASE, of_stored},
        outbox::Outbox,
    },
    store::{MailStore, StoredMail},
};

/// The number of messages that are taken over in one statement.
const BATCH: u32 = 16;

impl Core {
    /// Returns whether messages are stored until they are delivered.
    pub(crate) fn stores_mails(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.stored().is_some())
    }

    /// Takes over the messages that are due, and queues them.
    pub(crate) async fn deliver_stored(&self) -> Result<(), AuthError> {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        let Some(mails) = outbox.stored() else { return Ok(()) };
        while outbox.has_room() {
            let now = whole_millis(self.clock.now());
            let claimed = mails.claim_mails(now, after(now, LEASE), BATCH).await?;
            let is_last = u32::try_from(claimed.len()).is_ok_and(|count| count < BATCH);
            for mail in claimed {
                self.deliver_again(outbox, mails, mail).await?;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn deliver_again(
        &self,
        outbox: &Outbox,
        mails: &Arc<dyn MailStore>,
        mail: StoredMail,
    ) -> Result<(), AuthError> {
        let Some(mut letter) = of_stored(&mail, |name| self.message_kind(name)) else {
            // Another process may have the flow of this kind.
            if !outbox.custody(mails, mail.clone()).defer().await {
                tracing::error!(message = mail.id, "no flow delivers this kind of message");
                self.record_undelivered(&mail, "unknown");
            }
            return Ok(());
        };
        // Without a place, the message is due again when its lease ends.
        let Ok(place) = outbox.place() else { return Ok(()) };
        letter.words = self.words_of(letter.kind);
        if let Some(link) = letter.challenge.take() {
            match self.with_new_link(mails, &mail, &link, letter.clone()).await? {
                Some(with_link) => letter = with_link,
                None => return self.without_link(mails, &mail, &letter).await,
            }
        }
        place.resume(&letter, mail);
        Ok(())
    }

    /// Returns the message with a new token in its link, or `None` if the link was used or has
    /// expired.
    async fn with_new_link(
        &self,
        mails: &Arc<dyn MailStore>,
        mail: &StoredMail,
        link: &LinkChallenge,
        letter: MailContent,
    ) -> Result<Option<MailContent>, AuthError> {
        let token = OneTimeToken::random(TokenPurpose::Link)?;
        let (new, now) = (token.digest(), whole_millis(self.clock.now()));
        let is_valid = match (&mail.user_id, link.is_replaced) {
            (_, true) => mails.replace_link(&mail.id, &link.id, &new, now).await?,
            (Some(user), false) => mails.copy_link(user, &link.id, &new, now).await?,
            (None, false) => false,
        };
        let minutes = letter.minutes;
        let text = format!("{}{}", link.start, token.to_token().expose());
        Ok(is_valid.then(|| letter.with_link(text, minutes)))
    }

    /// Deletes a message whose link is not valid any more.
    async fn without_link(
        &self,
        mails: &Arc<dyn MailStore>,
        mail: &StoredMail,
        letter: &MailContent,
    ) -> Result<(), AuthError> {
        mails.remove_mail(&mail.id).await?;
        let lifetime = std::time::Duration::from_secs(letter.minutes.saturating_mul(60));
        // Otherwise the link was used, so the message was delivered, or the account was secured.
        if !lifetime.is_zero() && after(mail.created_at, lifetime) <= self.clock.now() {
            tracing::error!(message = mail.id, "the link of a message expired before its delivery");
            self.record_undelivered(mail, letter.kind.as_str());
        }
        Ok(())
    }

    fn record_undelivered(&self, mail: &StoredMail, kind: &'static str) {
        let event = self.event(EventKind::MailFailed).reason(kind);
        self.events.record(mail.user_id.iter().fold(event, |event, user| event.user(user)));
    }
}
