//! What happened, for those who watch.
//!
//! Every authentication operation is an [`Event`], success or failure (ASVS 16.3.1).
//! An event names users and sessions by id and holds no secret and no raw input: what
//! was typed into the wrong field is not logged (LG-05).

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::{SessionId, UserId, name};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
            /// An event that a flow outside this crate or the application defines:
            /// [`EventKind::custom`].
            Custom(&'static str),
        }

        impl EventKind {
            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Custom(name) => name }
            }

            /// Returns the kind of a name, or `None` for a name that nothing in this process has
            /// defined.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)*
                    _ => name::registered(name).map(Self::Custom),
                }
            }
        }
    };
}

kinds! {
    /// A user was made.
    SignedUp = "signed_up";
    /// Somebody tried to sign up with an address that is taken.
    SignUpRefused = "sign_up_refused";
    /// A session began.
    SignedIn = "signed_in";
    /// Somebody failed to sign in; `detail.reason` says why.
    SignInFailed = "sign_in_failed";
    /// A session was ended by its owner.
    SignedOut = "signed_out";
    /// Sessions were ended from another device or by the application.
    SessionRevoked = "session_revoked";
    /// A session got its next pair of tokens.
    Refreshed = "refreshed";
    /// A refresh token was refused; `detail.reason` says why.
    RefreshRefused = "refresh_refused";
    /// A refresh token was used that had been replaced: theft.
    RefreshReused = "refresh_reused";
    /// A password was hashed again with current parameters.
    PasswordRehashed = "password_rehashed";
    /// A stored password hash could not be read; its owner cannot sign in.
    PasswordHashUnusable = "password_hash_unusable";
    /// A browser sent a request from another site.
    CrossOriginRefused = "cross_origin_refused";
    /// An access token of a live session did not match.
    AccessTokenRefused = "access_token_refused";
    /// A limit was reached; `detail.reason` says of which sort.
    LimitReached = "limit_reached";
    /// The password of an account is not tried for a day, after too many failures in a row.
    AccountLocked = "account_locked";
    /// A message could not be delivered; `detail.reason` says which.
    MailFailed = "mail_failed";
    /// A code or link was asked for; `detail.reason` says for what.
    ProofRequested = "proof_requested";
    /// A code, link or pending sign-in was refused; `detail.reason` says why.
    ProofRefused = "proof_refused";
    /// The address of a user was proved.
    EmailVerified = "email_verified";
    /// The address of a user was changed.
    EmailChanged = "email_changed";
    /// A change of the address of a user was requested.
    EmailChangeRequested = "email_change_requested";
    /// The address of an account was verified for the first time; what was there before went.
    AccountClaimed = "account_claimed";
    /// A change of address was taken back.
    EmailChangeUndone = "email_change_undone";
    /// A password was changed by its owner.
    PasswordChanged = "password_changed";
    /// A password was set by a link.
    PasswordReset = "password_reset";
    /// An account was deleted by its owner.
    AccountDeleted = "account_deleted";
    /// A user was turned away by the application.
    UserDisabled = "user_disabled";
    /// A user signed in from a device that was not seen before.
    NewDevice = "new_device";
    /// A new password was taken while the source of breached ones did not answer.
    BreachCheckSkipped = "breach_check_skipped";
    /// An identity at a provider was linked to a user.
    IdentityLinked = "identity_linked";
    /// An identity at a provider was taken off a user.
    IdentityUnlinked = "identity_unlinked";
    /// A passkey was added.
    PasskeyAdded = "passkey_added";
    /// A passkey was removed.
    PasskeyRemoved = "passkey_removed";
    /// A ceremony with a passkey failed; `detail.reason` says why.
    PasskeyRefused = "passkey_refused";
    /// The counter of a passkey went backwards: there may be two of it.
    PasskeyCloned = "passkey_cloned";
    /// A key for a program was made.
    ApiKeyCreated = "api_key_created";
    /// A key for a program was revoked.
    ApiKeyRevoked = "api_key_revoked";
    /// A session proved a passkey.
    SteppedUp = "stepped_up";
    /// A policy let somebody pass; `detail` has action, resource and policies.
    PolicyAllowed = "policy_allowed";
    /// The policies let somebody not pass; `detail` as above.
    PolicyRefused = "policy_refused";
    /// A sign-in by a provider was refused; `detail.reason` says why.
    ProviderRefused = "provider_refused";
    /// A provider ended sessions that came from it.
    ProviderSignedOut = "provider_signed_out";
    /// A request carried two credentials of one kind.
    AmbiguousCredentials = "ambiguous_credentials";
    /// An event in the store of a kind that only a newer version knows; `detail.kind` names it.
    Other = "other";
}

