//! Email messages, and the port through which they are delivered.
//!
//! A flow creates a [`MailContent`], which is the content of a message as data. [`Templates`] render it
//! into a [`Message`], which a bounded queue passes to the [`Mailer`] after the response.
//!
//! - Whether and how fast a message is delivered does not change a response.
//! - Messages are sent to the stored email address only. Values from requests are data and never
//!   part of a header line.
//! - If the queue is full, a request that sends a message gets 503, whether or not the email
//!   address is registered.
//! - Notices and links survive the end of the process: what is not delivered at once is stored until
//!   it is, and another process delivers it if this one ends. A notice about a change is stored in
//!   the transaction of the change. No secret is stored: the token of a link is created when the
//!   message is delivered. A message is delivered at least once; repeated deliveries have the same
//!   [`id`](Message::id).
//! - Codes are in memory, since they are valid for minutes and can be sent again. A process that is
//!   killed loses those that are not delivered; call
//!   [`Auth::shutdown`](crate::Auth::shutdown) before an orderly exit.

pub(crate) mod custody;
mod device;
mod english;
mod object;
pub(crate) mod outbox;
mod print;
pub(crate) mod queue;
mod sample;
#[cfg(feature = "smtp")]
mod smtp;
mod templates;
mod words;

use std::{fmt, future::Future, pin::Pin};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

#[cfg(feature = "pages")]
pub(crate) use device::device_parts;
pub use english::english;
pub use object::MailObject;
pub use print::StderrMailer;
#[cfg(feature = "smtp")]
pub use smtp::{SmtpError, SmtpMailer};
pub use templates::{DefaultTemplates, RenderedMail, Templates, Translations};
#[cfg(feature = "pages")]
pub(crate) use templates::{capitalized, is_web_link, line, minute, unlinked};
pub use words::MessageText;

use crate::{
    crypto::{digest::Digest, handle::OneTimeToken},
    model::{ClientInfo, Email, name::is_name},
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// The kind of a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MessageKind {
            $($(#[$doc])* $name,)*
            /// A message defined by a flow outside this crate, see [`MessageKind::custom`].
            Custom(&'static str),
        }

        impl MessageKind {
            /// All kinds that this crate defines.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the stable name, for example `reset_link`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Custom(name) => name }
            }
        }
    };
}

kinds! {
    /// The code that verifies the email address of a sign-up.
    SignUpCode = "sign_up_code";
    /// The code that completes a sign-in.
    SignInCode = "sign_in_code";
    /// The code and the link that sign in by email alone.
    SignInLink = "sign_in_link";
    /// The code that confirms a change of the password.
    ChangeCode = "change_code";
    /// The code that verifies a new email address.
    EmailChangeCode = "email_change_code";
    /// The code that completes a step-up.
    StepUpCode = "step_up_code";
    /// A sign-up was attempted with an email address that has an account.
    AlreadyRegistered = "already_registered";
    /// The link to set a new password.
    ResetLink = "reset_link";
    /// The link to set the first password of an account that was created for the recipient.
    Invitation = "invitation";
    /// The password was changed or reset.
    PasswordChanged = "notice_password_changed";
    /// The email address was changed; contains the link that reverts the change.
    EmailChanged = "notice_email_changed";
    /// A change of the email address was requested; contains the link that stops it.
    EmailChangeRequested = "notice_email_change_requested";
    /// A change of the email address was reverted.
    EmailChangeUndone = "notice_email_change_undone";
    /// A sign-in method was added.
    FactorAdded = "notice_factor_added";
    /// A sign-in method was removed.
    FactorRemoved = "notice_factor_removed";
    /// A recovery code was used.
    RecoveryCodeUsed = "notice_recovery_code_used";
    /// The code that begins an account recovery.
    RecoveryCode = "recovery_code_email";
    /// An account recovery was requested; contains the link that stops it.
    RecoveryRequested = "notice_recovery_requested";
    /// An account recovery is available.
    RecoveryAvailable = "notice_recovery_available";
    /// An administrator acts as the user.
    Impersonated = "notice_impersonated";
    /// The user turned two-step verification on or off.
    TwoStepChanged = "notice_two_step_changed";
    /// A remembered device was forgotten.
    DeviceForgotten = "notice_device_forgotten";
    /// An identity at a provider was linked.
    IdentityLinked = "notice_identity_linked";
    /// A provider reported a problem with the account of an identity, and sessions were ended.
    ProviderAlarm = "notice_provider_alarm";
    /// The user signed in from a new device.
    NewDevice = "notice_new_device";
    /// The account was deleted.
    AccountDeleted = "notice_account_deleted";
    /// An API key was created.
    ApiKeyCreated = "notice_api_key_created";
    /// An API key was revoked.
    ApiKeyRevoked = "notice_api_key_revoked";
    /// The user approved a program, which gets a session.
    ProgramSignedIn = "notice_program_signed_in";
    /// Password sign-in is paused for a day on unknown devices, after too many consecutive
    /// failures.
    Locked = "notice_locked";
    /// A session that is bound to a device was used with a key of another one.
    DeviceMismatch = "notice_device_mismatch";
    /// A replaced refresh token was used again, and its session was revoked.
    RefreshReuse = "notice_refresh_reuse";
}

