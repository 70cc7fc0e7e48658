//! A session with the tokens that only its client may see.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

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

/// A moment later by a duration, or the end of the calendar.
pub(super) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| moment.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
