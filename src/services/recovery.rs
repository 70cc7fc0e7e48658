//! What a recovery code allows: to replace one lost factor.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Core;
use crate::{
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    model::{Factor, Proof, Session, User},
    store::{Challenge, ChallengeKind, CredentialKind},
};

/// On what a session may add or remove a factor.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) enum Authority {
    /// The user authenticated recently with the strongest factor.
    Fresh,
    /// The user signed in with a recovery code at this time.
    Recovery(Timestamp),
}

impl Authority {
    pub(crate) fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh)
    }

    /// Returns the challenge whose insertion makes this use of a recovery code the only one of its
    /// purpose.
    pub(crate) fn once(self, session: &Session, purpose: &'static str) -> Option<Challenge> {
        let Self::Recovery(at) = self else { return None };
        let text = format!("{}\0{}\0{purpose}", session.id, at.as_millisecond());
        Some(Challenge {
            id: Digest::of(Domain::RECOVERY_USE, text.as_bytes()),
            kind: ChallengeKind::RecoveryUse,
            user_id: Some(session.user_id.clone()),
            address: None,
            code: None,
            tries: 0,
            data: Value::Object(Map::new()),
            created_at: at,
            expires_at: session.expires_at,
        })
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
            Ok(()) => return Ok(Authority::Fresh),
            Err(refusal) if refusal.kind() == ErrorKind::StepUpRequired => refusal,
            Err(error) => return Err(error),
        };
        let (age, now) = (self.sessions.options().fresh, self.clock.now());
        let is_recent =
            |proof: &&Proof| proof.method == Factor::RecoveryCode && proof.is_within(age, now);
        let Some(recovery) = session.factors.iter().find(is_recent) else { return Err(refusal) };
        let all = self.credentials.list_credentials(&user.id).await?;
        if all.iter().any(|own| own.kind == CredentialKind::Passkey) {
            return Err(refusal);
        }
        Ok(Authority::Recovery(recovery.at))
    }
}
