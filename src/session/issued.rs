//! A session with its tokens.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    crypto::{
        ratchet::TokenGeneration,
        token::{AccessToken, RefreshToken, TokenString},
    },
    model::Session,
};

/// A session that was created or refreshed, with the tokens for its client.
#[derive(Debug)]
#[must_use]
pub struct IssuedTokens {
    /// The session.
    pub session: Session,
    /// The time at which the tokens were issued.
    pub at: Timestamp,
    /// The access token.
    pub access: TokenString,
    /// The refresh token.
    pub refresh: TokenString,
}

impl IssuedTokens {
    pub(super) fn new(session: Session, secrets: TokenGeneration, at: Timestamp) -> Self {
        let (id, generation) = (session.id, secrets.number);
        let access = AccessToken { session: id, generation, secret: secrets.access };
        let refresh = RefreshToken { session: id, generation, secret: secrets.refresh };
        Self { session, at, access: access.encode(), refresh: refresh.encode() }
    }
}

impl IssuedTokens {
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
