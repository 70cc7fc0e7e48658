//! Exchange of a refresh token for new tokens.

use jiff::Timestamp;

use super::{IssuedTokens, Sessions, offered::require_key};
use crate::{
    clock::whole_millis,
    crypto::{
        digest::Domain,
        random,
        ratchet::{Lineage, TokenGeneration, next_lineage, renewed_access},
        token::{AccessToken, RefreshToken},
    },
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::{BindingKind, RefreshDecision, RefreshState, Session, TokenAge, Transport, User},
    store::SessionRow,
};

/// Maximum attempts if a concurrent refresh succeeds first.
pub(super) const MOST_RACES: usize = 5;

impl Sessions {
    /// Exchanges a refresh token for a new pair of tokens: one read, and one write if it rotates.
    ///
    /// Of concurrent uses of one token, one rotates and the others get the same pair. The use of a
    /// token that was already replaced indicates theft: the session ends and an event is recorded,
    /// regardless of the age of the token (RFC 9700 §4.14.2). A forged token has no effect.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRefreshToken`] if the token is unknown, forged, expired, revoked or
    /// reused; [`ErrorKind::DeviceProofRequired`] if the session is bound to a key;
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn refresh(&self, token: &str) -> Result<(User, IssuedTokens), AuthError> {
        self.refresh_if(token, &|_| None).await
    }

    /// Like [`refresh`](Self::refresh), limited to sessions of one transport.
    pub(crate) async fn refresh_over(
        &self,
        token: &str,
        transport: Transport,
    ) -> Result<(User, IssuedTokens), AuthError> {
        let is_other = |row: &SessionRow| row.session.transport != transport;
        self.refresh_if(token, &|row| is_other(row).then_some("other_transport")).await
    }

