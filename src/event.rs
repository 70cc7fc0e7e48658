//! Authentication events.
//!
//! Every authentication operation is recorded as an [`Event`], success or failure (ASVS 16.3.1). An
//! event refers to users and sessions by id. It contains no secrets and no raw input: text that was
//! entered into the wrong field does not reach a log.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::{ClientInfo, SessionId, UserId, name};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// The kind of an [`Event`].
        ///
        /// ```
        /// use authlayer::EventKind;
        ///
        /// assert_eq!(EventKind::SignedIn.as_str(), "signed_in");
        /// assert_eq!(EventKind::from_name("signed_in"), Some(EventKind::SignedIn));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
            /// An event defined by the application or by a flow outside this crate, see
            /// [`EventKind::custom`].
            Custom(&'static str),
        }

        impl EventKind {
            /// Returns the stable name, for example `signed_in`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Custom(name) => name }
            }

            /// Returns the kind with this name, or `None` if no code in this process has defined
            /// it.
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
    /// A user signed up, or an anonymous user completed a sign-up; `detail.reason` is `anonymous`
    /// for a new anonymous user.
    SignedUp = "signed_up";
    /// A sign-up was rejected because the email address is registered.
    SignUpRefused = "sign_up_refused";
    /// A session was created.
    SignedIn = "signed_in";
    /// A sign-in failed; `detail.reason` is the cause.
    SignInFailed = "sign_in_failed";
    /// The user signed out of a session.
    SignedOut = "signed_out";
    /// Sessions were revoked from another device or by the application.
    SessionRevoked = "session_revoked";
    /// The tokens of a session were refreshed.
    Refreshed = "refreshed";
    /// A refresh token was rejected; `detail.reason` is the cause.
    RefreshRefused = "refresh_refused";
    /// A refresh token was used again after it had been replaced, which indicates theft.
    RefreshReused = "refresh_reused";
    /// A password was hashed again with current parameters at a sign-in.
    PasswordRehashed = "password_rehashed";
    /// A stored password hash has no supported format; the user cannot sign in with the password.
    PasswordHashUnusable = "password_hash_unusable";
    /// A cross-origin request of a browser was rejected; `detail.origin` and `detail.sec_fetch_site` are its
    /// headers, and `detail.configured` the origins of the application.
    CrossOriginRefused = "cross_origin_refused";
    /// An access token did not match the existing session that it names.
    AccessTokenRefused = "access_token_refused";
    /// A rate limit was exceeded; `detail.reason` is the code of the response.
    LimitReached = "limit_reached";
    /// Password sign-in is paused for a day on unknown devices, after too many consecutive
    /// failures.
    AccountLocked = "account_locked";
    /// A message could not be delivered; `detail.reason` names its kind.
    MailFailed = "mail_failed";
    /// A code or a link was requested; `detail.reason` names its purpose.
    ProofRequested = "proof_requested";
    /// A code, a link or a pending sign-in was rejected; `detail.reason` is the cause.
    ProofRefused = "proof_refused";
    /// The email address of a user was verified.
    EmailVerified = "email_verified";
    /// The email address of a user was changed.
    EmailChanged = "email_changed";
    /// A change of the email address was requested.
    EmailChangeRequested = "email_change_requested";
    /// The email address of an account was verified for the first time, and the credentials and
    /// sessions from before were deleted.
    AccountClaimed = "account_claimed";
    /// A change of the email address was reverted.
    EmailChangeUndone = "email_change_undone";
    /// The user changed the password, or the application or an administrator set it.
    PasswordChanged = "password_changed";
    /// A link that sets a new password was sent to the user.
    PasswordResetRequested = "password_reset_requested";
    /// The password was set with a reset link.
    PasswordReset = "password_reset";
    /// The user changed the profile.
    AccountUpdated = "account_updated";
    /// The user deleted the account.
    AccountDeleted = "account_deleted";
    /// A user was created; `detail.origin` is `sign_up`, `anonymous`, `administration` or `import`.
    /// [`Users::import`](crate::Users::import) records no events.
    UserCreated = "user_created";
    /// The application or an administrator changed a user; `detail.members` has the names of the
    /// changed members.
    UserUpdated = "user_updated";
    /// A user was disabled.
    UserDisabled = "user_disabled";
    /// A disabled user was enabled.
    UserEnabled = "user_enabled";
    /// The application or an administrator deleted a user.
    UserDeleted = "user_deleted";
    /// The application or an administrator changed the roles of a user; `detail.added` and
    /// `detail.removed` have the roles.
    RolesChanged = "roles_changed";
    /// A user was created, and a link to set the first password was sent.
    UserInvited = "user_invited";
    /// The application or an administrator removed a second factor or a passkey of a user;
    /// `detail.factor` is its kind.
    FactorRemovedByAdministrator = "factor_removed_by_administrator";
    /// An administrator revoked sessions of a user.
    SessionsRevokedByAdministrator = "sessions_revoked_by_administrator";
    /// An administrator began to act as a user; `detail.reason` is the reason that was given.
    ImpersonationBegan = "impersonation_began";
    /// An administrator no longer acts as a user.
    ImpersonationEnded = "impersonation_ended";
    /// A user signed in from a new device.
    NewDevice = "new_device";
    /// A new password was accepted while the check for breached passwords was unavailable.
    BreachCheckSkipped = "breach_check_skipped";
    /// An identity at a provider was linked to a user.
    IdentityLinked = "identity_linked";
    /// An identity at a provider was unlinked from a user.
    IdentityUnlinked = "identity_unlinked";
    /// A session was bound to a key of its browser.
    DeviceBound = "device_bound";
    /// A refresh of a bound session had a proof of another key: its cookies may have been stolen. The
    /// user is notified of the first one of a session.
    DeviceProofRefused = "device_proof_refused";
    /// A browser could not refresh a bound session; `detail.reason` is the cause that it reports.
    DeviceSkipped = "device_skipped";
    /// A passkey was added.
    PasskeyAdded = "passkey_added";
    /// A passkey was removed.
    PasskeyRemoved = "passkey_removed";
    /// A passkey ceremony failed; `detail.reason` is the cause.
    PasskeyRefused = "passkey_refused";
    /// The signature counter of a passkey decreased: the passkey may have been copied.
    PasskeyCloned = "passkey_cloned";
    /// A security key was added.
    SecurityKeyAdded = "security_key_added";
    /// A security key was removed.
    SecurityKeyRemoved = "security_key_removed";
    /// An authenticator app was added.
    TotpAdded = "totp_added";
    /// An authenticator app was removed.
    TotpRemoved = "totp_removed";
    /// Recovery codes were created, and earlier ones are no longer valid.
    RecoveryCodesCreated = "recovery_codes_created";
    /// A recovery code was used.
    RecoveryCodeUsed = "recovery_code_used";
    /// An account recovery was requested, and is available a day later.
    RecoveryRequested = "recovery_requested";
    /// An account recovery was stopped with the link in its message, and all sessions were revoked.
    RecoveryCancelled = "recovery_cancelled";
    /// The user turned two-step verification on or off; `detail.reason` is `on` or `off`.
    TwoStepChanged = "two_step_changed";
    /// A device was remembered: it is not asked for a second factor for a time.
    DeviceRemembered = "device_remembered";
    /// A remembered device was forgotten.
    DeviceForgotten = "device_forgotten";
    /// An API key was created.
    ApiKeyCreated = "api_key_created";
    /// An API key was revoked.
    ApiKeyRevoked = "api_key_revoked";
    /// A session completed a step-up.
    SteppedUp = "stepped_up";
    /// The policies allowed a request; `detail` has the action, the resource and the policies.
    PolicyAllowed = "policy_allowed";
    /// The policies denied a request; `detail` has the same members.
    PolicyRefused = "policy_refused";
    /// A guard rejected a request; `detail.reason` is the code of the response. Recorded only with
    /// [`record_access_denied`](crate::AuthBuilder::record_access_denied).
    AccessDenied = "access_denied";
    /// A sign-in with a provider was rejected; `detail.reason` is the cause.
    ProviderRefused = "provider_refused";
    /// A service asked for a token with a wrong credential, see
    /// [`Introspection`](crate::Introspection).
    IntrospectionRefused = "introspection_refused";
    /// A user approved or denied a program; `detail.client_id` names it, and `detail.approved` is the
    /// decision. See [`DeviceGrant`](crate::DeviceGrant).
    DeviceGrantDecided = "device_grant_decided";
    /// A provider ended the sessions that were created by it; `detail.reason` is `back_channel`.
    ProviderSignedOut = "provider_signed_out";
    /// A provider reported an event that ended the sessions of an identity; `detail.provider` is its id,
    /// and `detail.kind` the URI of the event. See
    /// [`Oidc::security_events`](crate::Oidc::security_events).
    ProviderAlarm = "provider_alarm";
    /// A provider verified that its security events arrive; `detail.provider` is its id.
    ProviderEventsVerified = "provider_events_verified";
    /// A route extracted no user, has no guard, and is not declared public; `detail.route` is its
    /// path. See [`AuthLayer::require_decision`](crate::AuthLayer::require_decision).
    UndecidedRoute = "undecided_route";
    /// A request had two credentials of the same kind.
    AmbiguousCredentials = "ambiguous_credentials";
    /// An event in the store whose kind only a newer version knows; `detail.kind` is its name.
    Other = "other";
}

