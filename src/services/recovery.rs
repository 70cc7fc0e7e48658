//! Recovery codes: the session of one can replace a lost factor.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Core, FreshUser};
use crate::{
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    model::{Factor, FactorProof, Session, User},
    session::AuthUser,
    store::{Challenge, ChallengeKind, Credential},
};

/// The authority of a session to add or remove a factor.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) enum Authority {
    /// The user authenticated recently with the strongest factor.
    Fresh,
    /// The user authenticated recently with the next weaker factor, since an account recovery waives
    /// the strongest one.
    Waived,
    /// The user signed in with a recovery code at this time.
    Recovery(Timestamp),
}

impl Authority {
    /// Returns whether a registration counts as recent authentication.
    pub(crate) fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh)
    }

    /// Returns whether an account recovery replaces the strongest factor.
    pub(crate) fn is_waived(self) -> bool {
        matches!(self, Self::Waived)
    }

    /// Returns whether only a lost factor can be replaced, by one of the same kind.
    pub(crate) fn is_by_code(self) -> bool {
        matches!(self, Self::Recovery(_))
    }
}

/// The purpose of a recovery code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Replacement {
    Add,
    Remove,
}

/// A use of a recovery code.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
struct Use {
    replacement: Replacement,
    factor: Factor,
}

impl Use {
    /// Returns whether a code that was used for this allows another use: the other half of the
    /// replacement of one factor.
    fn allows(self, next: Self) -> bool {
        self.factor == next.factor && self.replacement != next.replacement
    }

    /// Each code has two places for uses, so that of simultaneous first uses one is rejected.
    fn challenge(self, session: &Session, at: Timestamp, place: Place) -> Challenge {
        Challenge {
            id: place.id(session, at),
            kind: ChallengeKind::RecoveryUse,
            user_id: Some(session.user_id.clone()),
            address: None,
            code: None,
            tries: 0,
            data: json!(self),
            created_at: at,
            expires_at: session.expires_at,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    First,
    Second,
}

impl Place {
    fn id(self, session: &Session, at: Timestamp) -> Digest {
        let text = format!("{}\0{}\0{self:?}", session.id, at.as_millisecond());
        Digest::hash(Domain::RECOVERY_USE, text.as_bytes())
    }
}

impl Core {
    /// Requires recent authentication with the strongest factor of the user, or a recent recovery
    /// code of a user who has no passkey.
    ///
    /// # Errors
    ///
    /// As [`require_fresh`](Self::require_fresh).
    pub(crate) async fn fresh_or_recovering(
        &self,
        user: &User,
        session: &Session,
    ) -> Result<Authority, AuthError> {
        let refusal = match self.require_fresh(user, session).await {
            Ok(authority) => return Ok(authority),
            Err(refusal) if refusal.kind() == ErrorKind::StepUpRequired => refusal,
            Err(error) => return Err(error),
        };
        let (age, now) = (self.sessions.options().fresh, self.clock.now());
        let is_recent = |proof: &&FactorProof| {
            proof.method == Factor::RecoveryCode && proof.is_within(age, now)
        };
        let Some(recovery) = session.factors.iter().find(is_recent) else { return Err(refusal) };
        let all = self.credentials.list_credentials(&user.id).await?;
        if all.iter().any(Credential::is_passkey) {
            return Err(refusal);
        }
        Ok(Authority::Recovery(recovery.at))
    }

    /// Requires recent authentication on a session that still exists, or a recent recovery code.
    ///
    /// # Errors
    ///
    /// As [`AuthUser::require_fresh`].
    pub(super) async fn fresh_or_recovering_user(
        &self,
        user: &AuthUser,
    ) -> Result<FreshUser, AuthError> {
        if user.api_key().is_some() {
            return Err(Self::not_by_key());
        }
        let current = self.sessions.current(user.session()).await?;
        let current = self.auth_user(current.ok_or(ErrorKind::InvalidToken)?);
        let authority = self.fresh_or_recovering(current.user(), current.session()).await?;
        Ok(match authority {
            Authority::Recovery(at) => FreshUser::recovering(current, at),
            Authority::Fresh | Authority::Waived => FreshUser::new(current),
        })
    }

    /// Returns the challenge whose insertion makes this use of a recovery code the only one of its
    /// purpose; `None` if recent authentication allows the change.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::StepUpRequired`] if the recovery code was used for a factor of another kind.
    pub(crate) async fn recovery_use(
        &self,
        authority: Authority,
        session: &Session,
        replacement: Replacement,
        factor: Factor,
    ) -> Result<Option<Challenge>, AuthError> {
        let Authority::Recovery(at) = authority else { return Ok(None) };
        let own = Use { replacement, factor };
        let first = Place::First.id(session, at);
        let found = self.challenges.find_challenge(&first, self.clock.now()).await?;
        let Some(found) = found else { return Ok(Some(own.challenge(session, at, Place::First))) };
        let allows = Use::deserialize(&found.data).is_ok_and(|first| first.allows(own));
        if !allows {
            return Err(self.step_up_required(session).await);
        }
        Ok(Some(own.challenge(session, at, Place::Second)))
    }
}
