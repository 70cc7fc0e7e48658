//! The beginning of a session.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Sessions;
use crate::{
    clock::whole_millis,
    crypto::{
        random,
        ratchet::Generation,
        token::{AccessToken, PlainToken, RefreshToken},
    },
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::{Client, Factor, Proof, Session, SessionId, Transport, User},
    store::SessionRow,
};

/// A session that has just begun, with the tokens that only its client may see.
#[derive(Debug)]
#[must_use]
pub struct Begun {
    /// The session.
    pub session: Session,
    /// Its access token.
    pub access: PlainToken,
    /// Its refresh token.
    pub refresh: PlainToken,
}

impl Sessions {
    /// Begins a session for a user who has just proved a factor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCredentials`] when the user is not active, even if that came to
    /// pass in this very moment; [`ErrorKind::Unavailable`] when the store fails.
    ///
    /// # Security
    ///
    /// The caller answers for the proof: this makes a session for any active user it is
    /// given.
    pub async fn begin(
        &self,
        user: &User,
        factor: Factor,
        transport: Transport,
        client: Client,
    ) -> Result<Begun, AuthError> {
        if !user.is_active() {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let now = whole_millis(self.clock.now());
        let secrets = Generation::first()?;
        let id = SessionId::from_bytes(random::bytes()?);
        let end = after(now, self.options.max_lifetime);
        let session = Session {
            expires_at: end,
            access_expires_at: after(now, self.options.access_ttl).min(end),
            refresh_expires_at: after(now, self.options.refresh_ttl).min(end),
            factors: vec![Proof { method: factor, at: now }],
            client,
            ..Session::new(id, user.id.clone(), transport, now)
        };
        let row = SessionRow {
            session,
            nonce: random::bytes()?,
            salt: random::bytes()?,
            generation: secrets.number,
            lineage_hash: secrets.refresh.lineage.digest(),
            refresh_hash: secrets.refresh.digest(),
            access_hash: secrets.access.digest(),
            previous_access: None,
            rotated_at: None,
            confirmed_at: None,
        };
        if !self.store.insert(&row).await? {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let session = row.session;
        self.events.record(
            Event::new(EventKind::SignedIn, now)
                .user(&user.id)
                .session(id)
                .ip(session.client.ip.as_deref()),
        );
        let generation = secrets.number;
        Ok(Begun {
            access: AccessToken { session: id, generation, secret: secrets.access }.to_plain(),
            refresh: RefreshToken { session: id, generation, secret: secrets.refresh }.to_plain(),
            session,
        })
    }
}

fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| moment.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
