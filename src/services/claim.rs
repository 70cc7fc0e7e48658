//! Claiming: the first verification of the email address of an account.
//!
//! If addresses are not verified, anyone can sign up with the email address of another person. When
//! the address is verified for the first time, with any sign-in method, everything that sessions of
//! the account created before is deleted, except what this sign-in verified (GHSA-g38m-r43w-p2q7,
//! GHSA-qq9h-g4jm-xgf3).

use jiff::Timestamp;
use serde_json::Map;

use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{User, UserId},
    services::Core,
    session::{NewSession, SessionTransition},
    store::{AccountWrites, Applied, EndSessions, Remove, UserOrigin},
};

/// The treatment of the user record by a claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    /// Whether the account has ever had a session. An account that an import or the application
    /// created keeps its profile and its roles if it never had one.
    began: bool,
    /// Whether the store supports the fields that are erased.
    wipes_profile: bool,
    now: Timestamp,
}

impl Claim {
    /// Returns whether the store supports the profile fields.
    pub(crate) fn wipes_profile(self) -> bool {
        self.wipes_profile
    }

    /// Returns the writes that verify the address and delete every credential except `kept`. Hooks
    /// run if the account ever had a session.
    pub(crate) fn of(self, user: &User, kept: Vec<String>) -> AccountWrites {
        let mut after = verified(user, self.now);
        if self.wipes_profile && self.began {
            (after.display_name, after.avatar_url, after.username) = (None, None, None);
            (after.user_metadata, after.app_metadata) = (Map::new(), Map::new());
            (after.roles, after.scopes, after.tenant_id) = (Vec::new(), Vec::new(), None);
            after.attributes = Map::new();
        }
        let created = self.began.then(|| UserOrigin::Claim.into());
        AccountWrites {
            created,
            remove: Remove::AllBut { credentials: kept, keys: Vec::new() },
            end: EndSessions::All,
            end_challenges: true,
            ..AccountWrites::new(after)
        }
    }
}

/// Returns the user with a verified email address.
pub(crate) fn verified(user: &User, now: Timestamp) -> User {
    let at = user.email_verified_at.unwrap_or(now);
    User { email_verified_at: Some(at), updated_at: now, ..user.clone() }
}

impl Core {
    /// Applies a transition that may claim the account.
    pub(crate) async fn apply_claiming(
        &self,
        id: &UserId,
        decide: &(dyn Fn(&User, Claim) -> Option<AccountWrites> + Send + Sync),
    ) -> Result<Applied, AuthError> {
        let claim = self.claim(id).await?;
        let applied = self.users.apply(id, &|user| decide(user, claim)).await?;
        if !matches!(applied, Applied::Unsupported(_)) {
            return Ok(applied);
        }
        let claim = Claim { wipes_profile: false, ..claim };
        Ok(self.users.apply(id, &|user| decide(user, claim)).await?)
    }

    /// Creates a session in the transaction of a transition that may claim the account.
    pub(crate) async fn begin_claiming(
        &self,
        id: &UserId,
        beginning: NewSession,
        decide: &(dyn Fn(&User, Claim) -> Option<AccountWrites> + Send + Sync),
    ) -> Result<SessionTransition, AuthError> {
        let claim = self.claim(id).await?;
        let sessions = &self.sessions;
        let begun =
            sessions.begin_within(id, beginning.clone(), &|user| decide(user, claim)).await?;
        if !matches!(begun, SessionTransition::NotApplied(Applied::Unsupported(_))) {
            return Ok(begun);
        }
        let claim = Claim { wipes_profile: false, ..claim };
        sessions.begin_within(id, beginning, &|user| decide(user, claim)).await
    }

    async fn claim(&self, id: &UserId) -> Result<Claim, AuthError> {
        let began = self.standings.has_begun(id).await?;
        Ok(Claim { began, wipes_profile: true, now: crate::clock::whole_millis(self.clock.now()) })
    }

    /// Records that an email address was verified for the first time.
    pub(crate) fn record_claim(&self, user: &UserId) {
        self.events.record(self.event(EventKind::EmailVerified).user(user));
        self.events.record(self.event(EventKind::AccountClaimed).user(user));
    }
}

/// Returns the error of a verification whose transition was not applied.
pub(crate) fn expired(applied: &Applied) -> AuthError {
    match applied {
        Applied::Taken => ErrorKind::EmailTaken.into(),
        _ => ErrorKind::ChallengeExpired.into(),
    }
}
