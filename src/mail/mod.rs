//! Messages: what they say, and the port through which they leave.
//!
//! A flow writes a [`Letter`], which is data; [`Templates`] make a [`Message`] of it, and a
//! bounded queue hands that to the [`Mailer`] once the answer is on its way. What is
//! guaranteed: whether and how fast a message is delivered changes no answer; a message goes to
//! a stored address, as data and never as a header line. What is refused: more messages than
//! the queue holds, with 503, whether or not the address is known. What a deployment can break:
//! the queue is in memory, so a process that is killed loses what it has not delivered; call
//! [`Auth::shutdown`](crate::Auth::shutdown) before an orderly end.

mod device;
pub(crate) mod outbox;
mod print;
pub(crate) mod queue;
#[cfg(feature = "smtp")]
mod smtp;
mod templates;
mod words;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub use print::PrintMailer;
#[cfg(feature = "smtp")]
pub use smtp::{SmtpError, SmtpMailer};
pub use templates::{BuiltIn, Rendered, Table, Templates, english};
pub use words::Words;

use crate::model::{Client, Email, name::is_name};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MessageKind {
            $($(#[$doc])* $name,)*
            /// A message that a flow outside this crate defines: [`MessageKind::custom`].
            Custom(&'static str),
        }

        impl MessageKind {
            /// Every kind of this crate.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Custom(name) => name }
            }
        }
    };
}

kinds! {
    /// The code that proves the address of a sign-up.
    SignUpCode = "sign_up_code";
    /// The code that a sign-in wants.
    SignInCode = "sign_in_code";
    /// The code that a change of password wants.
    ChangeCode = "change_code";
    /// The code that proves a new address.
    EmailChangeCode = "email_change_code";
    /// The code that a step-up of a session wants.
    StepUpCode = "step_up_code";
    /// A sign-up was attempted with an email address that has an account.
    AlreadyRegistered = "already_registered";
    /// The link to set a new password.
    ResetLink = "reset_link";
    /// The password was changed or reset.
    PasswordChanged = "notice_password_changed";
    /// The address was changed; with the link that takes it back.
    EmailChanged = "notice_email_changed";
    /// A change of the address was requested; with the link that takes it back.
    EmailChangeRequested = "notice_email_change_requested";
    /// A change of the address was taken back.
    EmailChangeUndone = "notice_email_change_undone";
    /// A way to sign in was added.
    FactorAdded = "notice_factor_added";
    /// A way to sign in was removed.
    FactorRemoved = "notice_factor_removed";
    /// An identity at a provider was linked.
    IdentityLinked = "notice_identity_linked";
    /// The user signed in from a device that was not seen before.
    NewDevice = "notice_new_device";
    /// The account was deleted by its owner.
    AccountDeleted = "notice_account_deleted";
    /// An API key was created.
    ApiKeyCreated = "notice_api_key_created";
    /// An API key was revoked.
    ApiKeyRevoked = "notice_api_key_revoked";
    /// The password is not tried for a day, after too many failures in a row.
    Locked = "notice_locked";
    /// A stolen refresh token was used.
    RefreshReuse = "notice_refresh_reuse";
}

impl MessageKind {
    /// Defines a message: 1 to 32 lower-case letters, digits and `_`. In a `const` a malformed name
    /// does not compile.
    ///
    /// # Panics
    ///
    /// If the name is malformed.
    pub const fn custom(name: &'static str) -> Self {
        assert!(is_name(name), "a message name is lower-case letters, digits and `_`");
        Self::Custom(name)
    }
}

/// A message before it has words.
#[derive(Clone)]
#[non_exhaustive]
pub struct Letter {
    /// What it is about.
    pub kind: MessageKind,
    /// The stored address.
    pub to: Email,
    /// The code it carries.
    pub code: Option<String>,
    /// The link it carries.
    pub link: Option<String>,
    /// For how many minutes these are good.
    pub minutes: u64,
    /// When it happened, from where, by which device, and to what.
    pub about: Occasion,
    /// The language that the user prefers, as a tag of BCP 47: `locale` of `user_metadata`.
    pub locale: Option<String>,
    /// The English text of a message that a flow outside this crate defines.
    pub words: Option<Words>,
}

/// The occasion of a message: what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Occasion {
    /// When it happened.
    pub at: Option<Timestamp>,
    /// The network address that the request came from.
    pub ip: Option<String>,
    /// The `User-Agent` header of the request. The client can send any text, so do not print it.
    /// The built-in templates print only the names of known browsers and systems.
    pub user_agent: Option<String>,
    /// What was added, removed or changed, such as `passkey "Laptop"`.
    pub what: Option<String>,
    /// What the message lists, with the time of each.
    pub items: Vec<(String, Timestamp)>,
}

impl Occasion {
    /// An occasion of this client.
    pub(crate) fn of(client: &Client) -> Self {
        let Client { ip, user_agent } = client.clone();
        Self { ip, user_agent, ..Self::default() }
    }

    /// Says when it happened.
    pub(crate) fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// Names what was added, removed or changed.
    pub(crate) fn what(mut self, what: impl Into<String>) -> Self {
        self.what = Some(what.into());
        self
    }
}

/// One message to one address.
#[derive(Clone, Serialize)]
pub struct Message {
    /// Names this message; a second delivery has the same id.
    pub id: String,
    /// The stored address of the user, never one from the request.
    pub to: Email,
    /// What the message is about.
    pub kind: MessageKind,
    /// The subject line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// The code in it, for mailers that fill templates of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The link in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The occasion, for mailers with templates of their own.
    pub about: Occasion,
    /// When it was written.
    pub sent_at: Timestamp,
}

/// A message was not taken.
#[derive(Debug, thiserror::Error)]
#[error("the message was not taken")]
pub struct MailError {
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
    permanent: bool,
}

impl MailError {
    /// A failure that may pass; the message is tried again.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), permanent: false }
    }

    /// A failure that will not pass, such as an address that the server does not know.
    pub fn permanent(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), permanent: true }
    }

    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

/// Delivers messages.
#[async_trait]
pub trait Mailer: Send + Sync + fmt::Debug + 'static {
    /// Hands one message over. Called off the request path, again after a failure that may
    /// pass, and then with the same [`id`](Message::id).
    async fn send(&self, message: Message) -> Result<(), MailError>;
}

impl Letter {
    /// A letter without code or link.
    pub fn new(kind: MessageKind, to: Email) -> Self {
        Self {
            kind,
            to,
            code: None,
            link: None,
            minutes: 0,
            about: Occasion::default(),
            locale: None,
            words: None,
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

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("kind", &self.kind).finish_non_exhaustive()
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
