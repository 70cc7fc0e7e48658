//! The routes of the testbed over an [`Auth`] that is built from a configuration.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use authlayer::{
    AccountRecovery, Admin, AnonymousUsers, ApiKeys, Auth, AuthBuilder, AuthUser, CacheOptions,
    ConnectedUser, CookieOptions, DeviceBound, DeviceGrant, Dpop, EmailCodes, EmailSignIn,
    ErrorKind, Factor, ForwardAuth, GitHub, Introspection, OAuth2, Oidc, OpenApi, Pages, Passkeys,
    Password, PasswordReset, PgStore, PgStoreOptions, ProtectedResource, RateLimits, RecoveryCodes,
    RequireUser, Rule, SameSite, SealingKey, SecondFactors, ServiceTokens, SessionOptions,
    SqliteStore, Theme, TokenSink, TokenTransports, Totp, User, UserId, UserStatus, UserStorage,
    UserTable, UserTableError,
    clock::Clock,
    crypto::password::{Argon2Params, PasswordHashing, PasswordPolicy},
    flow::{
        LinkedIdentity, ProviderError, ProviderTokens,
        oauth2::{OAuth2Endpoints, UserInfoMap},
        oidc::Algorithm,
    },
    model::RefreshPolicy,
    store::sql::Statements,
    testing::{EventRecorder, Mailbox, ManualClock},
    users::CachePolicy,
};
use axum::{
    Json, Router,
    extract::{
        Path, Query, State,
        ws::{CloseFrame, Message, WebSocketUpgrade},
    },
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use sqlx::Connection;

use crate::places::{self, Book, Directory, Memory};

type Failure = Box<dyn std::error::Error>;

/// The configuration. All members are optional; options of flows that are not enabled are ignored.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) listen: String,
    pub(crate) database: String,
    pub(crate) pool_max: u32,
    pub(crate) pooled: bool,
    pub(crate) origin: String,
    pub(crate) session_mode: String,
    pub(crate) cache_ms: Option<u64>,
    pub(crate) user_mode: String,
    pub(crate) access_ttl_s: u64,
    pub(crate) refresh_ttl_s: u64,
    pub(crate) max_lifetime_s: u64,
    pub(crate) fresh_s: u64,
    pub(crate) grace_ms: u64,
    pub(crate) lost_answer_ms: u64,
    pub(crate) max_rotations: u32,
    pub(crate) sign_up: bool,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) verify_email: bool,
    pub(crate) sign_in_code: bool,
    pub(crate) change_code: bool,
    pub(crate) code_ttl_s: u64,
    pub(crate) code_attempts: u32,
    pub(crate) code_interval_s: u64,
    pub(crate) reset_ttl_s: u64,
    pub(crate) limits: bool,
    pub(crate) argon2: Option<Costs>,
    pub(crate) oidc: Vec<OidcConfig>,
    pub(crate) github: Option<GitHubConfig>,
    pub(crate) oauth2: Vec<OAuth2Config>,
    pub(crate) introspection: Vec<IntrospectionConfig>,
    pub(crate) tokens: Option<TokensConfig>,
    pub(crate) device_grant: Option<DeviceGrantConfig>,
    pub(crate) forward_auth: ForwardAuthConfig,
    pub(crate) protected_resource: Option<ResourceConfig>,
    pub(crate) redirect_allow: Vec<String>,
    pub(crate) error_page: Option<String>,
    #[serde(alias = "link_verified_email")]
    pub(crate) auto_link_verified_email: bool,
    pub(crate) email_sign_in: bool,
    pub(crate) totp: bool,
    pub(crate) device_bound: bool,
    pub(crate) dpop: bool,
    pub(crate) usernames: bool,
    pub(crate) pages: bool,
    /// Whether users with the role `admin` administer.
    pub(crate) admin: bool,
    pub(crate) openapi: bool,
    pub(crate) two_step_required_role: Option<String>,
    pub(crate) cookie: CookieConfig,
    /// Whether the clock is compared with that of the database. A clock that tests set differs from
    /// it.
    pub(crate) compare_clocks: bool,
    pub(crate) keep_events: bool,
    /// The minimum length of a password that is the only factor.
    pub(crate) min_length_alone: Option<usize>,
    /// `required` or `preferred`, for passkeys.
    pub(crate) user_verification: String,
    /// `required` or `preferred`, for passkeys.
    pub(crate) resident_key: String,
    /// Whether passkeys are managed only after a passkey was verified.
    pub(crate) require_passkey_to_manage: bool,
    /// The keys that seal secrets, in base64, the newest first.
    pub(crate) sealing_keys: Vec<String>,
}

