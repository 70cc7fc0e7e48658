//! Resolves the credential of a request to a session with its user, or to an API key.
//!
//! Each lookup happens when it is first needed, and its result serves the rest of the request:
//!
//! - [`known`](Lookup::known): from the cache, without waiting.
//! - [`resolve`](Lookup::resolve): from the cache or from the store.
//! - [`revalidate`](Lookup::revalidate): from the store.
//! - [`current`](Lookup::current): as of now. A result of an earlier lookup is not used.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method};
use tokio::sync::OnceCell;
use tracing::Span;

use super::{
    caller::Caller,
    credential::{Credential, UNREAD},
    dpop::SentProof,
    presented::Presented,
    span,
};
use crate::{
    crypto::token::RefreshToken,
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::{BindingKind, Session, SessionId, Transport, UserId},
    services::Core,
    session::{AuthUser, AuthenticatedSession, IssuedTokens},
};

/// The credential of one request, with its session or API key.
pub(super) struct Lookup {
    core: Arc<Core>,
    /// Receives the user, if requests are traced.
    span: Span,
    credential: OnceLock<Credential>,
    /// The proof of the request, if the layer read it.
    proof: Option<Arc<SentProof>>,
    /// The user, if known without waiting.
    known: OnceLock<AuthUser>,
    /// Set once the browser's report that it did not refresh is recorded.
    has_skipped: OnceLock<()>,
    waited: OnceLock<Box<Waited>>,
}

/// The results that a request had to wait for.
#[derive(Default)]
struct Waited {
    /// The refresh of the session, which happens at most once.
    renewal: OnceCell<Result<Option<Renewed>, AuthError>>,
    resolved: OnceCell<Result<Caller, AuthError>>,
    /// The result of the verification of the proof.
    proven: OnceLock<Result<(), AuthError>>,
    /// The result of a lookup that bypasses the cache.
    revalidated: OnceCell<Result<Caller, AuthError>>,
}

/// A session that was refreshed during this request.
struct Renewed {
    user: AuthUser,
    issued: IssuedTokens,
}

/// The source of a session.
#[derive(Clone, Copy)]
enum Source {
    CacheOrStore,
    Store,
}

