//! The handle that an application holds.

use std::{fmt, sync::Arc};

use super::AuthBuilder;
use crate::{
    audit::Audit, flow::Mounted, services::Core, session::Sessions, store::Store,
    users::UserService,
};

/// Sign-in for one application: a cheap handle, cloned at will.
///
/// [`Auth::layer`] goes around the routes, [`Auth::router`] is nested among them, and
/// handlers take [`AuthUser`](crate::AuthUser).
#[derive(Clone)]
pub struct Auth {
    pub(crate) core: Arc<Core>,
    pub(crate) flows: Arc<[Mounted]>,
}

impl Auth {
    /// Begins a configuration over a store. What else must be given: an
    /// [`origin`](AuthBuilder::origin), and at least one [`flow`](AuthBuilder::flow).
    pub fn builder(store: impl Store) -> AuthBuilder {
        AuthBuilder::new(Arc::new(store))
    }

    /// Sessions, without HTTP.
    pub fn sessions(&self) -> &Sessions {
        &self.core.sessions
    }

    /// Users, without HTTP.
    pub fn users(&self) -> &UserService {
        &self.core.directory
    }

    /// Waits until every message that was written has been delivered or given up, every event
    /// is kept and every use of a session noted: the last thing to do before the process ends.
    pub async fn drain(&self) {
        if let Some(outbox) = &self.core.outbox {
            outbox.drain().await;
        }
        if let Some(audit) = &self.core.audit {
            audit.flush().await;
        }
        self.core.sessions.drain().await;
    }

    /// The events that were kept, where [`AuthBuilder::keep_events`] says so.
    pub fn audit(&self) -> Option<&Audit> {
        self.core.audit.as_ref()
    }

    /// The service of a flow, without HTTP: `auth.flow::<PasswordService>()`. `None` when
    /// that flow is not registered.
    pub fn flow<S: 'static>(&self) -> Option<&S> {
        self.flows.iter().find_map(|flow| flow.service.downcast_ref())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("core", &self.core).finish_non_exhaustive()
    }
}