impl EventKind {
    /// Defines an event by its name, which has 1 to 32 lowercase letters, digits and `_`. In a
    /// `const`, a malformed name is a compile error.
    ///
    /// # Panics
    ///
    /// Panics if the name is malformed.
    pub const fn custom(name: &'static str) -> Self {
        assert!(name::is_name(name), "an event name is lower-case letters, digits and `_`");
        Self::Custom(name)
    }

    /// Returns `true` for the deletion of a user.
    pub(crate) fn is_deletion(self) -> bool {
        matches!(self, Self::AccountDeleted | Self::UserDeleted)
    }
}

tokio::task_local! {
    /// The client of the request in progress; `None` while an act is recorded that is not one of
    /// the user.
    static CLIENT: Option<ClientInfo>;
}

/// Runs the work of a request. The events that it records have this client, unless they have another
/// one.
pub(crate) async fn for_client<F: Future>(client: ClientInfo, work: F) -> F::Output {
    CLIENT.scope(Some(client), work).await
}

/// Records an act on the account of a user by the application or by `actor`. The event does not have
/// the client of the request, which is that of another person, unless the user acted.
pub(crate) fn record_act(sink: &dyn EventSink, event: Event, actor: Option<&UserId>) {
    let event = match actor {
        Some(actor) => event.actor(actor),
        None => event,
    };
    if event.actor_id.is_some() && !event.is_by_another() {
        return sink.record(event);
    }
    CLIENT.sync_scope(None, || sink.record(event));
}

