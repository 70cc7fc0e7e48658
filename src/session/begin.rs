//! The beginning of a session.

use super::{Issued, Sessions, after};
use crate::{
    clock::whole_millis,
    crypto::{digest::Domain, random, ratchet::Generation},
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::{Client, Factor, Proof, Session, SessionId, Transport, Upstream, User},
    store::{Opening, SessionRow, Use},
};

/// What a session begins with, beside its user.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// What was proved, and when.
    pub factors: Vec<Proof>,
    /// How its tokens travel.
    pub transport: Transport,
    /// Who is at the other end.
    pub client: Client,
    /// From which session at a provider it comes.
    pub upstream: Option<Upstream>,
    /// The use of a credential that is noted with it, or the session does not begin.
    pub using: Option<Use>,
    /// The session in whose place it begins, and which ends with that; one that has ended in
    /// the meantime is followed by none.
    pub instead_of: Option<SessionId>,
}

impl Beginning {
    /// After some proofs.
    pub(crate) fn new(factors: Vec<Proof>, transport: Transport, client: Client) -> Self {
        Self { factors, transport, client, upstream: None, using: None, instead_of: None }
    }

    /// In the place of a session, with what was proved on it.
    pub(crate) fn instead_of(session: &Session) -> Self {
        Self {
            upstream: session.upstream.clone(),
            instead_of: Some(session.id),
            ..Self::new(session.factors.clone(), session.transport, session.client.clone())
        }
    }
}

impl Sessions {
    /// Begins a session for a user who has just proved a factor.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCredentials`] when the user is not active, even if that came to
    /// pass in this very moment, or when the use of the credential does not count; [`ErrorKind::Unavailable`] when the store fails.
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
    ) -> Result<Issued, AuthError> {
        let proof = Proof { method: factor, at: whole_millis(self.clock.now()) };
        self.begin_with(user, Beginning::new(vec![proof], transport, client)).await
    }

    /// Like [`begin`](Self::begin), with everything that was proved and when.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin), and [`ErrorKind::InvalidToken`] when the session has ended in
    /// whose place this one would begin.
    pub async fn begin_with(&self, user: &User, beginning: Beginning) -> Result<Issued, AuthError> {
        if !user.is_active() {
            return Err(ErrorKind::InvalidCredentials.into());
        }
        let Beginning { using, instead_of, .. } = beginning;
        let refusal = match (&using, instead_of) {
            (None, Some(_)) => ErrorKind::InvalidToken,
            _ => ErrorKind::InvalidCredentials,
        };
        let opening = Opening { at_most: self.options.max_per_user, using, instead_of };
        let now = whole_millis(self.clock.now());
        let secrets = Generation::first()?;
        let id = SessionId::from_bytes(random::bytes()?);
        let end = after(now, self.options.max_lifetime);
        let session = Session {
            expires_at: end,
            access_expires_at: after(now, self.options.access_ttl).min(end),
            refresh_expires_at: after(now, self.options.refresh_ttl).min(end),
            factors: beginning.factors,
            client: beginning.client,
            upstream: beginning.upstream,
            ..Session::new(id, user.id.clone(), beginning.transport, now)
        };
        let row = SessionRow {
            session,
            nonce: random::bytes()?,
            salt: random::bytes()?,
            generation: secrets.number,
            lineage_hash: secrets.refresh.lineage.digest(Domain::LINEAGE),
            refresh_hash: secrets.refresh.digest(),
            access_hash: secrets.access.digest(Domain::ACCESS),
            previous_access: None,
            rotated_at: None,
            confirmed_at: None,
        };
        if !self.store.insert(&row, &opening).await? {
            return Err(refusal.into());
        }
        if let Some(old) = instead_of {
            self.watcher.end(old);
        }
        let session = row.session;
        self.events.record(
            Event::new(EventKind::SignedIn, now)
                .user(&user.id)
                .session(id)
                .ip(session.client.ip.as_deref()),
        );
        Ok(Issued::new(session, secrets, now))
    }
}