/// 32 bytes each: the keys are part of the source, since they protect nothing of value.
const SEALING_KEYS: [&str; 2] = [
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
];

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct CookieConfig {
    name: Option<String>,
    domain: Option<String>,
    same_site: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct OidcConfig {
    id: String,
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
    #[serde(default)]
    link_only: bool,
    #[serde(default, alias = "keep_id_token")]
    store_id_token: bool,
    #[serde(default, alias = "secret_in_body")]
    client_secret_post: bool,
    #[serde(default)]
    trust_second_factor: bool,
    max_age_s: Option<u64>,
    #[serde(default)]
    algorithms: Vec<String>,
    #[serde(default)]
    form_post: bool,
    #[serde(default)]
    id_token_audiences: Vec<String>,
    #[serde(default)]
    tenants: Vec<String>,
    #[serde(default)]
    events: bool,
    #[serde(default)]
    allow: AllowConfig,
}

/// The parameters that a link to `start` can add to the authorization request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AllowConfig {
    prompt: Vec<String>,
    scope: Vec<String>,
    login_hint: bool,
}

/// The rules of forward authentication by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ForwardAuthConfig {
    rules: BTreeMap<String, RuleConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RuleConfig {
    Role(String),
    Scope(String),
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TokensConfig {
    audiences: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ResourceConfig {
    resource: String,
    authorization_servers: Vec<String>,
}

/// The programs that may ask for a session.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DeviceGrantConfig {
    clients: Vec<ProgramConfig>,
    /// The page of the application; by default that of the flow `Pages`.
    verification_uri: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProgramConfig {
    id: String,
    name: String,
}

#[derive(Clone, Deserialize)]
pub(crate) struct IntrospectionConfig {
    id: String,
    secret: String,
}

#[derive(Clone, Deserialize)]
pub(crate) struct OAuth2Config {
    id: String,
    authorize_url: String,
    token_url: String,
    user_info_url: String,
    client_id: String,
    client_secret: Option<String>,
    map: MapConfig,
}

/// JSON pointers to the members of a profile.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MapConfig {
    subject: String,
    email: Option<String>,
    email_verified: Option<String>,
    name: Option<String>,
    picture: Option<String>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct GitHubConfig {
    client_id: String,
    client_secret: String,
    web_url: Option<String>,
    api_url: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Costs {
    m: u32,
    t: u32,
    p: u32,
}

/// A configured application with the handles that tests use.
#[derive(Clone)]
pub(crate) struct Testbed {
    pub(crate) auth: Auth,
    pub(crate) clock: ManualClock,
    pub(crate) watch: EventRecorder,
    pub(crate) mailbox: Mailbox,
    pub(crate) store: Store,
    /// Whether `/admin` requires two factors.
    requires_two_factors: bool,
    book: Book,
    directory: Directory,
    /// The tokens of providers, as the application stores them.
    #[allow(dead_code, reason = "read by the API tests, which share this file")]
    pub(crate) tokens: TokenMemory,
    /// The number of statements by the routes of the testbed itself.
    unseen: Arc<AtomicU64>,
}

/// The tokens of providers in memory, in place of a table of the application.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenMemory(Arc<Mutex<Vec<(LinkedIdentity, ProviderTokens)>>>);

impl TokenMemory {
    #[allow(dead_code, reason = "used by the API tests, which share this file")]
    pub(crate) fn all(&self) -> Vec<(LinkedIdentity, ProviderTokens)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(LinkedIdentity, ProviderTokens)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenSink for TokenMemory {
    async fn store(
        &self,
        identity: &LinkedIdentity,
        tokens: ProviderTokens,
    ) -> Result<(), ProviderError> {
        self.lock().push((identity.clone(), tokens));
        Ok(())
    }

    async fn take_refresh_token(
        &self,
        identity: &LinkedIdentity,
    ) -> Result<Option<String>, ProviderError> {
        let mut all = self.lock();
        let own = |entry: &(LinkedIdentity, ProviderTokens)| entry.0 == *identity;
        let newest = all.iter().rev().filter(|entry| own(entry));
        let token = { newest }.find_map(|(_, tokens)| tokens.refresh_token.clone());
        all.retain(|entry| !own(entry));
        Ok(token)
    }
}

/// The store of the testbed.
#[derive(Clone)]
pub(crate) enum Store {
    Sqlite(SqliteStore),
    Postgres(PgStore),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            database: "sqlite::memory:".to_owned(),
            pool_max: 10,
            pooled: false,
            origin: "http://localhost:3000".to_owned(),
            session_mode: "both".to_owned(),
            cache_ms: None,
            user_mode: "managed".to_owned(),
            access_ttl_s: 900,
            refresh_ttl_s: 2_592_000,
            max_lifetime_s: 7_776_000,
            fresh_s: 600,
            grace_ms: 10_000,
            lost_answer_ms: 900_000,
            max_rotations: 10_000,
            sign_up: true,
            trusted_proxies: Vec::new(),
            verify_email: false,
            sign_in_code: false,
            change_code: false,
            code_ttl_s: 600,
            code_attempts: 5,
            code_interval_s: 60,
            reset_ttl_s: 1800,
            limits: true,
            argon2: None,
            oidc: Vec::new(),
            github: None,
            oauth2: Vec::new(),
            introspection: Vec::new(),
            tokens: None,
            device_grant: None,
            forward_auth: ForwardAuthConfig::default(),
            protected_resource: None,
            redirect_allow: Vec::new(),
            error_page: None,
            auto_link_verified_email: true,
            email_sign_in: true,
            totp: true,
            device_bound: false,
            dpop: false,
            usernames: false,
            pages: true,
            admin: true,
            openapi: true,
            two_step_required_role: None,
            cookie: CookieConfig::default(),
            compare_clocks: true,
            keep_events: true,
            min_length_alone: None,
            user_verification: "required".to_owned(),
            resident_key: "required".to_owned(),
            require_passkey_to_manage: false,
            sealing_keys: SEALING_KEYS.map(str::to_owned).to_vec(),
        }
    }
}

impl Store {
    pub(crate) async fn open(url: &str, pool_max: u32) -> Result<Self, Failure> {
        Ok(match url.strip_prefix("sqlite:") {
            Some(":memory:") => Self::Sqlite(SqliteStore::memory().await?),
            Some(path) => {
                Self::Sqlite(SqliteStore::open_with(path, pool_max.saturating_sub(1)).await?)
            }
            None => Self::Postgres(PgStore::connect_with(url, pool_max).await?),
        })
    }

    pub(crate) fn statements(&self) -> Statements {
        match self {
            Self::Sqlite(store) => store.statements(),
            Self::Postgres(store) => store.statements(),
        }
    }

    pub(crate) async fn mapped(&self, table: UserTable) -> Result<UserStorage, UserTableError> {
        match self {
            Self::Sqlite(store) => UserStorage::mapped(store, table).await,
            Self::Postgres(store) => UserStorage::mapped(store, table).await,
        }
    }

    /// Creates the table of an application for SQLite or PostgreSQL, unless it exists.
    async fn make_table(
        &self,
        url: &str,
        table: UserTable,
        [sqlite, postgres]: [&'static str; 2],
    ) -> Result<(), Failure> {
        if self.mapped(table).await.is_ok() {
            return Ok(());
        }
        match self {
            Self::Sqlite(_) => {
                let file = url.trim_start_matches("sqlite:");
                let mut connection = sqlx::SqliteConnection::connect(file).await?;
                sqlx::raw_sql(sqlite).execute(&mut connection).await?;
            }
            Self::Postgres(_) => {
                let mut connection = sqlx::PgConnection::connect(url).await?;
                sqlx::raw_sql(postgres).execute(&mut connection).await?;
            }
        }
        Ok(())
    }

    #[allow(dead_code, reason = "used by the API tests, which share this file")]
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

impl Testbed {
    pub(crate) async fn build(config: Config, clock: ManualClock) -> Result<Self, Failure> {
        let store = if config.pooled {
            let options = PgStoreOptions::new().pooled().max_connections(config.pool_max);
            Store::Postgres(options.connect(&config.database).await?)
        } else {
            Store::open(&config.database, config.pool_max).await?
        };
        let (book, directory) = (Book::default(), Directory::default());
        let rules = CachePolicy::default().fresh(Duration::ZERO);
        let users = match config.user_mode.as_str() {
            "managed" => UserStorage::managed(),
            "managed_with_claims" => UserStorage::managed_with_claims_cached(book.clone(), rules),
            "mapped" => {
                store.make_table(&config.database, places::accounts(), places::ACCOUNTS).await?;
                store.mapped(places::accounts()).await?
            }
            "mapped_thin" => {
                store.make_table(&config.database, places::people(), places::PEOPLE).await?;
                store.mapped(places::people()).await?
            }
            "custom" => UserStorage::custom(Memory::default()),
            "external" => UserStorage::external_with(directory.clone(), rules),
            other => return Err(format!("unknown user_mode {other}").into()),
        };
        let bed = Self::over(store, users, config, clock)?;
        Ok(Self { book, directory, ..bed })
    }

    /// Creates the testbed with a storage mode of users.
    pub(crate) fn over(
        store: Store,
        users: UserStorage,
        config: Config,
        clock: ManualClock,
    ) -> Result<Self, Failure> {
        let builder = match &store {
            Store::Sqlite(store) => Auth::builder(store.clone()),
            Store::Postgres(store) => Auth::builder(store.clone()),
        };
        let tokens = TokenMemory::default();
        let builder = config.trusted_proxies.iter().fold(builder, AuthBuilder::trusted_proxy);
        let builder = config.redirect_allow.iter().fold(builder, AuthBuilder::allow_redirect);
        let builder = config.error_page.iter().fold(builder, AuthBuilder::error_page);
        let builder = config.oidc.iter().try_fold(builder, |builder, one| {
            Ok::<_, Failure>(builder.flow(oidc(&config, one)?.token_sink(tokens.clone())))
        })?;
        let oauth2 =
            config.oauth2.iter().map(|own| oauth2(&config, own).token_sink(tokens.clone()));
        let builder = oauth2.fold(builder, AuthBuilder::flow);
        let github =
            config.github.iter().map(|own| github(&config, own).token_sink(tokens.clone()));
        let builder = github.fold(builder, AuthBuilder::flow);
        let builder = match config.compare_clocks {
            true => builder,
            false => builder.max_clock_skew(None),
        };
        let builder = match config.keep_events {
            true => builder.audit_log(Duration::from_secs(90 * 24 * 3600)),
            false => builder,
        };
        let keys = config.sealing_keys.iter().map(|key| key.parse::<SealingKey>());
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let builder = if keys.is_empty() { builder } else { builder.sealing_keys(keys) };
        let builder = match config.totp {
            true => builder.flow(Totp::new("Testbed")).flow(RecoveryCodes::new()),
            false => builder,
        };
        let builder = match config.device_bound {
            true => builder.flow(DeviceBound::new().allow_loopback(true)),
            false => builder,
        };
        let builder = match config.dpop {
            true => builder.flow(Dpop::new()),
            false => builder,
        };
        let services = config.introspection.iter();
        let introspection =
            services.fold(Introspection::new(), |flow, own| flow.client(&own.id, &own.secret));
        let builder = match config.introspection.is_empty() {
            true => builder,
            false => builder.flow(introspection),
        };
        let service_tokens = config
            .tokens
            .iter()
            .map(|own| own.audiences.iter().fold(ServiceTokens::new(), ServiceTokens::audience));
        let builder = service_tokens.fold(builder, AuthBuilder::flow);
        let programs = config.device_grant.iter().map(|own| device_grant(&config, own));
        let builder = programs.fold(builder, AuthBuilder::flow);
        let resource = config.protected_resource.iter().map(|own| {
            let servers = own.authorization_servers.iter();
            let flow = ProtectedResource::new(&own.resource);
            servers.fold(flow, ProtectedResource::authorization_server)
        });
        let builder = resource.fold(builder, AuthBuilder::flow);
        let builder = match config.email_sign_in {
            true => builder.flow(email_sign_in(&config)),
            false => builder,
        };
        let builder = match has_pages(&config) {
            true => builder.flow(Pages::new(Theme::new("Testbed"))),
            false => builder,
        };
        let builder = match config.admin {
            true => builder.flow(Admin::new(Rule::role("admin"))),
            false => builder,
        };
        let builder = match config.openapi {
            true => builder.flow(OpenApi::new()),
            false => builder,
        };
        let builder = config.two_step_required_role.iter().fold(builder, |builder, role| {
            builder.second_factors(SecondFactors::new().required_for(Rule::role(role)))
        });
        let builder = match has_ip_address(&config.origin) {
            true => builder,
            false => builder.flow(passkeys(&config)?),
        };
        let (watch, mailbox) = (EventRecorder::default(), Mailbox::default());
        let requires_two_factors = config.two_step_required_role.is_some();
        let auth = builder
            .origin(&config.origin)
            .usernames(config.usernames)
            .users(users)
            .session_options(session_options(&config)?)
            .clock(clock.clone())
            .event_sink(watch.clone())
            .mailer(mailbox.clone())
            .rate_limits(if config.limits { RateLimits::default() } else { RateLimits::disabled() })
            .flow(password(&config))
            .flow(AnonymousUsers::new())
            .flow(ApiKeys::new().max_per_user(3))
            .flow(codes(&config))
            .flow(reset(&config))
            .flow(AccountRecovery::new())
            .flow(forward_auth(&config))
            .build()?;
        let (book, directory) = (Book::default(), Directory::default());
        let unseen = Arc::default();
        Ok(Self {
            auth,
            clock,
            watch,
            mailbox,
            store,
            requires_two_factors,
            book,
            directory,
            tokens,
            unseen,
        })
    }

    pub(crate) fn router(&self) -> Router {
        let ten_minutes = Duration::from_secs(600);
        let user = get(async |user: AuthUser| Json(user));
        let ok = async || Json(json!({ "ok": true }));
        let who = get(async |user: AuthUser| Json(user.subject()));
        let fresh = RequireUser::new().max_auth_age(ten_minutes);
        let admin = RequireUser::new().role("admin");
        let admin = if self.requires_two_factors { admin.two_factor() } else { admin };
        let strong = RequireUser::new().max_auth_age(ten_minutes).factor(Factor::Passkey);
        Router::new()
            .route("/me", user.clone().route_layer(RequireUser::new()))
            .route("/note", post(ok).route_layer(RequireUser::new()))
            .route("/admin", get(ok).route_layer(admin))
            .route("/fresh", get(ok).route_layer(fresh))
            .route("/bound", get(ok).route_layer(RequireUser::new().device_bound()))
            .route("/strong", get(ok).route_layer(strong))
            .route("/page", get(ok).route_layer(RequireUser::new().or_redirect("/sign-in")))
            .route("/maybe", get(maybe).post(maybe))
            .route("/read", get(ok).route_layer(RequireUser::new().scope("read")))
            .route("/key", get(ok).route_layer(RequireUser::new().scope("notes:read")))
            .route("/who", who.route_layer(RequireUser::new().allow_api_keys()))
            .route("/public", get(ok))
            // Pages lead here by default, and a browser shows an error for an empty 404.
            .route("/", get(ok))
            .route("/ws", get(ws))
            .nest("/auth", self.auth.router())
            .nest("/account", self.auth.pages())
            .merge(self.auth.well_known())
            .layer(self.auth.layer())
            .nest("/testbed", self.controls())
    }

    fn controls(&self) -> Router {
        Router::new()
            .route("/mail", get(mail))
            .route("/clock", post(clock))
            .route("/users/{id}", patch(change_user))
            .route("/events", get(events))
            .route("/sweep", post(sweep))
            .route("/stats", get(stats))
            .with_state(self.clone())
    }
}

/// Sends the subject, and then only the end of the session.
async fn ws(user: ConnectedUser, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        let (user, mut live) = user.into_parts();
        let hello = json!({ "subject": user.subject() }).to_string();
        if socket.send(Message::text(hello)).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                () = live.ended() => {
                    let frame = CloseFrame { code: 4401, reason: "the session has ended".into() };
                    let _gone = socket.send(Message::Close(Some(frame))).await;
                    return;
                }
                message = socket.recv() => {
                    if !matches!(message, Some(Ok(_))) {
                        return;
                    }
                }
            }
        }
    })
}

