//! The passkey as a second factor. `/passkeys/verify` verifies it.

use crate::{
    error::AuthError,
    model::{Factor, Strength},
    services::{Account, FactorAttempt, FactorCheck, FactorInput, SecondFactor},
    store::CredentialKind,
};

/// Users may have passkeys.
#[derive(Clone, Copy, Debug)]
pub(super) struct PasskeyFactor;

impl SecondFactor for PasskeyFactor {
    fn factor(&self) -> Factor {
        Factor::Passkey
    }

    fn strength(&self) -> Strength {
        Strength::PhishingResistant
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.of_kind(CredentialKind::Passkey).next().is_some()
    }

    /// A user with passkeys alone may still sign in with a password, unless the user turns two-step
    /// verification on.
    fn turns_on_two_step(&self, _account: &Account) -> bool {
        false
    }

    fn input(&self) -> FactorInput {
        FactorInput::Script
    }

    async fn check(&self, _attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        Ok(FactorCheck::Rejected)
    }
}
