//! Configures and builds an [`Auth`].

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{Auth, clocks, mails, sweep, trusted};
use crate::{
    audit::{self, AuditLog},
    clock::{Clock, SystemClock},
    config::ConfigError,
    crypto::seal::{SealingKey, SealingKeys},
    event::EventSink,
    flow::{
        account::AccountFlow, devices::DeviceFlow, pending::PendingFlow, sessions::SessionFlow,
    },
    hook::{AnyHook, AuthHook},
    limit::{Limits, RateLimits},
    mail::{AnyMailer, Mailer, Templates, outbox::Outbox, queue::Queue},
    model::UsernameRules,
    origin::OriginOptions,
    provider::Providers,
    redirect::Redirects,
    registry::{Flow, Registered, Registry},
    services::{Core, KeyCache, LoggedOnce, NoticeSink, SecondFactors},
    session::{SessionOptions, Sessions},
    skew::ClockCheck,
    store::Store,
    users::{Transitions, UserStorage, Users},
};

const MAIL_QUEUE: u32 = 1024;
const SWEEP: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

type Register = Box<dyn FnOnce(&mut Registry) -> Result<(), ConfigError> + Send>;

/// The configuration of an [`Auth`].
///
/// ```
/// # use authlayer::{Auth, ConfigError, Password, store::Store};
/// fn build(store: impl Store) -> Result<Auth, ConfigError> {
///     Auth::builder(store)
///         .origin("https://app.example.com")
///         .trusted_proxy("10.0.0.0/8")
///         .flow(Password::new())
///         .build()
/// }
/// ```
#[must_use]
pub struct AuthBuilder {
    store: Arc<dyn Store>,
    users: UserStorage,
    pub(super) origins: OriginOptions,
    pub(super) proxies: Vec<String>,
    pub(super) client_ip_header: Option<String>,
    mount: String,
    redirects: Vec<String>,
    error_page: Option<String>,
    cleanup_interval: Option<Duration>,
    max_clock_skew: clocks::MaxSkew,
    session: SessionOptions,
    clock: Arc<dyn Clock>,
    pub(super) sinks: Vec<Arc<dyn EventSink>>,
    pub(super) audit_log: Option<Duration>,
    pub(super) record_access_denied: bool,
    hooks: Vec<Arc<dyn AnyHook>>,
    mailer: Option<Arc<dyn AnyMailer>>,
    templates: Option<Arc<dyn Templates>>,
    mail_queue_capacity: u32,
    pub(super) delivers_stored: bool,
    notices: bool,
    limits: RateLimits,
    second_factors: SecondFactors,
    pub(super) sealing_keys: Option<Vec<SealingKey>>,
    pub(super) usernames: bool,
    pub(super) reserved_usernames: Vec<String>,
    flows: Vec<Register>,
}

impl Auth {
    /// Creates a builder on a store. An [`origin`](AuthBuilder::origin) is required; each sign-in
    /// method is a [`flow`](AuthBuilder::flow).
    pub fn builder(store: impl Store) -> AuthBuilder {
        AuthBuilder::new(Arc::new(store))
    }
}

