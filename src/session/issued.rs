//! A session with its tokens.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    crypto::{
        ratchet::TokenGeneration,
        token::{AccessToken, RefreshToken, TokenString},
    },
    model::{BindingKind, Session, User},
    store::Applied,
};

/// A session that was created or refreshed, with the tokens for its client.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct IssuedTokens {
    /// The session.
    pub session: Session,
    /// The time at which the tokens were issued.
    pub at: Timestamp,
    /// The access token.
    pub access: TokenString,
    /// The refresh token.
    pub refresh: TokenString,
    /// The challenge with which a browser can bind the session to a key: only of an unbound session
    /// on which a factor was just verified.
    pub(crate) offer: Option<String>,
}

/// The outcome of a transition that creates a session or gives it new tokens.
#[derive(Debug)]
#[must_use]
pub(crate) enum SessionTransition {
    /// Committed: the user after the transition, and the session with its tokens.
    Done(Box<User>, Box<IssuedTokens>),
    /// Not committed, or committed without the session.
    NotApplied(Applied),
}

impl SessionTransition {
    /// Returns the user and the session, or the reason why there is no session.
    pub(crate) fn done(self) -> Result<(User, IssuedTokens), Applied> {
        match self {
            Self::Done(user, issued) => Ok((*user, *issued)),
            Self::NotApplied(applied) => Err(applied),
        }
    }
}

impl IssuedTokens {
    pub(super) fn new(session: Session, secrets: TokenGeneration, at: Timestamp) -> Self {
        let (id, generation) = (session.id, secrets.number);
        let access = AccessToken { session: id, generation, secret: secrets.access };
        let refresh = RefreshToken { session: id, generation, secret: secrets.refresh };
        Self { session, at, access: access.encode(), refresh: refresh.encode(), offer: None }
    }
}

impl IssuedTokens {
    /// Returns the type of the access token: `Bearer`, or `DPoP` for a session that is bound to a key of
    /// a program.
    pub fn token_type(&self) -> &'static str {
        match self.session.bound() {
            Some(BindingKind::Dpop) => "DPoP",
            _ => "Bearer",
        }
    }

    /// Returns the validity of the access token, measured from the time of issue.
    pub fn access_expires_in(&self) -> Duration {
        self.until(self.session.access_expires_at)
    }

    /// Returns the validity of the refresh token, measured from the time of issue.
    pub fn refresh_expires_in(&self) -> Duration {
        self.until(self.session.refresh_expires_at)
    }

    fn until(&self, end: Timestamp) -> Duration {
        Duration::try_from(end.duration_since(self.at)).unwrap_or_default()
    }
}
