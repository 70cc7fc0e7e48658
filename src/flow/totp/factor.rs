//! The authenticator app as a second factor.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::code::matching_step;
use crate::{
    error::{AuthError, ErrorKind},
    model::{Factor, Strength},
    services::{Account, CredentialUse, FactorAttempt, FactorCheck, FactorFailure, SecondFactor},
    store::CredentialKind,
};

/// The stored data of an authenticator app.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct App {
    pub(super) name: String,
    /// In base32.
    pub(super) secret: String,
    /// The last period of which a code was accepted.
    pub(super) last_step: u64,
}

impl App {
    fn secret(&self) -> Option<Zeroizing<Vec<u8>>> {
        BASE32_NOPAD.decode(self.secret.as_bytes()).ok().map(Zeroizing::new)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TotpFactor;

impl SecondFactor for TotpFactor {
    fn factor(&self) -> Factor {
        Factor::Totp
    }

    fn strength(&self) -> Strength {
        Strength::OneTimeCode
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.of_kind(CredentialKind::Totp).next().is_some()
    }

    fn error(&self, failure: FactorFailure) -> ErrorKind {
        match failure {
            FactorFailure::Rejected => ErrorKind::InvalidCode,
            FactorFailure::NotOffered => ErrorKind::NoTotp,
        }
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        for row in attempt.account().of_kind(CredentialKind::Totp) {
            let Ok(app) = App::deserialize(&row.data) else { continue };
            let Some(secret) = app.secret() else { continue };
            let (code, after) = (attempt.code(), Some(app.last_step));
            let Some(last_step) = matching_step(&secret, code, attempt.now(), after) else {
                continue;
            };
            let Ok(data) = serde_json::to_value(App { last_step, ..app }) else { continue };
            return Ok(FactorCheck::AcceptedUsing(CredentialUse::of(row, data)));
        }
        Ok(FactorCheck::Rejected)
    }
}