impl EventKind {
    /// Defines an event: 1 to 32 lower-case letters, digits and `_`. In a `const` a malformed name
    /// does not compile.
    ///
    /// # Panics
    ///
    /// If the name is malformed.
    pub const fn custom(name: &'static str) -> Self {
        assert!(name::is_name(name), "an event name is lower-case letters, digits and `_`");
        Self::Custom(name)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// What else is known; never a secret.
    pub detail: Map<String, Value>,
}

/// Where events go. Called on the request path: it must not block.
pub trait EventSink: Send + Sync + fmt::Debug + 'static {
    /// Takes one event.
    fn record(&self, event: Event);
}

/// Hands events to a channel, for an application that goes on with them itself. One that is full
/// or closed loses them; it never blocks.
#[derive(Clone, Debug)]
pub struct ChannelSink(tokio::sync::mpsc::Sender<Event>);

impl ChannelSink {
    /// A sink and the other end, between which so many events may wait.
    pub fn new(waiting: usize) -> (Self, tokio::sync::mpsc::Receiver<Event>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(waiting.max(1));
        (Self(sender), receiver)
    }
}

impl EventSink for ChannelSink {
    fn record(&self, event: Event) {
        if self.0.try_send(event).is_err() {
            tracing::warn!("an event was lost: its channel is full or closed");
        }
    }
}

/// Every one of several sinks.
#[derive(Debug)]
pub(crate) struct Sinks(pub(crate) Vec<Arc<dyn EventSink>>);

impl EventSink for Sinks {
    fn record(&self, event: Event) {
        if let Some((last, others)) = self.0.split_last() {
            for sink in others {
                sink.record(event.clone());
            }
            last.record(event);
        }
    }
}

/// Writes events to `tracing`, target `authlayer::event`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl Event {
    /// An event of this kind.
    pub fn new(kind: EventKind, at: Timestamp) -> Self {
        if let EventKind::Custom(name) = kind {
            name::register(name);
        }
        Self { kind, at, user_id: None, session_id: None, ip: None, detail: Map::new() }
    }

    /// Names the user.
    #[must_use]
    pub fn user(mut self, id: &UserId) -> Self {
        self.user_id = Some(id.clone());
        self
    }

    /// Names the session.
    #[must_use]
    pub fn session(mut self, id: SessionId) -> Self {
        self.session_id = Some(id);
        self
    }

    /// Names the network address.
    #[must_use]
    pub fn ip(mut self, ip: Option<&str>) -> Self {
        self.ip = ip.map(ToOwned::to_owned);
        self
    }

    /// Says why, by a fixed word.
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.detail.insert("reason".to_owned(), Value::from(reason));
        self
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl EventSink for TracingSink {
    fn record(&self, event: Event) {
        let detail = Value::Object(event.detail);
        tracing::info!(
            target: "authlayer::event",
            kind = event.kind.as_str(),
            at = %event.at,
            user = event.user_id.as_ref().map(tracing::field::display),
            session = event.session_id.map(tracing::field::display),
            ip = event.ip.as_deref().map(tracing::field::debug),
            detail = %detail,
        );
    }
}
