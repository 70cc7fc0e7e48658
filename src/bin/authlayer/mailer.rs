//! Delivery of messages.

use authlayer::{DeliveryError, Mailer, Message, SmtpMailer};

use crate::failure::Failure;

/// Delivers to a mail server, or leaves messages to the processes of the application.
pub(crate) enum CommandMailer {
    Smtp(SmtpMailer),
    /// The message is stored, and delivered by the next sweep of a process that serves requests.
    Stored,
}

impl CommandMailer {
    pub(crate) fn new(url: Option<&str>) -> Result<Self, Failure> {
        let Some(url) = url else { return Ok(Self::Stored) };
        // The error does not contain the URL, which may contain a password.
        let mailer = SmtpMailer::from_url(url);
        mailer.map(Self::Smtp).map_err(|error| Failure::usage(format!("--smtp: {error}")))
    }

    /// Describes when a message arrives.
    pub(crate) fn notice(&self) -> &'static str {
        match self {
            Self::Smtp(_) => "the message was passed to the mail server",
            Self::Stored => {
                "the message is stored: the application delivers it with its next cleanup, by default \
                within ten minutes"
            }
        }
    }
}

impl Mailer for CommandMailer {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        match self {
            Self::Smtp(mailer) => mailer.send(message).await,
            Self::Stored => Err(DeliveryError::new("another process delivers it")),
        }
    }
}
