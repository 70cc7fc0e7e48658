//! The refresh of a session that is bound to a key of the browser.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::{
    IssuedTokens, Sessions,
    refresh::{MOST_RACES, same_again, standing, state, successor_again},
};
use crate::{
    clock::whole_millis,
    crypto::{random, token::RefreshToken},
    error::{AuthError, ErrorKind},
    event::{Event, EventKind},
    model::{BindingKind, RefreshDecision, Session, SessionBinding, SessionId, TokenAge, User},
    store::SessionRow,
};

/// The proof that a browser sent.
pub(crate) enum DeviceAttempt<'a> {
    /// None.
    Missing,
    /// One that is malformed.
    Malformed,
    /// The challenge of a proof, and the check of its signature.
    Proof { challenge: &'a str, is_of: &'a (dyn Fn(&SessionBinding) -> bool + Sync) },
}

/// The result of a refresh with a proof.
pub(crate) enum DeviceRefresh {
    /// Refreshed; the next challenge.
    Refreshed(Box<IssuedTokens>, String),
    /// There is no such session.
    Ended,
    /// Rejected; a challenge for another attempt.
    Rejected(ErrorKind, Option<String>),
    /// The signature is not of the key: as above. The user is not notified yet.
    Mismatch(Box<User>, String),
}