impl MessageKind {
    /// Defines a message by its name, which has 1 to 32 lowercase letters, digits and `_`. In a
    /// `const`, a malformed name is a compile error.
    ///
    /// # Panics
    ///
    /// Panics if the name is malformed.
    pub const fn custom(name: &'static str) -> Self {
        assert!(is_name(name), "a message name is lower-case letters, digits and `_`");
        Self::Custom(name)
    }
}

/// The content of a message before it is rendered.
///
/// ```
/// use authlayer::mail::MailContent;
///
/// fn is_german(content: &MailContent) -> bool {
///     content.locale.as_deref().is_some_and(|tag| tag.starts_with("de"))
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct MailContent {
    /// The kind of the message.
    pub kind: MessageKind,
    /// The stored email address of the recipient.
    pub to: Email,
    /// The code in the message.
    pub code: Option<String>,
    /// The link in the message.
    pub link: Option<String>,
    /// The validity of the code or the link, in minutes.
    pub minutes: u64,
    /// The time, client and object of the event that the message reports.
    pub about: Occasion,
    /// The display name of the user, in messages about a new device. The email address of the user
    /// is verified then.
    pub name: Option<String>,
    /// The preferred language as a BCP 47 tag: `locale` in the `user_metadata` of the user, or else
    /// the best one in `Accept-Language` of the request that the templates have, or its first one.
    pub locale: Option<String>,
    /// The English text of a message that a flow outside this crate defines.
    pub words: Option<MessageText>,
    /// The values of a message that a flow outside this crate defines.
    pub values: Map<String, Value>,
    /// The challenge of the link, if its token can be replaced.
    pub(crate) challenge: Option<LinkChallenge>,
}

/// The challenge of a link in a message.
#[derive(Clone)]
pub(crate) struct LinkChallenge {
    /// The digest of the token.
    pub(crate) id: Digest,
    /// The link without the token at its end.
    pub(crate) start: String,
    /// Whether the link of a repeated delivery replaces the previous one. Otherwise both are valid
    /// until one of them is used.
    pub(crate) is_replaced: bool,
}

/// The circumstances of the event that a message reports. Unknown fields are `None`.
///
/// ```
/// use authlayer::mail::Occasion;
///
/// fn address(about: &Occasion) -> &str {
///     about.ip.as_deref().unwrap_or("unknown")
/// }
/// assert_eq!(address(&Occasion::default()), "unknown");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Occasion {
    /// The time of the event.
    pub at: Option<Timestamp>,
    /// The IP address of the client.
    pub ip: Option<String>,
    /// The `User-Agent` header of the request. The client can send any text, so do not print it.
    /// The built-in templates print only the names of known browsers and systems.
    pub user_agent: Option<String>,
    /// The object that was added, removed or changed.
    pub what: Option<MailObject>,
    /// The objects that the message lists, each with the time it was added.
    pub items: Vec<(MailObject, Timestamp)>,
}

impl Occasion {
    /// Creates an occasion with the IP address and user agent of a client.
    pub(crate) fn of(client: &ClientInfo) -> Self {
        let ClientInfo { ip, user_agent, .. } = client.clone();
        Self { ip, user_agent, ..Self::default() }
    }

    /// Sets the time.
    pub(crate) fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// Sets the object that was added, removed or changed.
    pub(crate) fn what(mut self, what: impl Into<MailObject>) -> Self {
        self.what = Some(what.into());
        self
    }
}