/// An authentication event.
///
/// ```
/// use authlayer::{Event, EventKind};
///
/// fn alarm(event: &Event) -> bool {
///     event.kind == EventKind::RefreshReused
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The kind of the event.
    pub kind: EventKind,
    /// The time of the event.
    pub at: Timestamp,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The user who acted on the account of `user_id`, if it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<UserId>,
    /// The IP address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The user agent of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Additional members; never a secret.
    pub detail: Map<String, Value>,
}

/// A destination of events.
///
/// ```
/// use authlayer::{Event, EventSink};
///
/// #[derive(Debug)]
/// struct Lines;
///
/// impl EventSink for Lines {
///     fn record(&self, event: Event) {
///         println!("{} {}", event.at, event.kind.as_str());
///     }
/// }
/// ```
pub trait EventSink: Send + Sync + fmt::Debug + 'static {
    /// Records an event. It is called on the request path and must not block.
    fn record(&self, event: Event);
}

/// Sends events to a channel, for an application that processes them itself. If the channel is full
/// or closed, events are dropped with a warning in the log; the sink never blocks.
///
/// ```
/// # use authlayer::{AuthBuilder, ChannelSink};
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// let (sink, mut events) = ChannelSink::new(1024);
/// tokio::spawn(async move {
///     while let Some(event) = events.recv().await {
///         println!("{}", event.kind.as_str());
///     }
/// });
/// builder.event_sink(sink)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ChannelSink(tokio::sync::mpsc::Sender<Event>);

impl ChannelSink {
    /// Creates a sink and the receiver of its channel, which holds at most `waiting` events.
    pub fn new(waiting: usize) -> (Self, tokio::sync::mpsc::Receiver<Event>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(waiting.max(1));
        (Self(sender), receiver)
    }
}

impl EventSink for ChannelSink {
    fn record(&self, event: Event) {
        if self.0.try_send(event).is_err() {
            tracing::warn!("an event was dropped: its channel is full or closed");
        }
    }
}

/// Records each event with several sinks.
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

