//! A session with the tokens that only its client may see.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    crypto::{
        ratchet::Generation,
        token::{AccessToken, PlainToken, RefreshToken},
    },
    model::Session,
};

/// A session that has just begun or been refreshed, with its tokens.
#[derive(Debug)]
#[must_use]
pub struct Issued {
    /// The session.
    pub session: Session,
    /// When the tokens were handed out.
    pub at: Timestamp,
    /// Its access token.
    pub access: PlainToken,
    /// Its refresh token.
    pub refresh: PlainToken,
}

impl Issued {
    pub(super) fn new(session: Session, secrets: Generation, at: Timestamp) -> Self {
        let (id, generation) = (session.id, secrets.number);
        let access = AccessToken { session: id, generation, secret: secrets.access };
        let refresh = RefreshToken { session: id, generation, secret: secrets.refresh };
        Self { session, at, access: access.to_plain(), refresh: refresh.to_plain() }
    }
}

impl Issued {
    /// How long the access token is good from the moment it was handed out.
    pub fn access_life(&self) -> Duration {
        self.until(self.session.access_expires_at)
    }

    /// How long the refresh token is good, unless it is used, from that moment.
    pub fn refresh_life(&self) -> Duration {
        self.until(self.session.refresh_expires_at)
    }

    fn until(&self, end: Timestamp) -> Duration {
        Duration::try_from(end.duration_since(self.at)).unwrap_or_default()
    }
}
