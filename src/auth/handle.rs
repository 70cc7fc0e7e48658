//! The handle to the built configuration.

use std::{
    any::{TypeId, type_name},
    fmt,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use http::{Uri, request::Parts};
use tokio::time::{Instant, timeout_at};

use crate::{
    audit::AuditLog,
    error::AuthError,
    http::{AuthLayer, AuthUser, admit, query::Query, request},
    model::Rule,
    redirect::RedirectTarget,
    registry::{Flow, Routes, Shelf},
    services::{Client, Core, PendingChallenges, Services},
    session::Sessions,
    users::Users,
};

/// Replaces a deadline that overflows.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The authentication of one application: a cheap handle that can be cloned.
///
/// Apply [`Auth::layer`] to the routes of the application and nest [`Auth::router`] among them.
/// Handlers extract [`AuthUser`](crate::AuthUser).
///
/// ```
/// # use authlayer::{Auth, AuthUser};
/// # use axum::{Router, routing::get};
/// fn app(auth: &Auth) -> Router {
///     Router::new()
///         .route("/me", get(|user: AuthUser| async move { user.id.to_string() }))
///         .nest("/auth", auth.router())
///         .layer(auth.layer())
/// }
/// ```
#[derive(Clone)]
pub struct Auth {
    pub(crate) core: Arc<Core>,
    pub(crate) routes: Arc<Routes>,
    /// Owns the services of all flows.
    pub(crate) shelf: Arc<Shelf>,
}

/// The error for a flow that is not registered.
///
/// ```
/// # use authlayer::{Auth, MissingFlow, Password, flow::PasswordService};
/// fn passwords(auth: &Auth) -> Result<PasswordService, MissingFlow> {
///     auth.service::<Password>()
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the flow `{0}` is not registered: add it with .flow(…)")]
pub struct MissingFlow(&'static str);

impl MissingFlow {
    fn of<F>() -> Self {
        Self(type_name::<F>().rsplit("::").next().unwrap_or_default())
    }
}

impl Auth {
    /// Returns the layer for the routes of the application.
    pub fn layer(&self) -> AuthLayer {
        AuthLayer::new(&self.core)
    }

    /// Returns the routes of every registered flow, to be nested: `.nest("/auth", auth.router())`.
    ///
    /// Every response is `no-store`, and every error is a problem document (RFC 9457), also for
    /// unknown paths and methods. Unsafe requests from another site are rejected with or without a
    /// cookie, which prevents login CSRF.
    ///
    /// The router fits an application with any state. Alone it is `auth.router::<()>()`.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        self.routes.router(&self.core).with_state(())
    }

    /// Returns the client of a request outside an axum handler, for example in a middleware.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CrossOrigin`](crate::ErrorKind::CrossOrigin) for an unsafe request that a
    /// browser sends from another site.
    pub fn client(&self, parts: &Parts) -> Result<Client, AuthError> {
        request::client(&self.core, parts)
    }

    /// Returns the page that the user wanted, from the parameter `return_to` of a sign-in page of the
    /// application, to which a guard [redirected](crate::RequireUser::or_redirect). Returns `None` if
    /// there is none, if there are several, and for a URL that is not an allowed redirect target.
    ///
    /// ```
    /// use authlayer::Auth;
    /// use axum::{extract::State, http::Uri, response::Redirect};
    ///
    /// async fn signed_in(State(auth): State<Auth>, uri: Uri) -> Redirect {
    ///     match auth.return_to(&uri) {
    ///         Some(target) => Redirect::to(target.as_str()),
    ///         None => Redirect::to("/"),
    ///     }
    /// }
    /// ```
    pub fn return_to(&self, uri: &Uri) -> Option<RedirectTarget> {
        let query = Query::parse(uri.query().unwrap_or_default());
        let target = query.once("return_to").ok().flatten()?;
        self.core.redirects.target(target).ok()
    }

    /// Returns the routes at well-known paths, to be merged at the root of the origin:
    /// `/.well-known/change-password`, which redirects password managers to the page set by
    /// [`PasswordReset::change_page`](crate::PasswordReset::change_page), and with [`Passkeys`](crate::flow)
    /// `/.well-known/passkey-endpoints`, the page where users manage their passkeys, and
    /// `/.well-known/webauthn`, if there are related origins.
    pub fn well_known<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        self.routes.well_known().with_state(())
    }

    /// Checks in a handler whether a user satisfies a rule. For an API key, which an earlier guard
    /// has accepted, it checks the scopes of the key; [`Rule::not`] checks the roles and scopes of
    /// its user.
    ///
    /// A rule with [`max_auth_age`](Rule::max_auth_age) reads the credentials of the user, because
    /// the strongest of them decides. Other rules read them only if they require a step-up.
    ///
    /// # Errors
    ///
    /// As [`RequireUser`](crate::RequireUser):
    /// [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden) or
    /// [`ErrorKind::StepUpRequired`](crate::ErrorKind::StepUpRequired), and
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn authorize(&self, user: &AuthUser, rule: &Rule) -> Result<(), AuthError> {
        admit::check(&self.core, user, rule).await
    }

    /// Returns the sessions, for use without HTTP.
    pub fn sessions(&self) -> &Sessions {
        &self.core.sessions
    }

    /// Returns the users, for use without HTTP.
    pub fn users(&self) -> &Users {
        &self.core.directory
    }

    /// Deletes rows that expired more than an hour ago, a few hundred at a time with a pause
    /// between, and returns how many there were. Rows that can still be used, or whose reuse can
    /// still be detected, are not deleted. Events are deleted at the end of their retention. IP
    /// addresses of deleted users are removed from their events if that has not happened yet.
    ///
    /// Messages that are stored and due, for example since their process ended, are delivered too.
    ///
    /// Deletes nothing and returns 0 while the clock of this process and the clock of the database
    /// differ by more than [`max_clock_skew`](crate::AuthBuilder::max_clock_skew).
    ///
    /// It also runs in the background, every ten minutes by default
    /// ([`cleanup_interval`](crate::AuthBuilder::cleanup_interval)). On PostgreSQL one process at a time
    /// sweeps a table; rows that another process deletes are not counted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::error::ErrorKind::Unavailable) if the store fails for a
    /// table; the other tables are swept nevertheless.
    pub async fn sweep(&self) -> Result<u64, AuthError> {
        self.core.sweep().await
    }

    /// Delivers queued messages and writes buffered data, for at most `deadline`. Call it last
    /// before the process ends, after the server has stopped.
    ///
    /// First events are written to the [audit log](Self::audit_log) and the last uses of sessions to
    /// the store, then messages are delivered. A message that fails gets one more attempt. Of the
    /// messages that are not delivered by the deadline, notices and links stay in the store, and the
    /// next process delivers them. Codes are lost with the process, and with a store in memory all
    /// messages are; each is recorded as an event of the kind `mail_failed`. Requests are answered as
    /// usual in the meantime.
    pub async fn shutdown(&self, deadline: Duration) {
        let end = Instant::now().checked_add(deadline);
        let end = end.unwrap_or_else(|| Instant::now() + A_YEAR);
        let flush = async {
            if let Some(audit) = &self.core.audit {
                audit.flush().await;
            }
        };
        let records = async { tokio::join!(flush, self.core.sessions.flush()) };
        let records_are_written = timeout_at(end, records).await.is_ok();
        // The rest of the time is for the events of messages that failed.
        let rest = end.saturating_duration_since(Instant::now()) / 8;
        self.core.queue.finish(end.checked_sub(rest).unwrap_or(end)).await;
        let flush = async {
            if let Some(audit) = &self.core.audit {
                audit.flush().await;
            }
        };
        if timeout_at(end, flush).await.is_err() || !records_are_written {
            tracing::error!("events or last uses of sessions were not written by the deadline");
        }
    }

    /// Returns the services that flows use, for sign-in code of the application.
    pub fn services(&self) -> Services {
        Services::new(&self.core)
    }

    /// Returns the pending challenges of clients, for forms of the application.
    pub fn pending(&self) -> PendingChallenges {
        self.services().pending()
    }

    /// Returns the audit log, if [`AuthBuilder::audit_log`](crate::AuthBuilder::audit_log)
    /// enables it.
    pub fn audit_log(&self) -> Option<&AuditLog> {
        self.core.audit.as_ref()
    }

    /// Returns the service of a registered flow: `auth.service::<Password>()?`.
    ///
    /// # Errors
    ///
    /// [`MissingFlow`] with the name of the flow to add.
    pub fn service<F: Flow>(&self) -> Result<F::Service, MissingFlow> {
        self.shelf.get(TypeId::of::<F>()).ok_or_else(MissingFlow::of::<F>)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("core", &self.core).finish_non_exhaustive()
    }
}
