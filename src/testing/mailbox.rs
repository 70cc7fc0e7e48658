//! A mailer that stores messages.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    mail::{DeliveryError, Mailer, Message},
    model::Email,
};

/// A mailer that stores every message, oldest first. Clones share the messages.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(Arc<Mutex<Vec<Message>>>);

impl Mailbox {
    /// Returns all messages.
    pub fn all(&self) -> Vec<Message> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the messages to one email address.
    pub fn to(&self, address: &Email) -> Vec<Message> {
        self.all().into_iter().filter(|message| message.to == *address).collect()
    }
}

impl Mailer for Mailbox {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        Ok(())
    }
}