    /// Like [`refresh`](Self::refresh), unless `refused` returns a reason for the session. The
    /// token is not interpreted then, so nothing is revoked.
    pub(super) async fn refresh_if(
        &self,
        token: &str,
        refused: &(dyn Fn(&SessionRow) -> Option<&'static str> + Sync),
    ) -> Result<(User, IssuedTokens), AuthError> {
        let token = RefreshToken::parse(token).ok_or(ErrorKind::InvalidRefreshToken)?;
        for _ in 0..MOST_RACES {
            let Some(found) = self.store.find(token.session).await? else {
                return Err(self.refuse(&token, "unknown"));
            };
            let (row, now) = (found.row, whole_millis(self.clock.now()));
            if row.session.transport == Transport::Other {
                return Err(self.refuse(&token, "other_transport"));
            }
            if let Some(reason) = refused(&row) {
                return Err(self.refuse(&token, reason));
            }
            let decision = self.options.refresh.decide(standing(&row, &token), &state(&row), now);
            if let RefreshDecision::Refuse(reason) = decision {
                return Err(self.refuse(&token, reason));
            }
            // Without a proof, no token of a bound session counts as reuse.
            if row.session.binding.is_some()
                && let Err(error) = prove(&row.session).await
            {
                let user = self.users.user_of_session(&row.session.user_id, found.user).await?;
                return Err(match user.filter(User::is_active) {
                    Some(_) => error,
                    None => self.refuse(&token, "disabled"),
                });
            }
            if decision == RefreshDecision::Reuse {
                return Err(self.reused(&row.session, now).await?);
            }
            let user = self.users.user_of_session(&row.session.user_id, found.user).await?;
            let Some(user) = user.filter(User::is_active) else {
                return Err(self.refuse(&token, "disabled"));
            };
            if !self.may_continue(&row.session).await? {
                return Err(self.refuse(&token, "impersonator"));
            }
            let issued = match decision {
                RefreshDecision::Converge if row.generation == token.generation => {
                    Some(same_again(row, &token, now))
                }
                RefreshDecision::Converge => Some(successor_again(row, &token, now)),
                RefreshDecision::Renew => self.renew(row, &token, now).await?,
                _ => self.rotate(row, &token, now).await?,
            };
            if let Some(issued) = issued {
                let event = Event::new(EventKind::Refreshed, now);
                self.events.record(event.user(&user.id).session(token.session));
                return Ok((user, issued));
            }
        }
        Err(ErrorKind::Unavailable.into())
    }

    /// Rotates the tokens. Returns `None` if a concurrent use succeeded first.
    pub(super) async fn rotate(
        &self,
        row: SessionRow,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<IssuedTokens>, AuthError> {
        let salt = random::bytes()?;
        let secrets = TokenGeneration::next(&token.secret, row.generation, &row.nonce, &salt);
        let to = SessionRow {
            generation: secrets.number,
            lineage_hash: secrets.refresh.lineage.digest(Domain::LINEAGE),
            refresh_hash: secrets.refresh.digest(),
            access_hash: secrets.access.digest(Domain::ACCESS),
            confirmed_at: None,
            ..self.used(&row, salt, now)
        };
        let won = self.store.rotate(&row, &to).await?;
        Ok(won.then(|| IssuedTokens::new(to.session, secrets, now)))
    }

    pub(super) async fn renew(
        &self,
        row: SessionRow,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<IssuedTokens>, AuthError> {
        let salt = random::bytes()?;
        let access = renewed_access(&token.secret, row.generation, &salt);
        let to =
            SessionRow { access_hash: access.digest(Domain::ACCESS), ..self.used(&row, salt, now) };
        let won = self.store.rotate(&row, &to).await?;
        Ok(won.then(|| same_again(to, token, now)))
    }

    /// Returns the row after a use: the access token becomes the previous one, and the expiry is
    /// extended.
    fn used(&self, row: &SessionRow, salt: [u8; 32], now: Timestamp) -> SessionRow {
        let (is_persistent, end) = (row.session.is_persistent, row.session.expires_at);
        let (access, refresh) =
            self.options.token_expiry((is_persistent, row.session.bound()), now, end);
        let session = Session {
            last_seen_at: now,
            access_expires_at: access,
            refresh_expires_at: refresh,
            ..row.session.clone()
        };
        SessionRow {
            previous_access: Some((row.access_hash, row.session.access_expires_at)),
            rotated_at: Some(now),
            session,
            salt,
            ..row.clone()
        }
    }

    pub(super) async fn reused(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<AuthError, AuthError> {
        if self.options.refresh.revoke_on_reuse {
            self.store.delete(session.id).await?;
            self.watcher.end(session.id);
        }
        let event = Event::new(EventKind::RefreshReused, now);
        self.events.record(event.user(&session.user_id).session(session.id));
        Ok(ErrorKind::InvalidRefreshToken.into())
    }

    fn refuse(&self, token: &RefreshToken, reason: &'static str) -> AuthError {
        let event = Event::new(EventKind::RefreshRefused, self.clock.now());
        self.events.record(event.session(token.session).reason(reason));
        ErrorKind::InvalidRefreshToken.into()
    }
}

/// Requires a proof of the key of a session. That of a browser is only sent to its own route.
async fn prove(session: &Session) -> Result<(), AuthError> {
    match session.bound() {
        Some(BindingKind::Dpop) => require_key(session).await,
        _ => Err(ErrorKind::DeviceProofRequired.into()),
    }
}

/// Returns the relation of a well-formed token to a row. The number of hashes is the age of the
/// token in generations, and at most the number of rotations of the session.
pub(super) fn standing(row: &SessionRow, token: &RefreshToken) -> TokenAge {
    if let Some(former) = row.former.iter().find(|former| former.generation >= token.generation) {
        let lineage = walk(row, token, former.generation);
        let own = former.lineage_hash.ct_eq(&lineage.digest(Domain::LINEAGE));
        return if own { TokenAge::Replaced } else { TokenAge::Forged };
    }
    let Some(age) = row.generation.checked_sub(token.generation) else {
        return TokenAge::Forged;
    };
    if age == 0 {
        let own = row.refresh_hash.ct_eq(&token.secret.digest());
        return if own { TokenAge::Current } else { TokenAge::Forged };
    }
    if !row.lineage_hash.ct_eq(&walk(row, token, row.generation).digest(Domain::LINEAGE)) {
        return TokenAge::Forged;
    }
    if age > 1 {
        return TokenAge::Older;
    }
    let next = TokenGeneration::next(&token.secret, token.generation, &row.nonce, &row.salt);
    let leads_here = row.refresh_hash.ct_eq(&next.refresh.digest());
    if leads_here { TokenAge::Predecessor } else { TokenAge::Forged }
}

/// Returns the lineage that the lineage of a token derives at a later generation.
fn walk(row: &SessionRow, token: &RefreshToken, generation: u32) -> Lineage {
    let own = Lineage::from_bytes(*token.secret.lineage.expose());
    (token.generation..generation).fold(own, |lineage, _| next_lineage(&lineage, &row.nonce))
}

pub(super) fn state(row: &SessionRow) -> RefreshState {
    RefreshState {
        generation: row.generation,
        rotated_at: row.rotated_at,
        confirmed: row.confirmed_at.is_some(),
        refresh_expires_at: row.session.refresh_expires_at,
    }
}

/// Computes the pair of the last rotation again.
pub(super) fn successor_again(
    row: SessionRow,
    token: &RefreshToken,
    now: Timestamp,
) -> IssuedTokens {
    let secrets = TokenGeneration::next(&token.secret, token.generation, &row.nonce, &row.salt);
    IssuedTokens::new(row.session, secrets, now)
}

/// Returns the presented token with the access token of the last renewal.
pub(super) fn same_again(row: SessionRow, token: &RefreshToken, now: Timestamp) -> IssuedTokens {
    let secret = renewed_access(&token.secret, row.generation, &row.salt);
    let access = AccessToken { session: token.session, generation: row.generation, secret };
    let (access, refresh) = (access.encode(), token.encode());
    IssuedTokens { session: row.session, at: now, access, refresh, offer: None }
}
