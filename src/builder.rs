//! From a store, an origin and flows to an [`Auth`].

use std::{fmt, sync::Arc};

use crate::{
    auth::{Auth, Core},
    clock::{Clock, SystemClock},
    event::{EventSink, TracingSink},
    flow::{self, Flow, Mounted},
    mail::Mailer,
    origin::{InvalidOrigin, Origins},
    session::{SessionOptions, Sessions},
    store::Store,
};

type Mount = Box<dyn FnOnce(&Arc<Core>) -> Result<Mounted, ConfigError> + Send>;

/// Collects what an [`Auth`] is made of.
#[must_use]
pub struct AuthBuilder {
    store: Arc<dyn Store>,
    origins: Vec<String>,
    session: SessionOptions,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    mailer: Option<Arc<dyn Mailer>>,
    flows: Vec<Mount>,
}

/// The configuration cannot stand; said at build, never at a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No origin was given.
    #[error("give the public origin of the application: .origin(\"https://app.example.com\")")]
    NoOrigin,
    /// An origin cannot be used.
    #[error(transparent)]
    Origin(#[from] InvalidOrigin),
    /// A session option cannot stand.
    #[error("session: {0}")]
    Session(&'static str),
    /// An option of a flow cannot stand.
    #[error("{flow}: {problem}")]
    Flow {
        /// Which flow.
        flow: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl AuthBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            origins: Vec::new(),
            session: SessionOptions::default(),
            clock: Arc::new(SystemClock),
            events: Arc::new(TracingSink),
            mailer: None,
            flows: Vec::new(),
        }
    }

    /// Adds a public origin of the application, as a browser writes it:
    /// `https://app.example.com`. The first is the one that cookies are made for.
    ///
    /// # Security
    ///
    /// Requests from these origins count as the application's own. Plain `http` is taken
    /// on loopback only, and then cookies have no `__Host-` prefix and no `Secure`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Adds a flow.
    pub fn flow(mut self, flow: impl Flow) -> Self {
        self.flows.push(Box::new(|core| Mounted::new(flow, core)));
        self
    }

    /// Replaces the session options.
    pub fn session(mut self, options: SessionOptions) -> Self {
        self.session = options;
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Replaces where events go; by default to `tracing`.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Arc::new(sink);
        self
    }

    /// Sets how messages leave.
    pub fn mailer(mut self, mailer: impl Mailer) -> Self {
        self.mailer = Some(Arc::new(mailer));
        self
    }

    /// Checks everything and puts it together.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first thing that cannot stand.
    pub fn build(self) -> Result<Auth, ConfigError> {
        if self.origins.is_empty() {
            return Err(ConfigError::NoOrigin);
        }
        let origins = Origins::parse(self.origins.iter().map(String::as_str))?;
        if let Some(problem) = self.session.problem() {
            return Err(ConfigError::Session(problem));
        }
        let core = Arc::new(Core {
            sessions: Sessions::new(
                self.store.clone(),
                self.store.clone(),
                Arc::clone(&self.clock),
                Arc::clone(&self.events),
                self.session,
            ),
            users: self.store.clone(),
            credentials: self.store,
            clock: self.clock,
            events: self.events,
            mailer: self.mailer,
            origins,
        });
        let mut flows = vec![flow::always_on(&core)?];
        for mount in self.flows {
            flows.push(mount(&core)?);
        }
        Ok(Auth { core, flows: flows.into() })
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder").field("origins", &self.origins).finish_non_exhaustive()
    }
}
