//! The handle that the layer adds to a request, which authenticates it once on demand.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{HeaderMap, Method, request::Parts};
use tokio::sync::OnceCell;

use super::{
    credential::{Credential, UNREAD},
    outcome::Outcome,
    presented::Presented,
};
use crate::{
    crypto::token::RefreshToken,
    error::{AuthError, ErrorKind},
    event::EventKind,
    hook::RequestMembers,
    model::{SessionId, Transport},
    services::{AnonymousSignUp, Core},
    session::{AuthUser, AuthenticatedSession, IssuedTokens},
};

/// The authentication of one request: done when it is first needed, and then only once.
#[derive(Clone)]
pub(crate) struct Context(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    credential: OnceLock<Credential>,
    /// The user, if known without waiting.
    known: OnceLock<AuthUser>,
    waited: OnceLock<Box<Waited>>,
    /// Set on a route that is declared public.
    is_public: OnceLock<()>,
    /// The members of the body, for hooks.
    members: OnceLock<Arc<RequestMembers>>,
    /// Set once a guard of this route has accepted the API key of the request.
    accepts_key: OnceLock<()>,
    /// Set once the user was authenticated by a ticket.
    has_ticket: OnceLock<()>,
}

/// The results that a request had to wait for.
#[derive(Default)]
struct Waited {
    /// The refresh of the session, which happens at most once.
    renewal: OnceCell<Result<Option<Renewed>, AuthError>>,
    resolved: OnceCell<Result<Outcome, AuthError>>,
    /// The result of a lookup that bypasses the cache.
    anew: OnceCell<Result<Outcome, AuthError>>,
}

/// A session that was refreshed during this request.
struct Renewed {
    user: AuthUser,
    issued: IssuedTokens,
}

/// The source of a session.
#[derive(Clone, Copy)]
enum Source {
    /// The cache or the store.
    Any,
    Store,
}

