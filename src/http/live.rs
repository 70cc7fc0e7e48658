//! The extractor for connections that outlast their request.

use std::{fmt, ops::Deref};

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{context::Context, query::Query};
use crate::{error::AuthError, services::Core, session::AuthUser, session::SessionWatch};

/// The user of a WebSocket or of an event stream, with the session to watch.
///
/// The user is authenticated by a cookie (only from the application's origins), by a bearer token
/// in the header, or by a one-time ticket from `POST /ticket`, sent as `?ticket=`. If a ticket is
/// sent, other credentials are ignored. Tokens are never sent in a URL.
///
/// ```
/// use authlayer::ConnectedUser;
///
/// async fn events(connected: ConnectedUser) {
///     let (user, mut session) = connected.into_parts();
///     println!("{} is connected", user.id);
///     session.ended().await;
/// }
/// ```
///
/// # Errors
///
/// Those of [`AuthUser`]; 403 for an API key, whose revocation cannot be watched; 401 for a ticket
/// that is used, expired or unknown; 400 for two tickets.
pub struct ConnectedUser {
    user: AuthUser,
    live: SessionWatch,
}

impl ConnectedUser {
    /// Returns the user as of the start of the connection, and the session to watch.
    pub fn into_parts(self) -> (AuthUser, SessionWatch) {
        (self.user, self.live)
    }
}

impl Deref for ConnectedUser {
    type Target = AuthUser;

    fn deref(&self) -> &AuthUser {
        &self.user
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ConnectedUser {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        let context = Context::of(parts)?;
        let core = context.core();
        let query = parts.uri.query().unwrap_or_default();
        let user = match Query::parse(query).once("ticket")? {
            Some(ticket) => {
                let user = core.auth_user(core.redeem_ticket(ticket).await?);
                context.accept_ticket();
                user
            }
            None => context.require().await?,
        };
        if user.api_key().is_some() {
            return Err(Core::not_by_key());
        }
        let live = core.sessions.watch(user.resolved());
        Ok(Self { user, live })
    }
}

impl fmt::Debug for ConnectedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConnectedUser").field(&self.user).finish()
    }
}
