//! Extractors of the user for routes of this crate.
//!
//! Requests are checked in one order: the body is read completely first, then the user is fetched
//! from the store as of that moment, and only then is the body parsed. A client that delays the
//! last byte of a body therefore gains nothing: a session that ended in the meantime is rejected,
//! and a request without a session learns nothing about its body.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;

use super::{
    admit,
    context::{Context, no_key},
    json::{Arrived, FromMembers, NoMembers},
};
use crate::{
    error::{AuthError, ErrorKind},
    model::Rule,
    services::Authority,
    session::AuthUser,
};

/// The user of a session, for a route that only reads. API keys are rejected.
#[derive(Debug)]
pub(crate) struct SignedIn(pub(crate) AuthUser);

/// The user of a session, as of the time when the request was complete, and its body.
#[derive(Debug)]
pub(crate) struct Signed<T> {
    pub(crate) auth: AuthUser,
    pub(crate) body: T,
}

/// The same as [`Signed`], also for an administrator who acts as the user.
#[derive(Debug)]
pub(crate) struct SignedOrImpersonated<T> {
    pub(crate) auth: AuthUser,
    pub(crate) body: T,
}

/// The same for a user who authenticated recently, with the strongest factor they have.
#[derive(Debug)]
pub(crate) struct Fresh<T> {
    pub(crate) auth: AuthUser,
    pub(crate) authority: Authority,
    pub(crate) body: T,
}

/// The same as [`Signed`] for a registered user, on a route without members: anonymous users and
/// programs that a user approved are rejected.
#[derive(Debug)]
pub(crate) struct Registered(pub(crate) AuthUser);

/// The same for a route that replaces a lost factor: a recent recovery code suffices.
#[derive(Debug)]
pub(crate) struct FreshOrRecovering<T = NoMembers> {
    pub(crate) auth: AuthUser,
    pub(crate) authority: Authority,
    pub(crate) body: T,
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        no_key(Context::of(parts)?.require().await?).map(Self)
    }
}

impl<T: FromMembers, S: Send + Sync> FromRequest<S> for Signed<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let arrived = Arrived::<T>::new(request).await?;
        let auth = Context::of(&arrived.parts)?.require_now().await?;
        let body = arrived.interpret()?;
        Ok(Self { auth, body })
    }
}

impl<T: FromMembers, S: Send + Sync> FromRequest<S> for SignedOrImpersonated<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let arrived = Arrived::<T>::new(request).await?;
        let auth = Context::of(&arrived.parts)?.require_session_now().await?;
        let body = arrived.interpret()?;
        Ok(Self { auth, body })
    }
}

impl<T: FromMembers, S: Send + Sync> FromRequest<S> for Fresh<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let arrived = Arrived::<T>::new(request).await?;
        let context = Context::of(&arrived.parts)?;
        let auth = context.require_now().await?;
        let authority = context.core().require_fresh(auth.user(), auth.session()).await?;
        let body = arrived.interpret()?;
        Ok(Self { auth, authority, body })
    }
}

impl<S: Send + Sync> FromRequest<S> for Registered {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let arrived = Arrived::<NoMembers>::new(request).await?;
        let context = Context::of(&arrived.parts)?;
        let auth = context.require_now().await?;
        admit::check(context.core(), &auth, &Rule::registered()).await?;
        if auth.session().is_of_program() {
            return Err(ErrorKind::Forbidden.into());
        }
        arrived.interpret()?;
        Ok(Self(auth))
    }
}

impl<T: FromMembers, S: Send + Sync> FromRequest<S> for FreshOrRecovering<T> {
    type Rejection = AuthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, AuthError> {
        let arrived = Arrived::<T>::new(request).await?;
        let context = Context::of(&arrived.parts)?;
        let auth = context.require_now().await?;
        let authority = context.core().fresh_or_recovering(auth.user(), auth.session()).await?;
        let body = arrived.interpret()?;
        Ok(Self { auth, authority, body })
    }
}