impl Sessions {
    /// Exchanges the refresh token of a session that is bound to a browser for new tokens: one read,
    /// and one write if it rotates. A rejected attempt issues a challenge.
    ///
    /// The proof is valid for the two newest challenges, once. With the same refresh token, it returns
    /// the same tokens again for as long as a refresh does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub(crate) async fn refresh_device(
        &self,
        id: SessionId,
        token: Option<&str>,
        attempt: &DeviceAttempt<'_>,
    ) -> Result<DeviceRefresh, AuthError> {
        for _ in 0..MOST_RACES {
            let Some(found) = self.store.find(id).await? else { return Ok(DeviceRefresh::Ended) };
            let (row, now) = (found.row, whole_millis(self.clock.now()));
            let Some(binding) = device_key(&row.session).filter(|_| !row.session.has_ended(now))
            else {
                return Ok(DeviceRefresh::Ended);
            };
            let user = self.users.user_of_session(&row.session.user_id, found.user).await?;
            let Some(user) = user.filter(User::is_active) else { return Ok(DeviceRefresh::Ended) };
            let token = token.and_then(RefreshToken::parse);
            if token.as_ref().is_some_and(|token| token.session != id) {
                return Ok(DeviceRefresh::Rejected(ErrorKind::InvalidDeviceProof, None));
            }
            let token = token.map(|token| (standing(&row, &token), token));
            let Some((age, token)) = token.filter(|(age, _)| *age != TokenAge::Forged) else {
                let challenge = self.current_challenge(&row, now).await?;
                return Ok(DeviceRefresh::Rejected(missing_or_invalid(attempt), challenge));
            };
            let DeviceAttempt::Proof { challenge, is_of } = attempt else {
                let next = self.next_challenge(row, now).await?;
                return Ok(DeviceRefresh::Rejected(missing_or_invalid(attempt), next));
            };
            if !is_of(binding) {
                let event = Event::new(EventKind::DeviceProofRefused, now).user(&user.id);
                self.events.record(event.session(id));
                let next = self.next_challenge(row, now).await?.unwrap_or_default();
                return Ok(DeviceRefresh::Mismatch(Box::new(user), next));
            }
            let decision = self.options.refresh.decide(age, &state(&row), now);
            let is_live = row.challenges.is_live(challenge, now);
            let is_repeated =
                decision == RefreshDecision::Converge && row.challenges.is_used(challenge);
            let is_refused = matches!(decision, RefreshDecision::Refuse(_));
            if !(is_live || is_repeated) || is_refused {
                let next = self.next_challenge(row, now).await?;
                return Ok(DeviceRefresh::Rejected(ErrorKind::InvalidDeviceProof, next));
            }
            if decision == RefreshDecision::Reuse {
                let next = match self.options.refresh.revoke_on_reuse {
                    true => None,
                    false => self.next_challenge(row.clone(), now).await?,
                };
                self.reused(&row.session, now).await?;
                return Ok(match next {
                    None => DeviceRefresh::Ended,
                    next => DeviceRefresh::Rejected(ErrorKind::InvalidDeviceProof, next),
                });
            }
            let use_of = (*challenge, &token, decision, is_live);
            if let Some((issued, next)) = self.issue_for(row, use_of, now).await? {
                let event = Event::new(EventKind::Refreshed, now);
                self.events.record(event.user(&user.id).session(id));
                return Ok(DeviceRefresh::Refreshed(Box::new(issued), next));
            }
        }
        Err(ErrorKind::Unavailable.into())
    }

    /// Issues tokens for a proof, and the next challenge. Returns `None` if a concurrent request
    /// succeeded first.
    async fn issue_for(
        &self,
        mut row: SessionRow,
        (challenge, token, decision, is_live): (&str, &RefreshToken, RefreshDecision, bool),
        now: Timestamp,
    ) -> Result<Option<(IssuedTokens, String)>, AuthError> {
        let next = new_challenge()?;
        if decision == RefreshDecision::Converge {
            let newest = row.challenges.newest(now).filter(|_| !is_live).map(ToOwned::to_owned);
            let next = match newest {
                Some(newest) => newest,
                None => {
                    let to = match is_live {
                        true => row.challenges.spend(challenge, &next, now, false),
                        false => row.challenges.with(&next, now),
                    };
                    let (id, from) = (row.session.id, &row.challenges);
                    if !self.store.set_challenges(id, from, &to).await? {
                        return Ok(None);
                    }
                    next
                }
            };
            let issued = match row.generation == token.generation {
                true => same_again(row, token, now),
                false => successor_again(row, token, now),
            };
            return Ok(Some((issued, next)));
        }
        row.challenges = row.challenges.spend(challenge, &next, now, true);
        let issued = match decision {
            RefreshDecision::Renew => self.renew(row, token, now).await?,
            _ => self.rotate(row, token, now).await?,
        };
        Ok(issued.map(|issued| (issued, next)))
    }

    /// Issues a challenge to a client that has a token of the session. Of concurrent requests, one
    /// issues it.
    async fn next_challenge(
        &self,
        row: SessionRow,
        now: Timestamp,
    ) -> Result<Option<String>, AuthError> {
        let (id, challenges) = (row.session.id, row.challenges);
        let next = new_challenge()?;
        if self.store.set_challenges(id, &challenges, &challenges.with(&next, now)).await? {
            return Ok(Some(next));
        }
        let found = self.store.find(id).await?;
        Ok(found.and_then(|found| found.row.challenges.newest(now).map(ToOwned::to_owned)))
    }

    /// Returns a valid challenge to a client that has no token of the session. It replaces none that
    /// is valid, so that such clients cannot prevent the refresh of the browser.
    async fn current_challenge(
        &self,
        row: &SessionRow,
        now: Timestamp,
    ) -> Result<Option<String>, AuthError> {
        match row.challenges.newest(now) {
            Some(newest) => Ok(Some(newest.to_owned())),
            None => self.next_challenge(row.clone(), now).await,
        }
    }

    /// Records that the user is notified of a proof of another key. Returns `true` at the first one
    /// of a session.
    pub(crate) async fn note_mismatch(&self, id: SessionId) -> Result<bool, AuthError> {
        Ok(self.store.note_mismatch(id, self.clock.now()).await?)
    }
}

/// Returns the key of a session that is bound to a browser.
fn device_key(session: &Session) -> Option<&SessionBinding> {
    session.binding.as_ref().filter(|own| own.kind() == BindingKind::Device)
}

fn new_challenge() -> Result<String, AuthError> {
    Ok(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?))
}

fn missing_or_invalid(attempt: &DeviceAttempt<'_>) -> ErrorKind {
    match attempt {
        DeviceAttempt::Missing => ErrorKind::DeviceProofMissing,
        DeviceAttempt::Malformed | DeviceAttempt::Proof { .. } => ErrorKind::InvalidDeviceProof,
    }
}
