//! The recovery code as a second factor.

use serde::Deserialize;

use super::code::Set;
use crate::{
    error::AuthError,
    event::EventKind,
    mail::MessageKind,
    model::{Factor, Strength},
    services::{Account, CredentialUse, FactorAttempt, FactorCheck, FactorUse, SecondFactor},
    store::CredentialKind,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct RecoveryFactor;

impl SecondFactor for RecoveryFactor {
    fn factor(&self) -> Factor {
        Factor::RecoveryCode
    }

    fn strength(&self) -> Strength {
        Strength::Recovery
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        let mut sets = account.of_kind(CredentialKind::RecoveryCodes);
        sets.any(|row| Set::deserialize(&row.data).is_ok_and(|set| !set.hashes.is_empty()))
    }

    fn is_offered(&self, account: &Account, factor_use: FactorUse<'_>) -> bool {
        matches!(factor_use, FactorUse::SignIn { .. }) && self.is_enrolled(account)
    }

    fn turns_on_two_step(&self, _account: &Account) -> bool {
        false
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        for row in attempt.account().of_kind(CredentialKind::RecoveryCodes) {
            let Ok(set) = Set::deserialize(&row.data) else { continue };
            let Some(rest) = set.without(attempt.code()).await? else { continue };
            let Ok(data) = serde_json::to_value(rest) else { continue };
            let using = CredentialUse::of(row, data);
            let using = using.reported(EventKind::RecoveryCodeUsed, MessageKind::RecoveryCodeUsed);
            return Ok(FactorCheck::AcceptedUsing(using));
        }
        Ok(FactorCheck::Rejected)
    }
}
