//! The handle that an application holds.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use super::AuthBuilder;
use crate::{
    audit::Audit,
    clock::Clock,
    error::AuthError,
    event::{Event, EventKind, EventSink},
    flow::Mounted,
    hook::Hook,
    identity::Providers,
    limit::Limits,
    mail::outbox::Outbox,
    model::{Client, Factor, User},
    network::Proxies,
    origin::Origins,
    proof::{CodePolicy, KeyCache, NewPasswords},
    redirect::Redirects,
    session::{CookieNames, Sessions},
    skew::ClockCheck,
    store::{AccountStore, ChallengeStore, CredentialStore, KeyStore, StandingStore, Store},
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

/// What flows and the HTTP ring work with.
pub struct Core {
    pub(crate) sessions: Sessions,
    pub(crate) users: Arc<dyn AccountStore>,
    pub(crate) directory: UserService,
    pub(crate) credentials: Arc<dyn CredentialStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clocks: ClockCheck,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) challenges: Arc<dyn ChallengeStore>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) standings: Arc<dyn StandingStore>,
    /// Sweeps the records of changes and of deleted users.
    pub(crate) changes: Arc<dyn Store>,
    pub(crate) limits: Limits,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) notices: bool,
    /// What [`Codes`](crate::flow::codes::Codes) asks for, where it is registered.
    pub(crate) codes: OnceLock<CodePolicy>,
    pub(crate) passwords: OnceLock<Arc<dyn NewPasswords>>,
    /// How long a link of [`Reset`](crate::Reset) is good, and for how many attempts.
    pub(crate) resets: OnceLock<(Duration, u32)>,
    /// Whether [`Passkeys`](crate::flow) is registered.
    pub(crate) passkeys: OnceLock<()>,
    /// Whether [`Anonymous`](crate::Anonymous) is registered.
    pub(crate) anonymous: OnceLock<()>,
    /// Whether [`ApiKeys`](crate::ApiKeys) is registered.
    pub(crate) api_keys: OnceLock<()>,
    /// Keys that were fetched, if sessions are cached.
    pub(crate) key_cache: Option<KeyCache>,
    pub(crate) audit: Option<Audit>,
    pub(crate) hooks: Vec<Arc<dyn Hook>>,
    pub(crate) me: Weak<Core>,
    pub(crate) origins: Origins,
    pub(crate) cookies: CookieNames,
    pub(crate) proxies: Proxies,
    pub(crate) redirects: Redirects,
    pub(crate) providers: Providers,
    pub(crate) mount: String,
    /// It was said that requests come without an address.
    pub(crate) nameless: OnceLock<()>,
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

impl Core {
    /// A handle for work that goes on after the answer.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// Asks the application before somebody signs up.
    pub(crate) async fn may_sign_up(&self, user: &User, client: &Client) -> Result<(), AuthError> {
        for hook in &self.hooks {
            hook.before_sign_up(user, client).await?;
        }
        Ok(())
    }

    /// Asks the application before somebody signs in.
    pub(crate) async fn may_sign_in(
        &self,
        user: &User,
        factor: Factor,
        client: &Client,
    ) -> Result<(), AuthError> {
        for hook in &self.hooks {
            hook.before_sign_in(user, factor, client).await?;
        }
        Ok(())
    }

    pub(crate) fn event(&self, kind: EventKind) -> Event {
        Event::new(kind, self.clock.now())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("core", &self.core).finish_non_exhaustive()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("sessions", &self.sessions)
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}
