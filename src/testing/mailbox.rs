//! A mailer that stores messages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use crate::mail::{DeliveryError, Mailer, Message};

/// The time limit for the delivery of a code.
const PATIENCE: Duration = Duration::from_secs(10);

/// A mailer that stores every message, oldest first. Clones share the messages.
///
/// ```
/// use authlayer::{AuthBuilder, EmailCodes, testing::Mailbox};
///
/// fn configure(builder: AuthBuilder, mailbox: &Mailbox) -> AuthBuilder {
///     builder.mailer(mailbox.clone()).flow(EmailCodes::new())
/// }
///
/// async fn code(mailbox: &Mailbox) -> String {
///     mailbox.code("ada@example.com").await
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    stored: Arc<Mutex<Stored>>,
    arrived: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Stored {
    messages: Vec<Message>,
    /// For each email address, the number of messages that were stored when its last code was read.
    read: HashMap<String, usize>,
}

impl Mailbox {
    /// Creates an empty mailbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all messages.
    pub fn all(&self) -> Vec<Message> {
        self.stored().messages.clone()
    }

    /// Returns the messages that were delivered to an email address.
    pub fn to(&self, address: &str) -> Vec<Message> {
        let all = self.all().into_iter();
        all.filter(|message| message.to.as_str().eq_ignore_ascii_case(address)).collect()
    }

    /// Returns the newest code to an email address. Messages are delivered after the response, so
    /// it waits until there is a code that was delivered after the previous call for this address.
    ///
    /// # Panics
    ///
    /// Panics if no such code is delivered within 10 seconds.
    pub async fn code(&self, address: &str) -> String {
        let address = address.to_ascii_lowercase();
        let newest = async {
            loop {
                // Created before the check, so that no delivery is missed in between.
                let arrival = self.arrived.notified();
                if let Some(code) = self.stored().next_code(&address) {
                    return code;
                }
                arrival.await;
            }
        };
        let newest = timeout(PATIENCE, newest).await;
        newest.unwrap_or_else(|_| panic!("no new code was delivered to {address}"))
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn next_code(&mut self, address: &str) -> Option<String> {
        let read = self.read.get(address).copied().unwrap_or_default();
        let new = self.messages.iter().skip(read).rev();
        let code = new.filter(|own| own.to.as_str() == address).find_map(|own| own.code.clone())?;
        self.read.insert(address.to_owned(), self.messages.len());
        Some(code)
    }
}

impl Mailer for Mailbox {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        self.stored().messages.push(message);
        self.arrived.notify_waiters();
        Ok(())
    }
}
