//! New tokens for a session other than by a refresh: after a step-up, a change of the password or
//! email address, or a new credential.

use super::{
    IssuedTokens, SessionTransition, Sessions,
    offer::offer,
    offered::{offered_key, use_offered},
};
use crate::{
    clock::whole_millis,
    crypto::{digest::Domain, random, ratchet::TokenGeneration},
    error::{AuthError, ErrorKind},
    model::{Basis, FactorProof, Session, SessionBinding, User},
    store::{Applied, Decide, FormerLineage, SessionRow, SessionWrite, Unmet},
};

/// Maximum attempts: a refresh may replace the tokens in the meantime.
const MAX_RACES: usize = 5;
/// The number of former lineages that a session recognizes.
const MAX_FORMER: usize = 8;

impl Sessions {
    /// Issues new tokens for a session in the transaction of a transition. The session retains its
    /// id, and its former tokens are no longer valid.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidToken`] if the session has ended or a concurrent renewal succeeded
    /// first; [`ErrorKind::Unavailable`] if the store fails.
    pub(crate) async fn renew_within(
        &self,
        session: &Session,
        proof: Option<FactorProof>,
        decide: Decide<'_>,
    ) -> Result<SessionTransition, AuthError> {
        // A registration verifies no factor: a thief of a cookie cannot bind the session by one.
        let proves = proof.as_ref().is_some_and(|proof| proof.basis != Basis::Enrolled);
        // A step-up binds an unbound session to the key that the request offers.
        let key = match proves && session.binding.is_none() {
            true => offered_key(session.transport)?,
            false => None,
        };
        if key.is_some() {
            use_offered().await?;
        }
        for _ in 0..MAX_RACES {
            let found = self.store.find(session.id).await?.ok_or(ErrorKind::InvalidToken)?;
            let from = found.row;
            let same = from.session.user_id == session.user_id
                && from.session.renewals == session.renewals;
            if !same {
                return Err(ErrorKind::InvalidToken.into());
            }
            let now = whole_millis(self.clock.now());
            let secrets = TokenGeneration {
                number: from.generation.saturating_add(1),
                ..TokenGeneration::initial()?
            };
            let mut to = self.renewed(&from, &secrets, proof, now)?;
            if to.session.binding.is_none() {
                to.session.binding = key.map(SessionBinding::dpop);
            }
            let with_session = |user: &User| {
                let mut writes = decide(user)?;
                let (from, to) = (Box::new(from.clone()), Box::new(to.clone()));
                writes.session = Some(SessionWrite::Renew { from, to });
                Some(writes)
            };
            match self.transitions.apply(&session.user_id, &with_session).await? {
                Applied::Done(user) => {
                    let offer = proves.then(|| offer(&to, now)).flatten();
                    let issued =
                        IssuedTokens { offer, ..IssuedTokens::new(to.session, secrets, now) };
                    return Ok(SessionTransition::Done(user, Box::new(issued)));
                }
                Applied::Unmet(Unmet::Session) => {}
                other => return Ok(SessionTransition::NotApplied(other)),
            }
        }
        Err(ErrorKind::InvalidToken.into())
    }

    fn renewed(
        &self,
        from: &SessionRow,
        secrets: &TokenGeneration,
        proof: Option<FactorProof>,
        now: jiff::Timestamp,
    ) -> Result<SessionRow, AuthError> {
        let (is_persistent, end) = (from.session.is_persistent, from.session.expires_at);
        let (access, refresh) =
            self.options.token_expiry((is_persistent, from.session.bound()), now, end);
        let mut session = Session {
            last_seen_at: now,
            access_expires_at: access,
            refresh_expires_at: refresh,
            renewals: from.session.renewals.saturating_add(1),
            ..from.session.clone()
        };
        if let Some(proof) = proof {
            session.prove(proof);
        }
        let mut former = from.former.clone();
        former.push(FormerLineage {
            generation: from.generation,
            lineage_hash: from.lineage_hash,
            access_hash: from.access_hash,
        });
        let beyond = former.len().saturating_sub(MAX_FORMER);
        former.drain(..beyond);
        Ok(SessionRow {
            session,
            salt: random::bytes()?,
            generation: secrets.number,
            lineage_hash: secrets.refresh.lineage.digest(Domain::LINEAGE),
            refresh_hash: secrets.refresh.digest(),
            access_hash: secrets.access.digest(Domain::ACCESS),
            previous_access: None,
            rotated_at: None,
            confirmed_at: None,
            former,
            ..from.clone()
        })
    }
}