impl Context {
    /// Creates the context of a request that has not been read.
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self(Arc::new(Inner {
            core: Arc::clone(core),
            credential: OnceLock::new(),
            known: OnceLock::new(),
            waited: OnceLock::new(),
            is_public: OnceLock::new(),
            members: OnceLock::new(),
            accepts_key: OnceLock::new(),
            has_ticket: OnceLock::new(),
        }))
    }

    /// Returns the context that the layer added to a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if there is no layer.
    pub(crate) fn of(parts: &Parts) -> Result<&Self, AuthError> {
        match parts.extensions.get::<Self>() {
            Some(context) => Ok(context.read(&parts.method, &parts.headers)),
            None => {
                tracing::error!(
                    path = parts.uri.path(),
                    "this route has no AuthLayer: add .layer(auth.layer()) to the router"
                );
                Err(ErrorKind::Misconfigured.into())
            }
        }
    }

    /// Returns the context of a whole request, or `None` without a layer.
    pub(super) fn of_request<B>(request: &http::Request<B>) -> Option<&Self> {
        let context = request.extensions().get::<Self>()?;
        Some(context.read(request.method(), request.headers()))
    }

    /// Parses the credential, unless that was done before. Does no I/O.
    pub(super) fn read(&self, method: &Method, headers: &HeaderMap) -> &Self {
        let core = &self.0.core;
        self.0.credential.get_or_init(|| Credential::read(core, method, headers));
        self
    }

    pub(crate) fn presented(&self) -> &Presented {
        &self.0.credential().presented
    }

    /// Returns the refresh token of the cookie, with the id of its session.
    pub(crate) fn refresh_cookie(&self) -> Option<(SessionId, &str)> {
        let text = self.0.credential().refresh(&self.0.core)?;
        Some((RefreshToken::parse(text)?.session, text))
    }

    /// Declares the route of a request public. The credential is not read.
    pub(super) fn declare_public<B>(request: &http::Request<B>) {
        if let Some(context) = request.extensions().get::<Self>() {
            let _again = context.0.is_public.set(());
        }
    }

    /// Returns whether the user was requested, or the route is declared public.
    pub(super) fn is_decided(&self) -> bool {
        self.was_asked() || self.0.is_public.get().is_some()
    }

    /// Returns the members of the body, which are empty until the body is read.
    pub(super) fn members(&self) -> &Arc<RequestMembers> {
        self.0.members.get_or_init(Arc::default)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// Returns whether an extractor or guard has requested the user.
    pub(super) fn was_asked(&self) -> bool {
        self.0.credential.get().is_some()
    }

    /// Records that a ticket authenticated the user, in place of the credential.
    pub(super) fn accept_ticket(&self) {
        let _again = self.0.has_ticket.set(());
    }

    /// Returns whether a user or an API key was authenticated.
    pub(super) fn has_found(&self) -> bool {
        let found = |cell: &OnceCell<Result<Outcome, AuthError>>| {
            matches!(cell.get(), Some(Ok(Outcome::User(_) | Outcome::Program(_))))
        };
        self.0.known.get().is_some()
            || self.0.has_ticket.get().is_some()
            || self.0.waited.get().is_some_and(|own| found(&own.resolved) || found(&own.anew))
    }

    /// Returns the tokens that were issued by a refresh during this request, to be set as cookies.
    pub(crate) fn renewed(&self) -> Option<&IssuedTokens> {
        let renewal = self.0.waited.get()?.renewal.get()?;
        renewal.as_ref().ok()?.as_ref().map(|renewed| &renewed.issued)
    }

    /// Returns the user, or the error that there is none.
    pub(crate) async fn require(&self) -> Result<AuthUser, AuthError> {
        self.accepted(self.resolve().await?)?.required()
    }

    /// Returns the caller for a guard, which decides whether to accept an API key. `anew` bypasses
    /// the cache.
    pub(crate) async fn caller(&self, anew: bool) -> Result<AuthUser, AuthError> {
        match anew {
            true => self.resolve_anew().await?.required(),
            false => self.resolve().await?.required(),
        }
    }

    /// Accepts the API key for the rest of this request.
    pub(crate) fn accept_key(&self) {
        let _again = self.0.accepts_key.set(());
    }

    /// Rejects an API key, unless a guard accepted it.
    fn accepted(&self, outcome: Outcome) -> Result<Outcome, AuthError> {
        match outcome {
            Outcome::Program(_) if self.0.accepts_key.get().is_none() => Err(Core::not_by_key()),
            outcome => Ok(outcome),
        }
    }

    /// Returns the current user of a session. An earlier lookup, such as that of a guard, is
    /// repeated. API keys are rejected.
    pub(crate) async fn require_now(&self) -> Result<AuthUser, AuthError> {
        no_key(self.resolve_now().await?.required()?)
    }

    /// Returns the user, if known without waiting.
    pub(crate) fn known(&self) -> Option<AuthUser> {
        let waited = self.0.waited.get();
        if let Some(anew) = waited.and_then(|waited| waited.anew.get()) {
            return anew.as_ref().ok()?.user().cloned();
        }
        if let Some(user) = self.0.known.get() {
            return Some(user.clone());
        }
        let credential = self.0.credential();
        if credential.cross_origin || waited.is_some() {
            return None;
        }
        let user = self.0.core.sessions.known(credential.presented.token()?)?;
        let user = self.0.core.auth_user(user);
        Some(self.0.known.get_or_init(|| user).clone())
    }

    /// Returns the anonymous user of the session, if the flow is registered, so that a sign-up can
    /// convert that user. An invalid credential counts as none.
    pub(crate) async fn anonymous(&self, core: &Core) -> Result<Option<AuthUser>, AuthError> {
        if core.offered::<AnonymousSignUp>().is_none() {
            return Ok(None);
        }
        match self.resolve_now().await? {
            Outcome::User(user) if user.user().is_anonymous => Ok(Some(user)),
            _ => Ok(None),
        }
    }

    /// Returns the user, if there is one. An invalid cookie counts as none; an invalid bearer token
    /// is an error.
    pub(crate) async fn optional(&self) -> Result<Option<AuthUser>, AuthError> {
        match self.accepted(self.resolve().await?)? {
            Outcome::User(user) | Outcome::Program(user) => Ok(Some(user)),
            Outcome::Refused if !self.presented().is_cookie() => {
                Err(ErrorKind::InvalidToken.into())
            }
            Outcome::Refused | Outcome::Anonymous => Ok(None),
        }
    }

    /// Returns the current user of a session, if there is one, bypassing the cache. Other or
    /// invalid credentials count as none.
    pub(crate) async fn signed_in(&self) -> Result<Option<AuthUser>, AuthError> {
        let user = self.resolve_now().await?.user().cloned();
        Ok(user.filter(|user| user.api_key().is_none()))
    }

    async fn resolve(&self) -> Result<Outcome, AuthError> {
        if let Some(user) = self.known() {
            return Ok(Outcome::User(user));
        }
        // Boxed, so that the future of requests that do not wait stays small.
        Box::pin(self.wait()).await
    }

    /// Resolves the user and bypasses the cache, unless nothing is cached or the session was just
    /// refreshed.
    async fn resolve_anew(&self) -> Result<Outcome, AuthError> {
        let credential = self.0.credential();
        let may_be_kept = self.0.core.sessions.keeps()
            && credential.presented.token().is_some()
            && !credential.cross_origin
            && self.renewed().is_none();
        if !may_be_kept {
            return self.resolve().await;
        }
        self.0.waited().anew.get_or_init(|| self.0.look_up(Source::Store)).await.clone()
    }

    /// Resolves the user as of now. The first lookup of a request is as of now if it bypasses the
    /// cache.
    async fn resolve_now(&self) -> Result<Outcome, AuthError> {
        let before =
            self.0.waited.get().is_some_and(|waited| {
                waited.anew.get().is_some() || waited.resolved.get().is_some()
            });
        if !before {
            return self.resolve_anew().await;
        }
        let Some(renewed) = self.renewed() else {
            return self.0.look_up(Source::Store).await;
        };
        let found = self.0.core.sessions.current(&renewed.session).await?;
        Ok(found.map_or(Outcome::Refused, |found| Outcome::User(self.0.core.auth_user(found))))
    }

    async fn wait(&self) -> Result<Outcome, AuthError> {
        let waited = self.0.waited();
        match waited.anew.get() {
            Some(outcome) => outcome.clone(),
            None => waited.resolved.get_or_init(|| self.0.look_up(Source::Any)).await.clone(),
        }
    }
}

