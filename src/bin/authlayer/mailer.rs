//! Delivery of messages.

use std::sync::{Arc, Mutex, PoisonError};

use authlayer::{DeliveryError, Mailer, Message, SmtpMailer};

use crate::failure::{Failure, with_sources};

/// Delivers to a mail server, or leaves messages to the processes of the application.
pub(crate) struct CommandMailer {
    server: Option<SmtpMailer>,
    outcome: MailOutcome,
}

/// The outcome of the last delivery.
#[derive(Clone, Default)]
pub(crate) struct MailOutcome(Arc<Mutex<Option<Delivery>>>);

#[derive(Clone)]
enum Delivery {
    Done,
    /// The message is stored, and delivered by the next sweep of a process that serves requests.
    Stored(Option<String>),
    Rejected(String),
}

/// Returns the mailer of a URL.
pub(crate) fn server(url: &str) -> Result<SmtpMailer, Failure> {
    // The error does not contain the URL, which may contain a password.
    SmtpMailer::from_url(url).map_err(|error| Failure::usage(format!("--smtp: {error}")))
}

impl CommandMailer {
    pub(crate) fn new(url: Option<&str>) -> Result<(Self, MailOutcome), Failure> {
        let (server, outcome) = (url.map(server).transpose()?, MailOutcome::default());
        Ok((Self { server, outcome: outcome.clone() }, outcome))
    }
}

impl MailOutcome {
    fn set(&self, delivery: Delivery) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(delivery);
    }

    /// Describes the delivery; `None` if there was none.
    pub(crate) fn notice(&self) -> Result<Option<String>, Failure> {
        const LATER: &str = "the message is stored: the application delivers it with its next cleanup, by \
            default within ten minutes";
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            None => Ok(None),
            Some(Delivery::Done) => Ok(Some("the message was sent".to_owned())),
            Some(Delivery::Stored(None)) => Ok(Some(LATER.to_owned())),
            Some(Delivery::Stored(Some(error))) => Ok(Some(format!("{LATER}. {error}"))),
            Some(Delivery::Rejected(error)) => Err(Failure::failed(
                "mail_failed",
                format!("the change was made, but the mail server rejected the message: {error}"),
            )),
        }
    }
}

impl Mailer for CommandMailer {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        let Some(server) = &self.server else {
            self.outcome.set(Delivery::Stored(None));
            return Err(DeliveryError::new("another process delivers it"));
        };
        let sent = server.send(message).await;
        self.outcome.set(match &sent {
            Ok(()) => Delivery::Done,
            Err(error) if error.is_permanent() => Delivery::Rejected(with_sources(error)),
            Err(error) => Delivery::Stored(Some(with_sources(error))),
        });
        sent
    }
}
