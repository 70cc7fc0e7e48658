//! A mailer for development.

use super::{DeliveryError, Mailer, Message};

/// Prints every message to the standard error, for development.
///
/// ```
/// use authlayer::{AuthBuilder, EmailCodes, StderrMailer};
///
/// fn configure(builder: AuthBuilder) -> AuthBuilder {
///     builder.mailer(StderrMailer).flow(EmailCodes::new())
/// }
/// ```
///
/// # Security
///
/// The output contains codes and links. Do not use it in production.
#[derive(Clone, Copy, Debug, Default)]
pub struct StderrMailer;

impl Mailer for StderrMailer {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        eprintln!("\nTo: {}\nSubject: {}\n\n{}", message.to, message.subject, message.text);
        Ok(())
    }
}
