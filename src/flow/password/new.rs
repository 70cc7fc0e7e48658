//! Checks and hashes of new passwords, for all flows.

use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::breach::{Breached, OnCheckFailure};
use crate::{
    crypto::password::{
        HashPool, NormalizedPassword, PasswordHasher, PasswordPolicy, WeakPassword,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    services::Core,
    services::NewPasswords,
    users::KnownHashes,
};

pub(super) struct Hasher {
    pub(super) core: Weak<Core>,
    pub(super) pool: HashPool,
    pub(super) policy: PasswordPolicy,
    pub(super) breached: Option<Breached>,
    pub(super) sign_up: bool,
}

#[async_trait]
impl NewPasswords for Hasher {
    async fn hash_new(
        &self,
        turn: &str,
        raw: &str,
        identifiers: &[&str],
    ) -> Result<String, AuthError> {
        let text = NormalizedPassword::parse_new(raw, &self.policy, identifiers).map_err(weak)?;
        if let Some(breached) = &self.breached {
            match breached.source.knows(text.as_str()).await {
                Ok(false) => {}
                Ok(true) => return Err(weak(self.policy.breached())),
                Err(error) if breached.outage == OnCheckFailure::Refuse => {
                    return Err(AuthError::new(ErrorKind::Unavailable).with_source(error));
                }
                Err(error) => {
                    tracing::warn!(cause = ?error, "a new password was not checked for breaches");
                    if let Some(core) = self.core.upgrade() {
                        core.events.record(core.event(EventKind::BreachCheckSkipped));
                    }
                }
            }
        }
        Ok(self.pool.hash(turn, text).await?)
    }

    fn allows_sign_up(&self) -> bool {
        self.sign_up
    }
}

/// All hash formats that can be verified.
pub(super) struct Known;

impl KnownHashes for Known {
    fn understands(&self, hash: &str) -> bool {
        PasswordHasher::supports(hash)
    }
}

fn weak(weak: WeakPassword) -> AuthError {
    let reasons: Vec<_> = weak.reasons.iter().map(|reason| reason.as_str()).collect();
    AuthError::new(ErrorKind::WeakPassword)
        .with_extension("reasons", reasons)
        .with_extension("min_length", weak.min_length)
}

pub(super) fn hasher(
    core: &Arc<Core>,
    pool: HashPool,
    policy: PasswordPolicy,
    breached: Option<Breached>,
    sign_up: bool,
) -> Arc<dyn NewPasswords> {
    Arc::new(Hasher { core: Arc::downgrade(core), pool, policy, breached, sign_up })
}