/// Writes events to `tracing` with the target `authlayer::event`, and with the names of OpenTelemetry
/// for the fields: `user.id`, `session.id`, `client.address`, `user_agent.original`.
///
/// The level is `WARN` if the application or its operator should act: an indication of theft, a
/// locked account, a message that was not delivered, a check that was skipped, an unusable password
/// hash, a route without a decision. It is `DEBUG` for refreshed tokens, and otherwise `INFO`.
///
/// ```
/// use authlayer::{AuthBuilder, ChannelSink, event::TracingSink};
///
/// # fn example(builder: AuthBuilder, sink: ChannelSink) -> AuthBuilder {
/// builder.event_sink(sink).event_sink(TracingSink)
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl Event {
    /// Creates an event of this kind.
    pub fn new(kind: EventKind, at: Timestamp) -> Self {
        if let EventKind::Custom(name) = kind {
            name::register(name);
        }
        let (user_id, session_id, actor_id) = (None, None, None);
        let (ip, user_agent, detail) = (None, None, Map::new());
        Self { kind, at, user_id, session_id, actor_id, ip, user_agent, detail }
    }

    /// Sets the user.
    #[must_use]
    pub fn user(mut self, id: &UserId) -> Self {
        self.user_id = Some(id.clone());
        self
    }

    /// Sets the session.
    #[must_use]
    pub fn session(mut self, id: SessionId) -> Self {
        self.session_id = Some(id);
        self
    }

    /// Sets the IP address of the client.
    #[must_use]
    pub fn ip(mut self, ip: Option<&str>) -> Self {
        self.ip = ip.map(ToOwned::to_owned);
        self
    }

    /// Sets the IP address and the user agent of the client.
    ///
    /// ```
    /// use authlayer::{event::{Event, EventKind}, model::ClientInfo};
    /// let mut client = ClientInfo::default();
    /// client.user_agent = Some("curl/8.5.0".to_owned());
    /// let event = Event::new(EventKind::SignedIn, jiff::Timestamp::UNIX_EPOCH).client(&client);
    /// assert_eq!(event.user_agent.as_deref(), Some("curl/8.5.0"));
    /// ```
    #[must_use]
    pub fn client(mut self, client: &ClientInfo) -> Self {
        self.ip.clone_from(&client.ip);
        self.user_agent.clone_from(&client.user_agent);
        self
    }

    /// Sets the user who acted on the account of another one. The user of the account sees that an
    /// administrator acted, but neither who nor from where. The event then does not have the client
    /// of the request, unless you set it by [`client`](Self::client).
    ///
    /// ```
    /// use authlayer::{UserId, event::{Event, EventKind}};
    /// let (user, admin) = (UserId::new("ada"), UserId::new("root"));
    /// let event = Event::new(EventKind::UserDisabled, jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(event.user(&user).actor(&admin).actor_id, Some(admin));
    /// ```
    #[must_use]
    pub fn actor(mut self, id: &UserId) -> Self {
        self.actor_id = Some(id.clone());
        self
    }

    /// Sets `detail.reason`, a fixed word.
    #[must_use]
    pub fn reason(self, reason: &'static str) -> Self {
        self.with("reason", reason)
    }

    /// Sets a member of `detail`.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the client of the request in progress, if the event has none and the user of the account
    /// acted. The event of a deletion has no client.
    pub(crate) fn of_request(mut self) -> Self {
        if self.kind.is_deletion() || self.is_by_another() {
            return self;
        }
        // Work outside of a request has no client.
        let _outside = CLIENT.try_with(|client| {
            let Some(client) = client else { return };
            self.ip = self.ip.take().or_else(|| client.ip.clone());
            self.user_agent = self.user_agent.take().or_else(|| client.user_agent.clone());
        });
        self
    }

    /// Returns `true` if another user acted than the user of the account.
    fn is_by_another(&self) -> bool {
        self.actor_id.as_ref().is_some_and(|actor| self.user_id.as_ref() != Some(actor))
    }

    /// Returns the event as the user of the account sees it, without the ids of users. Of an act of
    /// an administrator, it has neither the session nor the client.
    pub(crate) fn into_user_view(self) -> Value {
        let is_by_another = self.is_by_another();
        let mut view = Map::new();
        view.insert("kind".to_owned(), Value::from(self.kind.as_str()));
        view.insert("at".to_owned(), Value::from(self.at.to_string()));
        if is_by_another {
            view.insert("by".to_owned(), Value::from("administrator"));
        } else {
            let session = self.session_id.map(|id| id.to_string());
            let members =
                [("session_id", session), ("ip", self.ip), ("user_agent", self.user_agent)];
            let members = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
            view.extend(members.map(|(name, value)| (name.to_owned(), Value::from(value))));
        }
        view.insert("detail".to_owned(), Value::Object(self.detail));
        Value::Object(view)
    }
}

impl EventKind {
    /// Returns whether the application or its operator should act.
    fn is_warning(self) -> bool {
        matches!(
            self,
            Self::RefreshReused
                | Self::DeviceProofRefused
                | Self::AccountLocked
                | Self::MailFailed
                | Self::BreachCheckSkipped
                | Self::PasswordHashUnusable
                | Self::UndecidedRoute
        )
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl EventSink for TracingSink {
    fn record(&self, event: Event) {
        let name = event.kind.as_str();
        let detail = Value::Object(event.detail);
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: "authlayer::event",
                    kind = name,
                    at = %event.at,
                    user.id = event.user_id.as_ref().map(tracing::field::display),
                    session.id = event.session_id.map(tracing::field::display),
                    actor.id = event.actor_id.as_ref().map(tracing::field::display),
                    client.address = event.ip.as_deref().map(tracing::field::debug),
                    user_agent.original = event.user_agent.as_deref().map(tracing::field::debug),
                    detail = %detail,
                    "{}",
                    name.replace('_', " "),
                )
            };
        }
        match event.kind {
            EventKind::Refreshed => log!(debug),
            kind if kind.is_warning() => log!(warn),
            _ => log!(info),
        }
    }
}