/// A rendered message to one recipient.
///
/// ```
/// use authlayer::{DeliveryError, Mailer, Message};
/// use tokio::sync::mpsc::UnboundedSender;
///
/// struct Queue(UnboundedSender<Message>);
///
/// impl Mailer for Queue {
///     async fn send(&self, message: Message) -> Result<(), DeliveryError> {
///         self.0.send(message).map_err(|_| DeliveryError::new("the queue is closed"))
///     }
/// }
/// ```
#[derive(Clone, Serialize)]
pub struct Message {
    /// The id of the message. A repeated delivery has the same id, also by another process, so it can
    /// be the idempotency key of a mail service. `SmtpMailer` sends it as `Message-ID`.
    ///
    /// A delivery by another process has a new link in the same message. A mail service that rejects
    /// a known key with another text has accepted the message before.
    pub id: String,
    /// The stored email address of the user, never one from the request.
    pub to: Email,
    /// The kind of the message.
    pub kind: MessageKind,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML version of the text, or nothing.
    pub html: String,
    /// The code in the message, for mailers that fill their own templates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The link in the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The circumstances of the event, for mailers that fill their own templates.
    pub about: Occasion,
    /// The values of a message that a flow outside this crate defines.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// The time at which the message was created.
    pub sent_at: Timestamp,
}

/// A message was not accepted for delivery.
///
/// ```
/// use authlayer::DeliveryError;
///
/// assert!(DeliveryError::permanent("unknown recipient").is_permanent());
/// assert!(!DeliveryError::new("no connection").is_permanent());
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the message was not accepted for delivery")]
pub struct DeliveryError {
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
    permanent: bool,
}

impl DeliveryError {
    /// Creates a temporary failure; the delivery is tried again.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), permanent: false }
    }

    /// Creates a permanent failure, for example an unknown recipient; the delivery is not tried
    /// again.
    pub fn permanent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), permanent: true }
    }

    /// Returns whether the failure is permanent.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

/// Delivers messages.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a mailer",
    note = "implement `authlayer::Mailer` for it"
)]
pub trait Mailer: Send + Sync + 'static {
    /// Delivers a message. It is called off the request path. After a temporary failure it is
    /// called again, with the same [`id`](Message::id).
    ///
    /// # Errors
    ///
    /// [`DeliveryError::new`] for a temporary and [`DeliveryError::permanent`] for a permanent failure.
    fn send(&self, message: Message) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

/// The object-safe form of [`Mailer`].
pub(crate) trait AnyMailer: Send + Sync {
    fn send(
        &self,
        message: Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + '_>>;
}

impl<M: Mailer> AnyMailer for M {
    fn send(
        &self,
        message: Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send + '_>> {
        Box::pin(Mailer::send(self, message))
    }
}

impl MailContent {
    /// Creates the content of a message without a code or a link.
    pub fn new(kind: MessageKind, to: Email) -> Self {
        Self {
            kind,
            to,
            code: None,
            link: None,
            minutes: 0,
            about: Occasion::default(),
            name: None,
            locale: None,
            words: None,
            values: Map::new(),
            challenge: None,
        }
    }

    pub(crate) fn with_code(mut self, code: &str, minutes: u64) -> Self {
        self.code = Some(code.to_owned());
        self.minutes = minutes;
        self
    }

    pub(crate) fn with_link(mut self, link: String, minutes: u64) -> Self {
        self.link = Some(link);
        self.minutes = minutes;
        self
    }

    /// Adds a link that ends with a token, and the challenge of that token.
    pub(crate) fn with_token_link(self, link: String, minutes: u64, token: &OneTimeToken) -> Self {
        let start = link.strip_suffix(token.to_token().expose()).map(ToOwned::to_owned);
        let challenge =
            start.map(|start| LinkChallenge { id: token.digest(), start, is_replaced: false });
        Self { challenge, ..self.with_link(link, minutes) }
    }

    pub(crate) fn about(mut self, about: Occasion) -> Self {
        self.about = about;
        self
    }

    pub(crate) fn in_language(mut self, locale: Option<&str>) -> Self {
        self.locale = locale.map(ToOwned::to_owned);
        self
    }
}

impl Serialize for MessageKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Debug for MailContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailContent").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
