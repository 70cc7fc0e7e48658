//! The effect of an available account recovery: recent authentication requires the next weaker
//! factor on the session that requested it. Sign-ins do not read it.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Account, Core, RecoveryPolicy,
    account_recovery::{DAY, Recovery},
};
use crate::{
    clock::after,
    error::{AuthError, after_commit},
    model::{AvailableFactors, Basis, FactorProof, Session, Strength, User},
    store::{Challenge, ChallengeKind, Credential},
};

/// The maximum number of recoveries that are announced by one sweep.
const BATCH: u32 = 500;

impl Core {
    /// Lowers the required strength if an account recovery is available on this session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub(crate) async fn with_recovery(
        &self,
        available: AvailableFactors,
        user: &User,
        session: &Session,
    ) -> Result<AvailableFactors, AuthError> {
        let has_next = available.next_strength().is_some();
        let is_possible = has_next && self.offered::<RecoveryPolicy>().is_some();
        let Some(strongest) = available.strength().filter(|_| is_possible) else {
            return Ok(available);
        };
        let is_waived = self.is_waived(strongest, user, session).await?;
        Ok(available.waiving(is_waived.then_some(strongest)))
    }

    async fn is_waived(
        &self,
        strongest: Strength,
        user: &User,
        session: &Session,
    ) -> Result<bool, AuthError> {
        let (now, kind) = (self.clock.now(), ChallengeKind::Recovery);
        let all = self.challenges.list_challenges(&user.id, kind).await?;
        let id = session.id.to_string();
        let open = all.iter().find_map(|own| {
            let recovery = Recovery::deserialize(&own.data).ok()?;
            let is_open = recovery.available_at <= now
                && now < own.expires_at
                && recovery.session == id
                && own.tries == strongest.rank()
                && own.address == user.email;
            is_open.then_some((own, recovery))
        });
        let Some((challenge, recovery)) = open else { return Ok(false) };
        if self.was_verified_since(strongest, user, recovery.requested_at).await? {
            return Ok(false);
        }
        self.announce_recovery(user, challenge).await?;
        Ok(true)
    }

    /// Returns whether a factor of this strength was verified, according to the credentials of the
    /// user and the sessions that still exist. A step-up deletes the recovery in its own transaction,
    /// and a sign-in shortly after it.
    async fn was_verified_since(
        &self,
        strength: Strength,
        user: &User,
        since: Timestamp,
    ) -> Result<bool, AuthError> {
        let credentials = self.credentials.list_credentials(&user.id).await?;
        let is_strong = |own: &Credential| {
            let alone = Account::new(user.clone(), vec![own.clone()]);
            let mut factors = self.factors().iter();
            factors.any(|factor| factor.strength() >= strength && factor.is_enrolled(&alone))
        };
        let is_later = |own: &&Credential| own.last_used_at.is_some_and(|at| at > since);
        if credentials.iter().filter(is_later).any(is_strong) {
            return Ok(true);
        }
        let is_proof = |proof: &FactorProof| {
            proof.at > since && self.verified_strength(proof).is_some_and(|own| own >= strength)
        };
        let sessions = self.sessions.list(&user.id).await?;
        Ok(sessions.iter().any(|own| own.factors.iter().any(is_proof)))
    }

    /// Returns the strength of a factor that was verified, and not only registered.
    fn verified_strength(&self, proof: &FactorProof) -> Option<Strength> {
        let by_flow = || self.factor(proof.method.as_str()).map(|factor| factor.strength());
        let strength = proof.method.strength().or_else(by_flow)?;
        (proof.basis == Basis::Verified).then_some(strength)
    }

    /// Returns the rank up to which the verification of a factor ends recoveries.
    pub(super) fn ended_recoveries(&self, proof: &FactorProof) -> Option<u32> {
        self.offered::<RecoveryPolicy>()?;
        self.verified_strength(proof).map(Strength::rank)
    }

    /// Ends the recoveries that waive a factor which a sign-in has verified. It runs in a separate
    /// task: a sign-in does not wait for it.
    pub(super) fn end_recoveries_by(&self, session: &Session) {
        let ranks = session.factors.iter().filter_map(|proof| self.ended_recoveries(proof));
        // Nothing is weaker than a mailbox, so it is never waived.
        let rank = ranks.max().filter(|rank| *rank > Strength::Mailbox.rank());
        let (Some(rank), Some(core)) = (rank, self.shared()) else { return };
        let user = session.user_id.clone();
        tokio::spawn(async move {
            let what = "a sign-in did not end the recovery of its account";
            after_commit(what, core.challenges.end_recoveries(&user, rank)).await;
        });
    }

    /// Notifies the users whose recovery has become available since the last sweep.
    pub(crate) async fn announce_recoveries(&self) -> Result<(), AuthError> {
        if self.offered::<RecoveryPolicy>().is_none() {
            return Ok(());
        }
        let (now, kind) = (self.clock.now(), ChallengeKind::Recovery);
        // A recovery expires a day after it has become available.
        let due = self.challenges.list_expiring(kind, now, after(now, DAY), BATCH).await?;
        for recovery in due {
            if let Some(user) = self.recovering_user(&recovery).await? {
                self.announce_recovery(&user, &recovery).await?;
            }
        }
        Ok(())
    }

    /// Returns the user of a recovery, unless the account has changed since.
    async fn recovering_user(&self, recovery: &Challenge) -> Result<Option<User>, AuthError> {
        let Some(id) = &recovery.user_id else { return Ok(None) };
        let user = self.users.find_user(id).await?;
        Ok(user.filter(|own| own.is_active() && own.email == recovery.address))
    }
}