async fn maybe(user: Option<AuthUser>) -> Json<Value> {
    Json(json!({ "user": user }))
}

#[derive(Deserialize)]
struct To {
    to: Option<String>,
}

async fn mail(State(bed): State<Testbed>, Query(To { to }): Query<To>) -> Json<Value> {
    bed.auth.shutdown(std::time::Duration::from_secs(60)).await;
    let all = bed.mailbox.all().into_iter();
    let messages: Vec<_> =
        all.filter(|message| to.as_ref().is_none_or(|to| message.to.as_str() == to)).collect();
    Json(json!({ "messages": messages }))
}

#[derive(Deserialize)]
struct Advance {
    advance_ms: i64,
}

async fn clock(State(bed): State<Testbed>, Json(advance): Json<Advance>) -> Json<Value> {
    bed.clock.step(jiff::SignedDuration::from_millis(advance.advance_ms));
    Json(json!({ "now": bed.clock.now() }))
}

#[derive(Clone, Deserialize)]
struct Change {
    roles: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    status: Option<UserStatus>,
    attributes: Option<Map<String, Value>>,
}

async fn change_user(
    State(bed): State<Testbed>,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Response {
    let set = |user: &mut User| {
        let Change { roles, scopes, status, attributes } = change.clone();
        user.roles = roles.unwrap_or(std::mem::take(&mut user.roles));
        user.scopes = scopes.unwrap_or(std::mem::take(&mut user.scopes));
        user.status = status.unwrap_or(user.status);
        user.attributes = attributes.unwrap_or(std::mem::take(&mut user.attributes));
    };
    let (id, users) = (UserId::new(id), bed.auth.users());
    // If the application stores the claims, they are changed there.
    bed.book.say(&id, &set);
    bed.directory.say(&id, &set);
    let before = bed.store.statements().request;
    let edited = match users.edit(&id, set).await {
        Err(error) if error.kind() == ErrorKind::InvalidMembers => {
            let status = change.status.unwrap_or_default();
            users.edit(&id, |user| user.status = status).await
        }
        edited => edited,
    };
    let made = bed.store.statements().request - before;
    bed.unseen.fetch_add(made, Ordering::Relaxed);
    edited.map(Json).into_response()
}

async fn events(State(bed): State<Testbed>) -> Json<Value> {
    Json(json!({ "events": bed.watch.all() }))
}

async fn sweep(State(bed): State<Testbed>) -> Response {
    let before = bed.store.statements().request;
    let swept = bed.auth.sweep().await;
    bed.unseen.fetch_add(bed.store.statements().request - before, Ordering::Relaxed);
    swept.map(|removed| Json(json!({ "removed": removed }))).into_response()
}

async fn stats(State(bed): State<Testbed>) -> Json<Value> {
    let Statements { request, background, .. } = bed.store.statements();
    let hashes = bed.auth.service::<Password>().map(|service| service.hash_count()).ok();
    let request = request - bed.unseen.load(Ordering::Relaxed);
    Json(json!({ "statements": request, "background": background, "hashes": hashes }))
}

fn cookies(config: &CookieConfig) -> Result<CookieOptions, Failure> {
    let same_site = match config.same_site.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("lax") => SameSite::Lax,
        Some("strict") => SameSite::Strict,
        Some(other) => return Err(format!("same_site must be lax or strict, not {other}").into()),
    };
    let options = CookieOptions::default().same_site(same_site);
    let options = options.domain(config.domain.clone());
    Ok(config.name.iter().fold(options, CookieOptions::name))
}

