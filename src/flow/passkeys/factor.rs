//! Passkeys and security keys as second factors. `/passkeys/verify` verifies them.

use crate::{
    error::AuthError,
    model::{Factor, Strength},
    services::{Account, FactorAttempt, FactorCheck, FactorInput, SecondFactor},
    store::{Credential, CredentialKind},
};

/// Users may have passkeys.
#[derive(Clone, Copy, Debug)]
pub(super) struct PasskeyFactor;

/// Users may have security keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecurityKeyFactor;

impl SecondFactor for PasskeyFactor {
    fn factor(&self) -> Factor {
        Factor::Passkey
    }

    fn strength(&self) -> Strength {
        Strength::PhishingResistant
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.of_kind(CredentialKind::Passkey).any(Credential::is_passkey)
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

impl SecondFactor for SecurityKeyFactor {
    fn factor(&self) -> Factor {
        Factor::SecurityKey
    }

    fn strength(&self) -> Strength {
        Strength::PhishingResistant
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.of_kind(CredentialKind::Passkey).any(Credential::is_security_key)
    }

    fn input(&self) -> FactorInput {
        FactorInput::Script
    }

    async fn check(&self, _attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        Ok(FactorCheck::Rejected)
    }
}
