//! The handle that the layer adds to a request: the credential with its lookups, and what guards
//! and routes decided.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{HeaderMap, HeaderValue, Method, request::Parts};
use tracing::Span;

use super::{
    caller::Caller,
    credential::Credential,
    dpop::{SentProof, path_of},
    lookup::Lookup,
    presented::Presented,
};
use crate::{
    crypto::token::RefreshToken,
    error::{AuthError, ErrorKind},
    hook::RequestMembers,
    model::SessionId,
    services::{AnonymousSignUp, Core},
    session::{AuthUser, IssuedTokens},
};

/// The reason of the error on a route without a layer. Debug builds send it to the client too.
const NO_LAYER: &str = "this route has no AuthLayer: add .layer(auth.layer()) to the router";

/// The authentication of one request: done when it is first needed, and then only once.
#[derive(Clone)]
pub(crate) struct Context(Arc<Inner>);

struct Inner {
    lookup: Lookup,
    /// Set on a route that is declared public.
    is_public: OnceLock<()>,
    /// The members of the body, for hooks.
    members: OnceLock<Arc<RequestMembers>>,
    /// Set once a guard of this route has accepted the API key of the request.
    accepts_key: OnceLock<()>,
    /// Set once the user was authenticated by a ticket.
    has_ticket: OnceLock<()>,
    /// Set once a sign-in replaced the session of the browser.
    is_replaced: OnceLock<()>,
    /// The offer to bind the new session of this browser, for the response of a page.
    offer: OnceLock<HeaderValue>,
}

impl Context {
    /// Creates the context of a request that has not been read, except for its proof.
    pub(super) fn new(core: &Arc<Core>, span: Span, proof: Option<Arc<SentProof>>) -> Self {
        Self(Arc::new(Inner {
            lookup: Lookup::new(core, span, proof),
            is_public: OnceLock::new(),
            members: OnceLock::new(),
            accepts_key: OnceLock::new(),
            has_ticket: OnceLock::new(),
            is_replaced: OnceLock::new(),
            offer: OnceLock::new(),
        }))
    }

    /// Creates the context of a request whose credential was read.
    pub(super) fn with(core: &Arc<Core>, credential: Credential) -> Self {
        let own = Self::new(core, Span::none(), None);
        own.0.lookup.set(credential);
        own
    }

    /// Returns the context that the layer added to a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if there is no layer.
    pub(crate) fn of(parts: &Parts) -> Result<&Self, AuthError> {
        match parts.extensions.get::<Self>() {
            Some(context) => {
                let path = path_of(&parts.extensions, &parts.uri);
                Ok(context.read(&parts.method, &parts.headers, path))
            }
            None => {
                tracing::error!(path = parts.uri.path(), "{NO_LAYER}");
                let error = AuthError::from(ErrorKind::Misconfigured);
                Err(if cfg!(debug_assertions) { error.with_detail(NO_LAYER) } else { error })
            }
        }
    }

    /// Returns the context of a whole request, or `None` without a layer.
    pub(super) fn of_request<B>(request: &http::Request<B>) -> Option<&Self> {
        let context = request.extensions().get::<Self>()?;
        let path = path_of(request.extensions(), request.uri());
        Some(context.read(request.method(), request.headers(), path))
    }

    /// Parses the credential, unless that was done before. Does no I/O.
    pub(super) fn read(&self, method: &Method, headers: &HeaderMap, path: &str) -> &Self {
        self.0.lookup.read(method, headers, path);
        self
    }

    pub(crate) fn presented(&self) -> &Presented {
        &self.0.lookup.credential().presented
    }

    /// Returns the refresh token of the cookie, with the id of its session.
    pub(crate) fn refresh_cookie(&self) -> Option<(SessionId, &str)> {
        let text = self.0.lookup.credential().refresh(self.core())?;
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
        self.0.lookup.core()
    }

    /// Returns whether an extractor or guard has requested the user.
    pub(super) fn was_asked(&self) -> bool {
        self.0.lookup.is_read()
    }

    /// Records that a ticket authenticated the user, in place of the credential.
    pub(super) fn accept_ticket(&self) {
        let _again = self.0.has_ticket.set(());
    }

    /// Records that a sign-in replaces the session of the browser.
    pub(super) fn replace_session(&self) {
        let _again = self.0.is_replaced.set(());
    }

    /// Returns whether the browser must forget the administrator who acted as another user: a sign-in
    /// replaced the impersonation.
    pub(super) fn forgets_impersonator(&self) -> bool {
        self.0.is_replaced.get().is_some()
            && self.0.lookup.credential().has_impersonator(self.core())
    }

