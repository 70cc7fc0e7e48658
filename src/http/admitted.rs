//! Extractors of the user for routes of this crate with a rule.
//!
//! The order of the checks is that of [`signed`](super::signed), with the rule after the user.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;

use super::{
    AccessRejection, admit,
    context::{Context, no_key},
    json::{Arrived, FromMembers},
};
use crate::{error::AuthError, model::Rule, session::AuthUser};

/// The rules of routes, by the state of their handlers.
pub(crate) trait RouteRules {
    /// Returns the rule of routes that only read.
    fn to_read(&self) -> &Rule;

    /// Returns the rule of routes that write.
    fn to_write(&self) -> &Rule;
}

/// The user of a session who passes the rule of a route that only reads. API keys are rejected.
#[derive(Debug)]
pub(crate) struct Reader(pub(crate) AuthUser);

/// The user of a session who passes the rule of a route that writes, as of the time when the request
/// was complete, and its body.
#[derive(Debug)]
pub(crate) struct Writer<T> {
    pub(crate) auth: AuthUser,
    pub(crate) body: T,
}

impl<S: RouteRules + Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = AccessRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AccessRejection> {
        let admitted = admit(parts, state.to_read(), false).await;
        admitted.map(Self).map_err(|error| AccessRejection::new(parts, error))
    }
}

impl<T: FromMembers, S: RouteRules + Send + Sync> FromRequest<S> for Writer<T> {
    type Rejection = AccessRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, AccessRejection> {
        let (parts, body) = request.into_parts();
        let of = parts.clone();
        let rejected = |error| AccessRejection::new(&of, error);
        let request = Request::from_parts(parts, body);
        let arrived = Arrived::<T>::new(request).await.map_err(rejected)?;
        let auth = admit(&arrived.parts, state.to_write(), true).await.map_err(rejected)?;
        let body = arrived.interpret().map_err(rejected)?;
        Ok(Self { auth, body })
    }
}

/// Returns the user of a request who passes a rule. With `anew`, an earlier lookup is repeated.
pub(crate) async fn admit(parts: &Parts, rule: &Rule, anew: bool) -> Result<AuthUser, AuthError> {
    let context = Context::of(parts)?;
    let found = match anew {
        true => context.require_now().await,
        false => context.require().await.and_then(no_key),
    };
    // An impersonation never administers, whatever the roles of the user are.
    let found = found.and_then(|user| {
        user.require_own()?;
        Ok(user)
    });
    let checked = match found {
        Ok(user) => match admit::check(context.core(), &user, rule).await {
            Ok(()) => return Ok(user),
            Err(refusal) => (Some(user), refusal),
        },
        Err(refusal) => (None, refusal),
    };
    let (user, refusal) = checked;
    admit::record_denial(parts, user.as_ref(), &refusal);
    Err(refusal)
}