fn session_options(config: &Config) -> Result<SessionOptions, Failure> {
    let mode = match config.session_mode.as_str() {
        "both" => TokenTransports::Both,
        "cookie" => TokenTransports::Cookie,
        "bearer" => TokenTransports::Bearer,
        other => {
            return Err(format!("session_mode must be both, cookie or bearer, not {other}").into());
        }
    };
    let refresh = RefreshPolicy::default()
        .grace(Duration::from_millis(config.grace_ms))
        .lost_answer(Duration::from_millis(config.lost_answer_ms))
        .max_rotations(config.max_rotations);
    let cache = match config.cache_ms {
        None => Some(CacheOptions::default()),
        Some(0) => None,
        Some(age) => Some(CacheOptions::default().max_age(Duration::from_millis(age))),
    };
    Ok(SessionOptions::default()
        .cache(cache)
        .refresh_policy(refresh)
        .transports(mode)
        .cookie(cookies(&config.cookie)?)
        .access_ttl(Duration::from_secs(config.access_ttl_s))
        .refresh_ttl(Duration::from_secs(config.refresh_ttl_s))
        .max_lifetime(Duration::from_secs(config.max_lifetime_s))
        .reauth_window(Duration::from_secs(config.fresh_s)))
}

fn codes(config: &Config) -> EmailCodes {
    EmailCodes::new()
        .verify_email_on_sign_up(config.verify_email)
        .second_factor(config.sign_in_code)
        .on_password_change(config.change_code)
        .lifetime(Duration::from_secs(config.code_ttl_s))
        .max_attempts(config.code_attempts)
        .resend_interval(Duration::from_secs(config.code_interval_s))
}

