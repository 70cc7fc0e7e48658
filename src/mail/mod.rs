//! The port through which messages leave.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::model::Email;

/// One message to one address.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// Names this message; a second delivery has the same id.
    pub id: String,
    /// The stored address of the user, never one from the request.
    pub to: Email,
    /// What the message is about, by a stable name.
    pub kind: &'static str,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// When it was written.
    pub sent_at: Timestamp,
}

/// A message was not taken.
#[derive(Debug, thiserror::Error)]
#[error("the message was not taken")]
pub struct MailError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl MailError {
    /// Wraps the cause, which is logged and never answered.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Delivers messages.
#[async_trait]
pub trait Mailer: Send + Sync + fmt::Debug + 'static {
    /// Hands one message over.
    async fn send(&self, message: Message) -> Result<(), MailError>;
}