/// Rejects an API key: it cannot access the account of the user who created it.
pub(super) fn no_key(user: AuthUser) -> Result<AuthUser, AuthError> {
    match user.api_key() {
        None => Ok(user),
        Some(_) => Err(Core::not_by_key()),
    }
}

impl Inner {
    fn credential(&self) -> &Credential {
        self.credential.get().unwrap_or(&UNREAD)
    }

    fn waited(&self) -> &Waited {
        self.waited.get_or_init(Box::default)
    }

    async fn look_up(&self, source: Source) -> Result<Outcome, AuthError> {
        if self.credential().cross_origin {
            self.core.events.record(self.core.event(EventKind::CrossOriginRefused));
            return Err(ErrorKind::CrossOrigin.into());
        }
        match &self.credential().presented {
            Presented::Nothing => self.renew(Outcome::Anonymous).await,
            Presented::AmbiguousCookies => {
                self.core.events.record(self.core.event(EventKind::AmbiguousCredentials));
                Ok(Outcome::Refused)
            }
            Presented::Bearer(None) | Presented::Key(None) => Ok(Outcome::Refused),
            Presented::Key(Some(key)) => Ok(match self.core.resolve_bearer(key).await? {
                Some(resolved) => Outcome::Program(self.core.auth_user(resolved)),
                None => Outcome::Refused,
            }),
            Presented::Cookie(None) => self.renew(Outcome::Refused).await,
            Presented::Bearer(Some(token)) | Presented::Cookie(Some(token)) => {
                let sessions = &self.core.sessions;
                let found = match source {
                    Source::Any => sessions.verify(token).await?,
                    Source::Store => sessions.verify_anew(token).await?,
                };
                match found {
                    Ok(resolved) => Ok(Outcome::User(self.core.auth_user(resolved))),
                    Err(_refusal) => self.renew(Outcome::Refused).await,
                }
            }
        }
    }

    /// Refreshes the session of a browser once, or returns `otherwise` if it has no valid refresh
    /// token.
    async fn renew(&self, otherwise: Outcome) -> Result<Outcome, AuthError> {
        let Some(token) = self.credential().refresh(&self.core) else { return Ok(otherwise) };
        match self.waited().renewal.get_or_init(|| self.refresh(token)).await {
            Ok(Some(renewed)) => Ok(Outcome::User(renewed.user.clone())),
            Ok(None) => Ok(otherwise),
            Err(error) => Err(error.clone()),
        }
    }

    async fn refresh(&self, token: &str) -> Result<Option<Renewed>, AuthError> {
        match self.core.sessions.refresh_over(token, Some(Transport::Cookie)).await {
            Ok((user, issued)) => {
                let resolved = AuthenticatedSession::new(issued.session.clone(), user);
                Ok(Some(Renewed { user: self.core.auth_user(Arc::new(resolved)), issued }))
            }
            Err(error) if error.kind() == ErrorKind::InvalidRefreshToken => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}