    /// Stores the offer to bind the new session of this browser, which a route added to its response.
    pub(crate) fn set_offer(&self, offer: HeaderValue) {
        let _first = self.0.offer.set(offer);
    }

    /// Returns that offer.
    pub(super) fn offer(&self) -> Option<&HeaderValue> {
        self.0.offer.get()
    }

    /// Returns whether a user or an API key was authenticated.
    pub(super) fn has_found(&self) -> bool {
        self.0.has_ticket.get().is_some() || self.0.lookup.has_found()
    }

    /// Returns the tokens that were issued by a refresh during this request, to be set as cookies.
    pub(crate) fn renewed(&self) -> Option<&IssuedTokens> {
        self.0.lookup.renewed()
    }

    /// Returns the user, or the error that there is none.
    pub(crate) async fn require(&self) -> Result<AuthUser, AuthError> {
        self.accepted(self.0.lookup.resolve().await?)?.required()
    }

    /// Returns the caller for a guard, which decides whether to accept an API key. `anew` bypasses
    /// the cache.
    pub(crate) async fn caller(&self, anew: bool) -> Result<AuthUser, AuthError> {
        match anew {
            true => self.0.lookup.revalidate().await?.required(),
            false => self.0.lookup.resolve().await?.required(),
        }
    }

    /// Accepts the API key for the rest of this request.
    pub(crate) fn accept_key(&self) {
        let _again = self.0.accepts_key.set(());
    }

    /// Rejects an API key, unless a guard accepted it.
    fn accepted(&self, caller: Caller) -> Result<Caller, AuthError> {
        match caller {
            Caller::Program(_) if self.0.accepts_key.get().is_none() => Err(Core::not_by_key()),
            caller => Ok(caller),
        }
    }

    /// Returns the current user of a session. An earlier lookup, such as that of a guard, is
    /// repeated. API keys and administrators who act as the user are rejected.
    pub(crate) async fn require_now(&self) -> Result<AuthUser, AuthError> {
        let user = self.require_session_now().await?;
        user.require_own()?;
        Ok(user)
    }

    /// Like [`require_now`](Self::require_now), and accepts an impersonation.
    pub(crate) async fn require_session_now(&self) -> Result<AuthUser, AuthError> {
        no_key(self.0.lookup.current().await?.required()?)
    }

    /// Returns the user, if known without waiting.
    pub(crate) fn known(&self) -> Option<AuthUser> {
        self.0.lookup.known()
    }

    /// Returns the user that was found for this request, without a lookup.
    pub(crate) fn found(&self) -> Option<AuthUser> {
        self.0.lookup.found()
    }

    /// Returns the anonymous user of the session, if the flow is registered, so that a sign-up can
    /// convert that user. An invalid credential counts as none.
    pub(crate) async fn anonymous(&self, core: &Core) -> Result<Option<AuthUser>, AuthError> {
        if core.offered::<AnonymousSignUp>().is_none() {
            return Ok(None);
        }
        match self.0.lookup.current().await? {
            Caller::User(user) if user.user().is_anonymous => {
                Ok(Some(user).filter(|user| user.session().impersonator.is_none()))
            }
            _ => Ok(None),
        }
    }

    /// Returns the user, if there is one. An invalid cookie counts as none; an invalid bearer token
    /// is an error.
    pub(crate) async fn optional(&self) -> Result<Option<AuthUser>, AuthError> {
        match self.accepted(self.0.lookup.resolve().await?)? {
            Caller::User(user) | Caller::Program(user) => Ok(Some(user)),
            Caller::Refused if !self.presented().is_cookie() => Err(ErrorKind::InvalidToken.into()),
            Caller::Unproven(kind) if self.presented().is_bearer() => Err(kind.into()),
            Caller::Refused | Caller::Unproven(_) | Caller::Anonymous => Ok(None),
        }
    }

    /// Returns the current user of a session, if there is one, bypassing the cache. Other or
    /// invalid credentials count as none.
    pub(crate) async fn signed_in(&self) -> Result<Option<AuthUser>, AuthError> {
        let user = self.0.lookup.current().await?.user().cloned();
        Ok(user.filter(|user| user.api_key().is_none()))
    }
}

/// Rejects an API key: it cannot access the account of the user who created it.
pub(super) fn no_key(user: AuthUser) -> Result<AuthUser, AuthError> {
    match user.api_key() {
        None => Ok(user),
        Some(_) => Err(Core::not_by_key()),
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}