impl AuthBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            users: UserStorage::managed(),
            origins: OriginOptions::default(),
            proxies: Vec::new(),
            client_ip_header: None,
            mount: "/auth".to_owned(),
            redirects: Vec::new(),
            error_page: None,
            cleanup_interval: Some(SWEEP),
            max_clock_skew: clocks::MaxSkew::HalfOfGrace,
            session: SessionOptions::default(),
            clock: Arc::new(SystemClock),
            sinks: Vec::new(),
            audit_log: None,
            record_access_denied: false,
            hooks: Vec::new(),
            mailer: None,
            templates: None,
            mail_queue_capacity: MAIL_QUEUE,
            delivers_stored: true,
            notices: true,
            limits: RateLimits::default(),
            second_factors: SecondFactors::new(),
            sealing_keys: None,
            usernames: false,
            reserved_usernames: Vec::new(),
            flows: Vec::new(),
        }
    }

    /// Sets the interval at which expired rows are deleted; every ten minutes by default. With
    /// `None`, only [`Auth::sweep`] deletes them.
    pub fn cleanup_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.cleanup_interval = interval.into();
        self
    }

    /// Sets the maximum difference between the clock of this process and the clock of the database:
    /// half the grace of refresh tokens by default, but at least a second.
    ///
    /// The clocks are compared at start, every minute, and before a sweep. A difference of more
    /// than a second is logged as a warning, and one of more than this maximum as an error; no
    /// sweep runs until they agree again. `None` disables the comparison, for example for a clock
    /// that a test sets. SQLite uses the clock of its machine, so nothing is compared.
    pub fn max_clock_skew(mut self, skew: impl Into<Option<Duration>>) -> Self {
        self.max_clock_skew = clocks::MaxSkew::of(skew.into());
        self
    }

    /// Sets the path at which [`Auth::router`] is nested, `/auth` by default. The callback URLs of
    /// providers are built from it (RFC 9700 §4.1).
    pub fn mount_path(mut self, path: impl Into<String>) -> Self {
        self.mount = path.into();
        self
    }

    /// Allows a redirect target after a sign-in with a provider, in addition to the paths of the
    /// application's origins: an origin with all its paths, or one exact URL such as
    /// `myapp://callback`.
    pub fn allow_redirect(mut self, place: impl Into<String>) -> Self {
        self.redirects.push(place.into());
        self
    }

    /// Sets the page to which a browser is redirected when a sign-in with a provider fails, with
    /// the error code in the parameter `error`: a path, or a URL of an
    /// [`origin`](Self::origin) or of one that is [allowed](Self::allow_redirect). Without it, the
    /// response is a problem document.
    pub fn error_page(mut self, page: impl Into<String>) -> Self {
        self.error_page = Some(page.into());
        self
    }

    /// Sets where users are stored; [`UserStorage::managed`] by default.
    pub fn users(mut self, users: UserStorage) -> Self {
        self.users = users;
        self
    }

    /// Adds a flow.
    pub fn flow(mut self, flow: impl Flow) -> Self {
        self.flows.push(Box::new(|registry| registry.add(flow)));
        self
    }

    /// Replaces the session options.
    pub fn session_options(mut self, options: SessionOptions) -> Self {
        self.session = options;
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds a hook, which can reject sign-ups, sign-ins and password resets. If there are several,
    /// each one must accept.
    pub fn hook(mut self, hook: impl AuthHook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Sets the mailer, which delivers messages.
    pub fn mailer(mut self, mailer: impl Mailer) -> Self {
        self.mailer = Some(Arc::new(mailer));
        self
    }

    /// Replaces the templates of messages. Without it, the flow `Pages` renders them with its words
    /// and its theme, and without that flow they are in English.
    pub fn templates(mut self, templates: impl Templates) -> Self {
        self.templates = Some(Arc::new(templates));
        self
    }

    /// Sets how many messages can be queued for delivery; 1024 by default. If the queue is full, a
    /// request for a message is answered with 503, whether or not the email address is registered.
    pub fn mail_queue_capacity(mut self, messages: u32) -> Self {
        self.mail_queue_capacity = messages;
        self
    }

    /// Sets whether users receive email about security-relevant changes: a new password or email
    /// address, a new device, a stolen token. On by default if there is a mailer.
    pub fn security_emails(mut self, tell: bool) -> Self {
        self.notices = tell;
        self
    }

    /// Replaces the rate limits.
    pub fn rate_limits(mut self, options: RateLimits) -> Self {
        self.limits = options;
        self
    }

    /// Sets the rules for second factors, such as of which users one is required.
    pub fn second_factors(mut self, rules: SecondFactors) -> Self {
        self.second_factors = rules;
        self
    }

    /// Checks everything and puts it together. Call it in a Tokio runtime: it starts the sweeper
    /// and other background tasks.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first invalid option.
    pub fn build(self) -> Result<Auth, ConfigError> {
        if self.origins.listed().is_empty() {
            return Err(ConfigError::NoOrigin);
        }
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let origins = self.origins.build()?;
        let proxies = trusted::proxies(&self.proxies, self.client_ip_header.as_deref())?;
        if self.cleanup_interval.is_some_and(|every| every < SECOND) {
            return Err(ConfigError::Sweep);
        }
        let well_formed = |path: &str| {
            path.starts_with('/')
                && !path.ends_with('/')
                && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b))
        };
        if !self.mount.is_empty() && !well_formed(&self.mount) {
            return Err(ConfigError::Mount(self.mount));
        }
        let redirects = Redirects::new(&origins, self.redirects, self.error_page)
            .map_err(ConfigError::Redirect)?;
        if self.mail_queue_capacity == 0 {
            return Err(ConfigError::MailQueue);
        }
        if let Some(problem) = self.session.problem() {
            return Err(ConfigError::Session(problem));
        }
        if let Some(problem) = self.session.cookie.problem(origins.hosts()) {
            return Err(ConfigError::Session(problem));
        }
        let sealing_keys = self.sealing_keys.map(SealingKeys::new).transpose();
        let sealing_keys = sealing_keys.map_err(ConfigError::SealingKeys)?;
        let cookies = self.session.cookie.names(origins.is_secure());
        let usernames = UsernameRules::new(self.usernames, &self.reserved_usernames);
        let (store, users) =
            self.users.over(self.store, self.usernames).map_err(ConfigError::UserStorage)?;
        let audit = self.audit_log.map(|keep| AuditLog::new(store.clone(), keep, &runtime));
        let sink = audit::sinks(self.sinks, audit.clone());
        let max_skew = self.max_clock_skew.limit(self.session.refresh.grace);
        let clocks = ClockCheck::new(store.clone(), Arc::clone(&self.clock), max_skew);
        let (clock, templates) = (Arc::clone(&self.clock), self.templates);
        let queue = Queue::new(Arc::clone(&clock), Arc::clone(&sink), self.mail_queue_capacity);
        let outbox = self
            .mailer
            .map(|mailer| Outbox::new(mailer, templates, clock, queue.clone(), store.clone()));
        let transitions = Arc::new(Transitions::new(Arc::clone(&users), store.clone()));
        let core = Arc::new_cyclic(|me| {
            let noticing = NoticeSink::new(sink, me.clone());
            let events: Arc<dyn EventSink> = Arc::new(noticing);
            Core {
                key_cache: KeyCache::new(&self.session, &*users, store.changes()),
                sessions: Sessions::new(
                    store.clone(),
                    users,
                    Arc::clone(&self.clock),
                    Arc::clone(&events),
                    self.session,
                    store.changes(),
                )
                .with_transitions(transitions.clone()),
                directory: Users::new(
                    transitions.clone(),
                    store.clone(),
                    Arc::clone(&self.clock),
                    Arc::clone(&events),
                    self.hooks.clone(),
                    usernames.clone(),
                    me.clone(),
                ),
                users: transitions.clone(),
                transitions,
                credentials: store.clone(),
                challenges: store.clone(),
                keys: store.clone(),
                standings: store.clone(),
                changes: store.clone(),
                limits: Limits::new(
                    store,
                    Arc::clone(&self.clock),
                    Arc::clone(&events),
                    self.limits,
                    proxies.is_empty() && origins.is_secure(),
                ),
                outbox,
                queue,
                notices: self.notices,
                second_factors: self.second_factors,
                sealing_keys,
                usernames,
                offers: OnceLock::new(),
                audit,
                records_access_denied: self.record_access_denied,
                hooks: self.hooks,
                me: me.clone(),
                clock: self.clock,
                clocks,
                events,
                origins,
                cookies,
                proxies,
                redirects,
                providers: Providers::default(),
                mount: self.mount,
                logged: LoggedOnce::default(),
            }
        });
        let mut registry = Registry::new(Arc::clone(&core));
        // The flows that are always registered.
        registry.add(SessionFlow)?;
        registry.add(AccountFlow)?;
        registry.add(PendingFlow)?;
        registry.add(DeviceFlow)?;
        if self.flows.is_empty() {
            tracing::warn!(
                "no flow is registered, so the router has no way to sign in: add one with .flow(…), \
                 for example .flow(Password::new())"
            );
        }
        for register in self.flows {
            register(&mut registry)?;
        }
        let Registered { routes, shelf } = registry.finish()?;
        if let Some(every) = self.cleanup_interval {
            sweep::keep_sweeping(&core, &runtime, every);
        }
        clocks::keep_comparing(&core, &runtime);
        mails::deliver_at_start(&core, &runtime, self.delivers_stored);
        Ok(Auth { core, routes: Arc::new(routes), shelf })
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("origins", &self.origins.listed())
            .finish_non_exhaustive()
    }
}
