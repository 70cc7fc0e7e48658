//! Recovery codes, without HTTP.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::code::Set;
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{ClientInfo, Session, User},
    services::{Core, new_user_id},
    store::{AccountWrites, Applied, Credential, CredentialKind, Requirement},
};

/// Creates recovery codes.
#[derive(Clone, Debug)]
pub struct RecoveryCodeService {
    pub(super) core: Arc<Core>,
}

/// How many recovery codes a user has left.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct RecoveryCodesLeft {
    /// The number of codes that were not used.
    pub left: usize,
    /// When the codes were created; `None` if there are none.
    pub created_at: Option<Timestamp>,
}

impl RecoveryCodeService {
    /// Returns how many codes a user has left.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn left(&self, user: &User) -> Result<RecoveryCodesLeft, AuthError> {
        let set = self.stored(user).await?;
        let left = set.as_ref().map_or(0, |set| set.hashes.len());
        Ok(RecoveryCodesLeft { left, created_at: set.map(|set| set.created_at) })
    }

    /// Creates ten codes, which replace the earlier ones.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSecondFactor`] if the user has no authenticator app or another factor that
    /// can be lost; [`ErrorKind::InvalidToken`] if the session has ended.
    ///
    /// # Security
    ///
    /// The caller must require recent authentication.
    pub async fn create(
        &self,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<Vec<String>, AuthError> {
        let core = &self.core;
        if !core.turns_on_two_step(&core.account(user).await?) {
            return Err(ErrorKind::NoSecondFactor.into());
        }
        let (codes, row) = self.new_set(user).await?;
        let write = |own: &User| {
            own.is_active().then(|| AccountWrites {
                requires: vec![Requirement::session(session)],
                put: vec![row.clone()],
                ..AccountWrites::new(own.clone())
            })
        };
        let Applied::Done(_) = core.users.apply(&user.id, &write).await? else {
            return Err(ErrorKind::InvalidToken.into());
        };
        let event = core.event(EventKind::RecoveryCodesCreated).user(&user.id);
        core.events.record(event.session(session.id).client(client));
        Ok(codes)
    }

    /// Returns new codes with their credential for a user who has none left.
    pub(crate) async fn first_set(
        &self,
        user: &User,
    ) -> Result<Option<(Vec<String>, Credential)>, AuthError> {
        match self.stored(user).await? {
            Some(set) if !set.hashes.is_empty() => Ok(None),
            _ => self.new_set(user).await.map(Some),
        }
    }

    async fn new_set(&self, user: &User) -> Result<(Vec<String>, Credential), AuthError> {
        let now = whole_millis(self.core.clock.now());
        let (codes, set) = Set::create(now).await?;
        let row = Credential {
            id: new_user_id(now)?.as_str().to_owned(),
            user_id: user.id.clone(),
            kind: CredentialKind::RecoveryCodes,
            lookup: user.id.as_str().to_owned(),
            data: serde_json::to_value(set).map_err(AuthError::misconfigured)?,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        };
        Ok((codes, row))
    }

    async fn stored(&self, user: &User) -> Result<Option<Set>, AuthError> {
        let kind = CredentialKind::RecoveryCodes;
        let found = self.core.credentials.find_credential(kind, user.id.as_str()).await?;
        found.map(|row| Set::deserialize(&row.data).map_err(AuthError::misconfigured)).transpose()
    }
}