fn email_sign_in(config: &Config) -> EmailSignIn {
    EmailSignIn::new()
        .allow_sign_up(config.sign_up)
        .resend_interval(Duration::from_secs(config.code_interval_s))
}

fn reset(config: &Config) -> PasswordReset {
    let flow = PasswordReset::new()
        .lifetime(Duration::from_secs(config.reset_ttl_s))
        .resend_interval(Duration::from_secs(config.code_interval_s));
    match has_pages(config) {
        true => flow,
        false => flow.change_page("/settings/password"),
    }
}

fn device_grant(config: &Config, own: &DeviceGrantConfig) -> DeviceGrant {
    let clients = own.clients.iter();
    let flow = clients.fold(DeviceGrant::new(), |flow, own| flow.client(&own.id, &own.name));
    // Without cookies there are no pages.
    let has_own = config.pages && !has_pages(config);
    let page = has_own.then(|| format!("{}/device", config.origin));
    page.iter().chain(&own.verification_uri).fold(flow, DeviceGrant::verification_uri)
}

/// Pages need cookies.
fn has_pages(config: &Config) -> bool {
    config.pages && config.session_mode != "bearer"
}

/// Returns whether the host of an origin is an IP address, for which there are no passkeys.
fn has_ip_address(origin: &str) -> bool {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let host = authority.parse::<SocketAddr>().map(|address| address.ip());
    host.is_ok() || authority.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn oidc(config: &Config, own: &OidcConfig) -> Result<Oidc, Failure> {
    let mut flow = Oidc::new(&own.id, &own.issuer, &own.client_id)
        .allow_sign_up(config.sign_up)
        .auto_link_verified_email(config.auto_link_verified_email)
        .store_id_token(own.store_id_token)
        .form_post(own.form_post)
        .trust_second_factor(own.trust_second_factor);
    if let Some(secret) = &own.client_secret {
        flow = flow.client_secret(secret);
    }
    if own.client_secret_post {
        flow = flow.client_secret_post(true);
    }
    if own.link_only {
        flow = flow.link_only();
    }
    if let Some(seconds) = own.max_age_s {
        flow = flow.max_age(Duration::from_secs(seconds));
    }
    let AllowConfig { prompt, scope, login_hint } = own.allow.clone();
    flow = flow.allow_prompts(prompt).allow_scopes(scope).allow_login_hint(login_hint);
    if !own.id_token_audiences.is_empty() {
        flow = flow.id_token_audiences(&own.id_token_audiences);
    }
    if !own.tenants.is_empty() {
        flow = flow.tenants(&own.tenants);
    }
    flow = flow.security_events(own.events);
    let algorithms = own.algorithms.iter().map(|name| name.parse::<Algorithm>());
    let algorithms = algorithms.collect::<Result<Vec<_>, _>>()?;
    Ok(if algorithms.is_empty() { flow } else { flow.algorithms(algorithms) })
}

fn github(config: &Config, own: &GitHubConfig) -> GitHub {
    let flow = GitHub::new(&own.client_id, &own.client_secret)
        .allow_sign_up(config.sign_up)
        .auto_link_verified_email(config.auto_link_verified_email);
    let flow = own.web_url.iter().fold(flow, GitHub::web_url);
    own.api_url.iter().fold(flow, GitHub::api_url)
}

fn oauth2(config: &Config, own: &OAuth2Config) -> OAuth2 {
    let endpoints = OAuth2Endpoints {
        authorization: own.authorize_url.clone(),
        token: own.token_url.clone(),
        user_info: own.user_info_url.clone(),
    };
    let map = UserInfoMap::new(&own.map.subject);
    let map = match (&own.map.email, &own.map.email_verified) {
        (Some(email), Some(verified)) => map.email(email, verified),
        // Without a member that states it, no address counts as verified.
        _ => map,
    };
    let map = own.map.name.iter().fold(map, UserInfoMap::display_name);
    let map = own.map.picture.iter().fold(map, UserInfoMap::avatar_url);
    let flow = OAuth2::new(&own.id, endpoints, &own.client_id)
        .user_info(map)
        .allow_sign_up(config.sign_up)
        .auto_link_verified_email(config.auto_link_verified_email);
    own.client_secret.iter().fold(flow, OAuth2::client_secret)
}

fn forward_auth(config: &Config) -> ForwardAuth {
    let rules = config.forward_auth.rules.iter();
    rules.fold(ForwardAuth::new(), |flow, (name, rule)| {
        let rule = match rule {
            RuleConfig::Role(role) => Rule::role(role),
            RuleConfig::Scope(scope) => Rule::scope(scope),
        };
        flow.rule(name, rule)
    })
}

fn passkeys(config: &Config) -> Result<Passkeys, Failure> {
    let is_required = |option: &str| match option {
        "required" => Ok(true),
        "preferred" => Ok(false),
        other => Err(format!("expected required or preferred, not {other}")),
    };
    Ok(Passkeys::new("Testbed")
        .management_page("/settings/passkeys")
        .allow_sign_up(config.sign_up)
        .require_user_verification(is_required(&config.user_verification)?)
        .require_discoverable(is_required(&config.resident_key)?)
        .require_passkey_to_manage(config.require_passkey_to_manage))
}

fn password(config: &Config) -> Password {
    let alone = config.min_length_alone.iter().copied();
    let policy =
        alone.fold(PasswordPolicy::new(), PasswordPolicy::with_min_length_without_second_factor);
    let flow = Password::new().allow_sign_up(config.sign_up).policy(policy);
    match config.argon2 {
        Some(Costs { m, t, p }) => {
            flow.insecure_scheme(PasswordHashing::argon2id_with(Argon2Params { m_kib: m, t, p }))
        }
        None => flow,
    }
}
