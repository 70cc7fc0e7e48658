//! From a store, an origin and flows to an [`Auth`].

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{Auth, clocks, sweep};
use crate::{
    audit::Audit,
    clock::{Clock, SystemClock},
    config::ConfigError,
    event::{EventSink, Sinks, TracingSink},
    flow::{
        account::AccountFlow, devices::DeviceFlow, pending::PendingFlow, sessions::SessionFlow,
    },
    hook::AuthHook,
    limit::{LimitOptions, Limits},
    mail::{BuiltIn, Mailer, Templates, outbox::Outbox, queue::Queue},
    network::Proxies,
    origin::Origins,
    provider::Providers,
    redirect::Redirects,
    registry::{Flow, Registered, Registry},
    services::{Core, KeyCache, NoticeSink, SecondFactors},
    session::{SessionOptions, Sessions},
    skew::ClockCheck,
    store::Store,
    users::{UserService, Users},
};

const MAIL_QUEUE: u32 = 1024;
const SWEEP: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

type Register = Box<dyn FnOnce(&mut Registry) -> Result<(), ConfigError> + Send>;

/// Collects what an [`Auth`] is made of.
#[must_use]
pub struct AuthBuilder {
    store: Arc<dyn Store>,
    users: Users,
    origins: Vec<String>,
    proxies: Vec<String>,
    mount: String,
    redirects: Vec<String>,
    error_page: Option<String>,
    sweep_every: Option<Duration>,
    max_clock_skew: Option<Option<Duration>>,
    session: SessionOptions,
    clock: Arc<dyn Clock>,
    sinks: Vec<Arc<dyn EventSink>>,
    keep_events: Option<Duration>,
    hooks: Vec<Arc<dyn AuthHook>>,
    mailer: Option<Arc<dyn Mailer>>,
    templates: Arc<dyn Templates>,
    mail_queue: u32,
    notices: bool,
    limits: LimitOptions,
    second_factors: SecondFactors,
    flows: Vec<Register>,
}

impl Auth {
    /// Begins a configuration over a store. What else must be given: an
    /// [`origin`](AuthBuilder::origin), and at least one [`flow`](AuthBuilder::flow).
    pub fn builder(store: impl Store) -> AuthBuilder {
        AuthBuilder::new(Arc::new(store))
    }
}

