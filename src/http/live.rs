//! The extractor for connections that outlive their request.

use std::{fmt, ops::Deref};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{context::Context, query::Query};
use crate::{error::AuthError, services::Core, session::AuthUser, session::Live};

/// The user at the other end of a WebSocket or of a stream of events, with the session to watch.
///
/// The user is that of a cookie (from our own origins alone), of a bearer token in the header,
/// or of a one-time ticket from `POST /ticket`, given as `?ticket=`: where a ticket is given,
/// nothing else counts. A token never stands in a URL.
///
/// # Errors
///
/// Those of [`AuthUser`]; 403 for the key of a program, whose end nobody watches; 401 for a ticket that is used, expired or
/// none; 400 for two tickets.
pub struct LiveUser {
    user: AuthUser,
    live: Live,
}

impl LiveUser {
    /// The user as the connection began, and the session to watch.
    pub fn into_parts(self) -> (AuthUser, Live) {
        (self.user, self.live)
    }
}

impl Deref for LiveUser {
    type Target = AuthUser;

    fn deref(&self) -> &AuthUser {
        &self.user
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LiveUser {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        let context = Context::of(parts)?;
        let core = context.core();
        let query = parts.uri.query().unwrap_or_default();
        let user = match Query::parse(query).once("ticket")? {
            Some(ticket) => AuthUser::new(core.redeem_ticket(ticket).await?),
            None => context.require().await?,
        };
        if user.api_key().is_some() {
            return Err(Core::not_by_key());
        }
        let live = core.sessions.watch(user.resolved());
        Ok(Self { user, live })
    }
}

impl fmt::Debug for LiveUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveUser").field(&self.user).finish()
    }
}
