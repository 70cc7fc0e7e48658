//! The text of a message in one language.

/// The text of a message in one language. In `before` and `after`, `{minutes}` is replaced by the
/// validity of the code or the link, and the names of values in braces by the
/// [values](crate::services::Notice::value) of the message.
///
/// ```
/// use authlayer::mail::MessageText;
///
/// const CODE: MessageText = MessageText {
///     subject: "Ihr Code",
///     before: "Ihr Code zum Anmelden:",
///     after: "Er gilt {minutes} Minuten.",
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageText {
    /// The subject line.
    pub subject: &'static str,
    /// The text before the code or the link.
    pub before: &'static str,
    /// The text after the code or the link.
    pub after: &'static str,
}