impl AuthBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            users: Users::managed(),
            origins: Vec::new(),
            proxies: Vec::new(),
            mount: "/auth".to_owned(),
            redirects: Vec::new(),
            error_page: None,
            sweep_every: Some(SWEEP),
            max_clock_skew: None,
            session: SessionOptions::default(),
            clock: Arc::new(SystemClock),
            sinks: Vec::new(),
            keep_events: None,
            hooks: Vec::new(),
            mailer: None,
            templates: Arc::new(BuiltIn::default()),
            mail_queue: MAIL_QUEUE,
            notices: true,
            limits: LimitOptions::default(),
            second_factors: SecondFactors::new(),
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

    /// Believes `X-Forwarded-For` from a proxy at this address or in this network
    /// (`"10.0.0.0/8"`): the client is then the rightmost hop that is no such proxy. Without
    /// it the client is whoever holds the socket, where the server was started with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    ///
    /// # Security
    ///
    /// Name proxies alone: whoever is in the network can pretend to be any address.
    pub fn trusted_proxy(mut self, network: impl Into<String>) -> Self {
        self.proxies.push(network.into());
        self
    }

    /// Sets how often what has ended is removed; every ten minutes by default. With `None`
    /// only [`Auth::sweep`] does it.
    pub fn sweep_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.sweep_every = interval.into();
        self
    }

    /// Sets how far the clock of this process may be from the clock of the database: half the
    /// grace of refresh tokens by default, but at least a second.
    ///
    /// The clocks are compared at start, every minute, and before a sweep. A difference of more
    /// than a second is logged as a warning, and one of more than this as an error; until they
    /// agree again, nothing is swept. `None` turns the comparison off, for example for a clock
    /// that a test moves. SQLite has the clock of its machine, so that nothing is compared.
    pub fn max_clock_skew(mut self, skew: impl Into<Option<Duration>>) -> Self {
        self.max_clock_skew = Some(skew.into());
        self
    }

    /// Names the path at which [`Auth::router`] is nested, `/auth` unless said otherwise: the
    /// addresses that providers send browsers back to are made of it (RFC 9700 §4.1).
    pub fn mounted_at(mut self, path: impl Into<String>) -> Self {
        self.mount = path.into();
        self
    }

    /// Admits a place to go after a sign-in by a provider, beyond the paths of the own
    /// origins: an origin with all its paths, or one exact address such as `myapp://callback`.
    pub fn allow_redirect(mut self, place: impl Into<String>) -> Self {
        self.redirects.push(place.into());
        self
    }

    /// Names the page that a browser is sent to when a sign-in by a provider fails, with the
    /// code as `error`. Without one it is shown the problem document.
    pub fn error_page(mut self, path: impl Into<String>) -> Self {
        self.error_page = Some(path.into());
        self
    }

    /// Sets where users live; [`Users::managed`] without a word.
    pub fn users(mut self, users: Users) -> Self {
        self.users = users;
        self
    }

    /// Adds a flow.
    pub fn flow(mut self, flow: impl Flow) -> Self {
        self.flows.push(Box::new(|registry| registry.add(flow)));
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

    /// Adds where events go; without a word to `tracing`.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Keeps events in the store, in the table `auth_events`, for so long:
    /// [`Auth::audit`] finds them. They hold no secret; but who did what from where is personal
    /// data, so choose how long with care.
    pub fn keep_events(mut self, time: Duration) -> Self {
        self.keep_events = Some(time);
        self
    }

    /// Gives the application a say before somebody signs up or in; of several, each is asked.
    pub fn hook(mut self, hook: impl AuthHook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Sets how messages leave.
    pub fn mailer(mut self, mailer: impl Mailer) -> Self {
        self.mailer = Some(Arc::new(mailer));
        self
    }

    /// Replaces the words of messages.
    pub fn templates(mut self, templates: impl Templates) -> Self {
        self.templates = Arc::new(templates);
        self
    }

    /// Sets how many messages may wait for their delivery: 1024. Beyond it, whoever asks for
    /// one gets 503, whether or not the address is known.
    pub fn mail_queue(mut self, messages: u32) -> Self {
        self.mail_queue = messages;
        self
    }

    /// Sets whether users are told by mail of what concerns their safety: changes of password
    /// and address, new devices, stolen tokens. On where there is a mailer.
    pub fn notices(mut self, tell: bool) -> Self {
        self.notices = tell;
        self
    }

    /// Replaces the limits.
    pub fn limits(mut self, options: LimitOptions) -> Self {
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
    /// [`ConfigError`] for the first thing that cannot stand.
    pub fn build(self) -> Result<Auth, ConfigError> {
        if self.origins.is_empty() {
            return Err(ConfigError::NoOrigin);
        }
        let runtime = Handle::try_current().map_err(|_| ConfigError::NoRuntime)?;
        let origins = Origins::parse(self.origins.iter().map(String::as_str))?;
        let proxies = Proxies::parse(self.proxies.iter().map(String::as_str))?;
        if self.sweep_every.is_some_and(|every| every < SECOND) {
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
        if self.mail_queue == 0 {
            return Err(ConfigError::MailQueue);
        }
        if let Some(problem) = self.session.problem() {
            return Err(ConfigError::Session(problem));
        }
        if let Some(problem) = self.session.cookie.problem(origins.hosts()) {
            return Err(ConfigError::Session(problem));
        }
        let cookies = self.session.cookie.names(origins.is_secure());
        let (store, users) = self.users.over(self.store);
        let audit = self.keep_events.map(|keep| Audit::new(store.clone(), keep, &runtime));
        let mut sinks = self.sinks;
        sinks.extend(audit.clone().map(|audit| Arc::new(audit) as Arc<dyn EventSink>));
        let sink: Arc<dyn EventSink> =
            if sinks.is_empty() { Arc::new(TracingSink) } else { Arc::new(Sinks(sinks)) };
        let grace = self.session.refresh.grace;
        let max_skew = self.max_clock_skew.unwrap_or(Some((grace / 2).max(SECOND)));
        let clocks = ClockCheck::new(store.clone(), Arc::clone(&self.clock), max_skew);
        let (clock, events) = (Arc::clone(&self.clock), Arc::clone(&sink));
        let templates = self.templates;
        let queue = Queue::new(Arc::clone(&clock), events, self.mail_queue);
        let outbox = self.mailer.map(|mailer| Outbox::new(mailer, templates, clock, queue.clone()));
        let core = Arc::new_cyclic(|me| {
            let noticing = NoticeSink::new(sink, me.clone());
            let events: Arc<dyn EventSink> = Arc::new(noticing);
            Core {
                key_cache: KeyCache::new(&self.session, &*users, store.changes()),
                sessions: Sessions::new(
                    store.clone(),
                    Arc::clone(&users),
                    Arc::clone(&self.clock),
                    Arc::clone(&events),
                    self.session,
                    store.changes(),
                ),
                directory: UserService::new(
                    Arc::clone(&users),
                    store.clone(),
                    Arc::clone(&self.clock),
                    Arc::clone(&events),
                ),
                users,
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
                offers: OnceLock::new(),
                audit,
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
                nameless: OnceLock::new(),
            }
        });
        let mut registry = Registry::new(Arc::clone(&core));
        // The flows that every application has.
        registry.add(SessionFlow)?;
        registry.add(AccountFlow)?;
        registry.add(PendingFlow)?;
        registry.add(DeviceFlow)?;
        for register in self.flows {
            register(&mut registry)?;
        }
        let Registered { routes, shelf } = registry.finish()?;
        if let Some(every) = self.sweep_every {
            sweep::keep_sweeping(&core, &runtime, every);
        }
        clocks::keep_comparing(&core, &runtime);
        Ok(Auth { core, routes: Arc::new(routes), shelf })
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder").field("origins", &self.origins).finish_non_exhaustive()
    }
}
