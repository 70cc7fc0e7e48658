//! The options of events.

use std::{sync::Arc, time::Duration};

use super::AuthBuilder;
use crate::event::EventSink;

impl AuthBuilder {
    /// Adds a sink of events. Without any sink, events are logged by `tracing`, with or without an
    /// audit log.
    pub fn event_sink(mut self, sink: impl EventSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Stores events in the table `auth_events` for this duration;
    /// [`Auth::audit_log`](crate::Auth::audit_log) queries them. They contain no secrets, but the
    /// actions and IP addresses of users are personal data: choose the duration with care.
    pub fn audit_log(mut self, time: Duration) -> Self {
        self.audit_log = Some(time);
        self
    }

    /// Sets whether a request that a guard rejects with 401 or 403 is an event
    /// [`AccessDenied`](crate::EventKind::AccessDenied); off by default, since every request without
    /// a session would be one.
    ///
    /// ```
    /// # use authlayer::AuthBuilder;
    /// # fn doc(builder: AuthBuilder) -> AuthBuilder {
    /// builder.record_access_denied(true)
    /// # }
    /// ```
    pub fn record_access_denied(mut self, record: bool) -> Self {
        self.record_access_denied = record;
        self
    }
}