impl Lookup {
    pub(super) fn new(core: &Arc<Core>, span: Span, proof: Option<Arc<SentProof>>) -> Self {
        Self {
            core: Arc::clone(core),
            span,
            credential: OnceLock::new(),
            proof,
            known: OnceLock::new(),
            has_skipped: OnceLock::new(),
            waited: OnceLock::new(),
        }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Parses the credential, unless that was done before. Does no I/O.
    pub(super) fn read(&self, method: &Method, headers: &HeaderMap, path: &str) {
        let proof = self.proof.as_ref();
        let read = || Credential::read(&self.core, (method, path), headers, proof);
        self.credential.get_or_init(read);
    }

    /// Sets the credential, unless it was read before.
    pub(super) fn set(&self, credential: Credential) {
        let _read = self.credential.set(credential);
    }

    /// Returns whether the credential was read.
    pub(super) fn is_read(&self) -> bool {
        self.credential.get().is_some()
    }

    pub(super) fn credential(&self) -> &Credential {
        self.credential.get().unwrap_or(&UNREAD)
    }

    /// Returns whether a user or an API key was found.
    pub(super) fn has_found(&self) -> bool {
        let found = |cell: &OnceCell<Result<Caller, AuthError>>| {
            matches!(cell.get(), Some(Ok(Caller::User(_) | Caller::Program(_))))
        };
        let waited = || self.waited.get();
        self.known.get().is_some()
            || waited().is_some_and(|own| found(&own.resolved) || found(&own.revalidated))
    }

    /// Returns the tokens that were issued by a refresh during this request.
    pub(super) fn renewed(&self) -> Option<&IssuedTokens> {
        let renewal = self.waited.get()?.renewal.get()?;
        renewal.as_ref().ok()?.as_ref().map(|renewed| &renewed.issued)
    }

    /// Returns the user that was found for this request, without a lookup.
    pub(super) fn found(&self) -> Option<AuthUser> {
        let waited = self.waited.get();
        match waited.and_then(|own| own.revalidated.get().or(own.resolved.get())) {
            Some(caller) => caller.as_ref().ok()?.user().cloned(),
            None => self.known.get().cloned(),
        }
    }

    /// Returns the user, if known without waiting.
    pub(super) fn known(&self) -> Option<AuthUser> {
        let waited = self.waited.get();
        if let Some(revalidated) = waited.and_then(|waited| waited.revalidated.get()) {
            return revalidated.as_ref().ok()?.user().cloned();
        }
        if let Some(user) = self.known.get() {
            return Some(user.clone());
        }
        let credential = self.credential();
        if credential.cross_origin.is_some() || waited.is_some() {
            return None;
        }
        if matches!(credential.presented, Presented::Dpop(_)) {
            // Its proof is verified once.
            return None;
        }
        let user = self.core.sessions.known(credential.presented.token()?)?;
        if user.session.bound() == Some(BindingKind::Dpop) {
            return None;
        }
        let user = self.user_of(user);
        Some(self.known.get_or_init(|| user).clone())
    }

    /// Returns the user, from the cache or from the store.
    pub(super) async fn resolve(&self) -> Result<Caller, AuthError> {
        if let Some(user) = self.known() {
            return Ok(Caller::User(user));
        }
        // Boxed, so that the future of requests that do not wait stays small.
        Box::pin(self.wait()).await
    }

    async fn wait(&self) -> Result<Caller, AuthError> {
        let waited = self.waited();
        match waited.revalidated.get() {
            Some(caller) => caller.clone(),
            None => {
                waited.resolved.get_or_init(|| self.look_up(Source::CacheOrStore)).await.clone()
            }
        }
    }

    /// Returns the user and bypasses the cache, unless nothing is cached or the session was just
    /// refreshed.
    pub(super) async fn revalidate(&self) -> Result<Caller, AuthError> {
        let credential = self.credential();
        let may_be_cached = self.core.sessions.keeps()
            && credential.presented.token().is_some()
            && credential.cross_origin.is_none()
            && self.renewed().is_none();
        if !may_be_cached {
            return self.resolve().await;
        }
        self.waited().revalidated.get_or_init(|| self.look_up(Source::Store)).await.clone()
    }

    /// Returns the user as of now. The first lookup of a request is as of now if it bypasses the
    /// cache.
    pub(super) async fn current(&self) -> Result<Caller, AuthError> {
        let is_repeated = self.waited.get().is_some_and(|waited| {
            waited.revalidated.get().is_some() || waited.resolved.get().is_some()
        });
        if !is_repeated {
            return self.revalidate().await;
        }
        let Some(renewed) = self.renewed() else { return self.look_up(Source::Store).await };
        let found = self.core.sessions.current(&renewed.session).await?;
        Ok(found.map_or(Caller::Refused, |found| Caller::User(self.user_of(found))))
    }

    /// Returns the user that was found, and records it in the span of the request.
    fn user_of(&self, found: Arc<AuthenticatedSession>) -> AuthUser {
        span::record_user(&self.span, &found);
        let session = &found.session;
        if session.bound() == Some(BindingKind::Device) {
            self.record_skipped(session.id, Some(&session.user_id));
        }
        self.core.auth_user(found)
    }

    /// Records that the browser did not refresh the bound session, if it reports that.
    fn record_skipped(&self, session: SessionId, user: Option<&UserId>) {
        let Some(reason) = self.credential().skipped else { return };
        if self.has_skipped.set(()).is_err() {
            return;
        }
        let event = self.core.event(EventKind::DeviceSkipped).session(session).reason(reason);
        self.core.events.record(user.into_iter().fold(event, Event::user));
    }

    fn waited(&self) -> &Waited {
        self.waited.get_or_init(Box::default)
    }

    async fn look_up(&self, source: Source) -> Result<Caller, AuthError> {
        if let Some(rejected) = &self.credential().cross_origin {
            return Err(rejected.record(&self.core));
        }
        match &self.credential().presented {
            Presented::Nothing => self.renew(Caller::Anonymous).await,
            Presented::AmbiguousCookies => {
                self.core.events.record(self.core.event(EventKind::AmbiguousCredentials));
                Ok(Caller::Refused)
            }
            Presented::Bearer(None) | Presented::Key(None) => Ok(Caller::Refused),
            Presented::Dpop(None) => Ok(Caller::Unproven(ErrorKind::DpopTokenRefused)),
            Presented::Key(Some(key)) => Ok(match self.core.resolve_bearer(key).await? {
                Some(resolved) => Caller::Program(self.core.auth_user(resolved)),
                None => Caller::Refused,
            }),
            Presented::Cookie(None) => self.renew(Caller::Refused).await,
            Presented::Bearer(Some(token))
            | Presented::Dpop(Some(token))
            | Presented::Cookie(Some(token)) => {
                let sessions = &self.core.sessions;
                let found = match source {
                    Source::CacheOrStore => sessions.verify(token).await?,
                    Source::Store => sessions.verify_anew(token).await?,
                };
                match found.valid() {
                    Some(resolved) => Ok(match self.check_binding(&resolved.session) {
                        Ok(()) => Caller::User(self.user_of(resolved)),
                        Err(error) => Caller::Unproven(error.kind()),
                    }),
                    None if matches!(self.credential().presented, Presented::Dpop(_)) => {
                        Ok(Caller::Unproven(ErrorKind::DpopTokenRefused))
                    }
                    None => self.renew(Caller::Refused).await,
                }
            }
        }
    }

    /// Checks that the token of a session was presented as its binding requires. The proof of a request
    /// is verified once.
    fn check_binding(&self, session: &Session) -> Result<(), AuthError> {
        let is_bound = session.bound() == Some(BindingKind::Dpop);
        let credential = self.credential();
        match (is_bound, matches!(credential.presented, Presented::Dpop(_))) {
            (false, false) => Ok(()),
            (true, true) => {
                let proof = credential.proof.as_ref().ok_or(ErrorKind::DpopProofRequired)?;
                self.waited().proven.get_or_init(|| proof.require(&self.core, session)).clone()
            }
            (true, false) | (false, true) => Err(ErrorKind::DpopTokenRefused.into()),
        }
    }

    /// Refreshes the session of a browser once, or returns `otherwise` if it has no valid refresh
    /// token.
    async fn renew(&self, otherwise: Caller) -> Result<Caller, AuthError> {
        let Some(token) = self.credential().refresh(&self.core) else { return Ok(otherwise) };
        match self.waited().renewal.get_or_init(|| self.refresh(token)).await {
            Ok(Some(renewed)) => Ok(Caller::User(renewed.user.clone())),
            Ok(None) => Ok(otherwise),
            Err(error) if error.kind() == ErrorKind::DeviceProofRequired => {
                if let Some(token) = RefreshToken::parse(token) {
                    self.record_skipped(token.session, None);
                }
                Ok(Caller::Unproven(ErrorKind::DeviceProofRequired))
            }
            Err(error) => Err(error.clone()),
        }
    }

    async fn refresh(&self, token: &str) -> Result<Option<Renewed>, AuthError> {
        match self.core.sessions.refresh_over(token, Transport::Cookie).await {
            Ok((user, issued)) => {
                let resolved = AuthenticatedSession::new(issued.session.clone(), user);
                Ok(Some(Renewed { user: self.user_of(Arc::new(resolved)), issued }))
            }
            Err(error) if error.kind() == ErrorKind::InvalidRefreshToken => Ok(None),
            Err(error) => Err(error),
        }
    }
}
