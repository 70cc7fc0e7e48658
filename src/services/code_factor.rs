//! A second factor with delivered codes.

use super::{
    Account, CodeChallenges, Credentials, FactorAttempt, FactorCheck, FactorUse, Prompt,
    SecondFactor, delivery::Delivery,
};
use crate::{
    error::{AuthError, ErrorKind},
    model::{Factor, Strength},
    store::CredentialKind,
};

/// A second factor with codes that are delivered to the `lookup` of a credential, such as a phone
/// number.
#[derive(Clone, Debug)]
pub struct CodeFactor {
    delivery: Delivery,
    recipients: CredentialKind,
    strength: Strength,
}

impl CodeFactor {
    /// Creates the factor. A code is sent to the `lookup` of the user's oldest credential of this
    /// kind, with the options and the delivery of `codes`.
    pub fn new<T, U>(
        codes: &CodeChallenges<T>,
        recipients: &Credentials<U>,
        strength: Strength,
    ) -> Self {
        Self { delivery: codes.delivery().clone(), recipients: recipients.kind(), strength }
    }
}

impl SecondFactor for CodeFactor {
    fn factor(&self) -> Factor {
        self.delivery.factor
    }

    fn strength(&self) -> Strength {
        self.strength
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.of_kind(self.recipients).next().is_some()
    }

    /// Not offered after a code of the same kind: one device is one factor.
    fn is_offered(&self, account: &Account, factor_use: FactorUse<'_>) -> bool {
        let is_verified = match factor_use {
            FactorUse::SignIn { verified } => {
                verified.iter().any(|proof| proof.method == self.delivery.factor)
            }
            FactorUse::StepUp { .. } => false,
        };
        !is_verified && SecondFactor::is_enrolled(self, account)
    }

    async fn prompt(&self, prompt: &mut Prompt<'_>) -> Result<(), AuthError> {
        let to = prompt.account().of_kind(self.recipients).next().map(|own| own.lookup.clone());
        let to = to.ok_or(ErrorKind::NotFound)?;
        prompt.send(&self.delivery, &to).await
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        Ok(if attempt.is_sent_code() { FactorCheck::Accepted } else { FactorCheck::Rejected })
    }
}
