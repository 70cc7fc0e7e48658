//! Checks and hashes of new passwords, for all flows.

use std::{borrow::Cow, sync::Weak};

use async_trait::async_trait;

use super::{
    breach::{Breached, OnCheckFailure},
    rule::Rules,
};
use crate::{
    crypto::password::{
        HashPool, NormalizedPassword, PasswordHasher, PasswordPolicy, WeakPassword,
    },
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{Email, User},
    services::{Core, NewPasswords, PasswordOf, PasswordRequirements},
    users::KnownHashes,
};

pub(super) struct Hasher {
    pub(super) core: Weak<Core>,
    pub(super) pool: HashPool,
    pub(super) policy: PasswordPolicy,
    pub(super) rules: Rules,
    pub(super) breached: Vec<Breached>,
    pub(super) sign_up: bool,
}

#[async_trait]
impl NewPasswords for Hasher {
    async fn hash_new(
        &self,
        turn: &str,
        raw: &str,
        of: PasswordOf<'_>,
    ) -> Result<String, AuthError> {
        let (policy, user) = (self.policy_for(of).await?, of.user());
        let (identifiers, rules) =
            (identifiers_of(user), |text: &str| self.rules.reasons(text, user));
        let text = NormalizedPassword::parse_with(raw, &policy, &identifiers, rules);
        let text = text.map_err(weak)?;
        let mut unavailable = None;
        for breached in &self.breached {
            match breached.source.knows(text.as_str()).await {
                Ok(false) => {}
                Ok(true) => return Err(weak(policy.breached())),
                Err(error) if breached.outage == OnCheckFailure::Refuse => {
                    unavailable = Some(error);
                }
                Err(error) => {
                    tracing::warn!(cause = ?error, "a new password was not checked for breaches");
                    if let Some(core) = self.core.upgrade() {
                        core.events.record(core.event(EventKind::BreachCheckSkipped));
                    }
                }
            }
        }
        if let Some(error) = unavailable {
            return Err(AuthError::new(ErrorKind::Unavailable).with_source(error));
        }
        Ok(self.pool.hash(turn, text).await?)
    }

    fn allows_sign_up(&self) -> bool {
        self.sign_up
    }

    fn requirements(&self) -> PasswordRequirements {
        let (min_length, min_length_alone, max_length) = self.policy.lengths();
        let classes = self.policy.required_classes();
        PasswordRequirements { min_length, min_length_alone, max_length, classes }
    }
}

impl Hasher {
    /// Returns the policy for a password, which may depend on the other factors of its user.
    async fn policy_for(&self, of: PasswordOf<'_>) -> Result<Cow<'_, PasswordPolicy>, AuthError> {
        if !self.policy.depends_on_factors() {
            return Ok(Cow::Borrowed(&self.policy));
        }
        let has_second = match of {
            PasswordOf::New(_) => false,
            PasswordOf::Existing(user) => {
                let core = self.core.upgrade().ok_or(ErrorKind::Unavailable)?;
                core.asks_second_factor(user).await?
            }
        };
        Ok(match has_second {
            true => Cow::Borrowed(&self.policy),
            false => Cow::Owned(self.policy.without_second_factor()),
        })
    }
}

/// All hash formats that can be verified.
pub(super) struct Known(pub(super) PasswordHasher);

impl KnownHashes for Known {
    fn understands(&self, hash: &str) -> bool {
        self.0.can_verify(hash)
    }
}

/// Returns the texts that a password must not contain.
fn identifiers_of(user: &User) -> Vec<&str> {
    let local = user.email.as_ref().map(Email::local_part);
    local.into_iter().chain(user.display_name.as_deref()).chain(user.username.as_deref()).collect()
}

fn weak(weak: WeakPassword) -> AuthError {
    let reasons: Vec<_> = weak.reasons.iter().map(|reason| reason.as_str()).collect();
    AuthError::new(ErrorKind::WeakPassword)
        .with_extension("reasons", reasons)
        .with_extension("min_length", weak.min_length)
}
