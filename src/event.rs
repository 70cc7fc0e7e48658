//! Authentication events.
//!
//! Every authentication operation is recorded as an [`Event`], success or failure (ASVS 16.3.1). An
//! event refers to users and sessions by id. It contains no secrets and no raw input: text that was
//! entered into the wrong field does not reach a log.

mod kind;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

pub use kind::EventKind;

use crate::model::{ClientInfo, SessionId, UserId, name};

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
