//! A mailer for development.

use async_trait::async_trait;

use super::{MailError, Mailer, Message};

/// Prints every message to the standard error, for development.
///
/// # Security
///
/// The output contains codes and links. Do not use it in production.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrintMailer;

#[async_trait]
impl Mailer for PrintMailer {
    async fn send(&self, message: Message) -> Result<(), MailError> {
        eprintln!("\nTo: {}\nSubject: {}\n\n{}", message.to, message.subject, message.text);
        Ok(())
    }
}
