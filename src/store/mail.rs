//! Messages that are stored until they are delivered.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, sealed::Sealed};
use crate::{crypto::digest::Digest, model::UserId};

/// A message that is stored until it is delivered. It has no secret: the token of a link is created
/// when the message is delivered.
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredMail {
    /// The id of the message, which identifies repeated deliveries.
    pub id: String,
    /// The user whose deletion deletes the message too.
    pub user_id: Option<UserId>,
    /// The content.
    pub content: Value,
    /// The challenge of the link in the message.
    pub link: Option<Digest>,
    /// How often a process took the message over to deliver it.
    pub attempts: u32,
    /// The time at which the message was created.
    pub created_at: Timestamp,
    /// The time at which the message can be taken over.
    pub due_at: Timestamp,
}

/// Storage of messages that are not delivered yet. All methods count as background work.
///
/// This trait is sealed.
#[async_trait]
pub trait MailStore: Sealed + Send + Sync + 'static {
    /// Returns whether messages that are stored outlive the process.
    fn keeps_mails(&self) -> bool;

    /// Inserts a message, unless it exists already.
    async fn insert_mail(&self, mail: &StoredMail) -> Result<(), StoreError>;

    /// Takes over at most `at_most` messages that are due, until a time. Of concurrent calls one
    /// receives a message.
    async fn claim_mails(
        &self,
        now: Timestamp,
        until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<StoredMail>, StoreError>;

    /// Changes the time at which a message is due. Returns `false` if it is due at another time than
    /// `from`, because another process has taken it over, or if it was deleted.
    async fn reschedule_mail(
        &self,
        id: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes a message that was delivered.
    async fn remove_mail(&self, id: &str) -> Result<(), StoreError>;

    /// Inserts a copy of the challenge of a link of a user under another id. The lifetime of a link that sets a
    /// password begins again, and a copy of an account recovery only stops it. Returns `false` if the challenge
    /// does not exist or has expired.
    async fn copy_link(
        &self,
        user: &UserId,
        link: &Digest,
        copy: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces the id of the challenge of a link, here and in the message. Its lifetime begins again.
    /// Returns `false` if the
    /// challenge does not exist or has expired.
    async fn replace_link(
        &self,
        mail: &str,
        link: &Digest,
        new: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes at most `batch` messages that have been due since before `before`, and returns how
    /// many.
    async fn sweep_mails(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError>;
}

/// Redacted: the content is personal data.
impl fmt::Debug for StoredMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMail").field("id", &self.id).finish_non_exhaustive()
    }
}
