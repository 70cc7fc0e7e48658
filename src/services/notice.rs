//! The client of events, and events that a user is notified of.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use crate::{
    event::{Event, EventKind, EventSink},
    mail::{MessageKind, Occasion},
    services::Core,
};

/// Forwards every event with the client of the request, and notifies the user of a stolen refresh
/// token by email.
pub(crate) struct NoticeSink {
    inner: Arc<dyn EventSink>,
    core: Weak<Core>,
}

impl NoticeSink {
    pub(crate) fn new(inner: Arc<dyn EventSink>, core: Weak<Core>) -> Self {
        Self { inner, core }
    }
}

impl EventSink for NoticeSink {
    fn record(&self, event: Event) {
        let event = event.of_request();
        let stolen = event.kind == EventKind::RefreshReused;
        let (user, ip) = (event.user_id.clone().filter(|_| stolen), event.ip.clone());
        self.inner.record(event);
        let (Some(id), Some(core)) = (user, self.core.upgrade()) else { return };
        if !core.notices || core.outbox.is_none() {
            return;
        }
        tokio::spawn(async move {
            match core.users.find_user(&id).await {
                Ok(Some(user)) => core.notify(
                    &user,
                    MessageKind::RefreshReuse,
                    Occasion { ip, ..Occasion::default() },
                ),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(cause = %error, "a user was not notified of a stolen refresh token")
                }
            }
        });
    }
}

impl fmt::Debug for NoticeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
