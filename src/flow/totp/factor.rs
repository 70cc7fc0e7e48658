//! The authenticator app as a second factor.

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::code::matching_step;
use crate::{
    crypto::seal::Sealer,
    error::{AuthError, ErrorKind},
    model::{Factor, Strength},
    services::{Account, CredentialUse, FactorAttempt, FactorCheck, FactorFailure, SecondFactor},
    store::{Credential, CredentialKind},
};

/// The stored data of an authenticator app.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct App {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) secret: AppSecret,
    /// The last period of which a code was accepted.
    pub(super) last_step: u64,
}

/// The stored secret of an authenticator app, in base32.
#[derive(Clone, Deserialize, Serialize)]
pub(super) enum AppSecret {
    #[serde(rename = "secret")]
    Plain(String),
    /// Sealed with a key of the application.
    #[serde(rename = "sealed")]
    Sealed(String),
}

/// Seals the secrets of apps, if the application has keys.
#[derive(Clone, Debug)]
pub(super) struct Secrets(Option<Sealer>);

impl Secrets {
    pub(super) fn new(sealer: Option<Sealer>) -> Self {
        Self(sealer)
    }

    /// Returns the stored form of a secret.
    pub(super) fn stored(&self, row: &Credential, base32: &str) -> Result<AppSecret, AuthError> {
        Ok(match &self.0 {
            Some(sealer) => AppSecret::Sealed(sealer.seal(&context(row), base32.as_bytes())?),
            None => AppSecret::Plain(base32.to_owned()),
        })
    }

    /// Returns a secret in base32.
    fn opened(
        &self,
        row: &Credential,
        stored: &AppSecret,
    ) -> Result<Zeroizing<Vec<u8>>, AuthError> {
        match (stored, &self.0) {
            (AppSecret::Plain(base32), _) => Ok(Zeroizing::new(base32.as_bytes().to_vec())),
            (AppSecret::Sealed(sealed), Some(sealer)) => sealer.open(&context(row), sealed),
            (AppSecret::Sealed(_), None) => {
                let cause = "the secret of an authenticator app is sealed: set \
                             AuthBuilder::sealing_keys with the keys it was sealed with";
                Err(AuthError::new(ErrorKind::Unavailable).with_source(cause))
            }
        }
    }

    /// Returns the form in which a secret is stored from now on: sealed with the newest key.
    fn renewed(
        &self,
        row: &Credential,
        stored: AppSecret,
        base32: &[u8],
    ) -> Result<AppSecret, AuthError> {
        match (&stored, &self.0) {
            (AppSecret::Sealed(sealed), Some(sealer)) if sealer.is_current(sealed) => Ok(stored),
            (_, Some(sealer)) => Ok(AppSecret::Sealed(sealer.seal(&context(row), base32)?)),
            (_, None) => Ok(stored),
        }
    }
}

/// Binds a sealed secret to the user and the row.
fn context(row: &Credential) -> String {
    format!("{}/{}", row.user_id, row.id)
}

#[derive(Clone, Debug)]
pub(super) struct TotpFactor {
    secrets: Secrets,
}

impl TotpFactor {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets }
    }
}

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
        let mut unreadable = None;
        for row in attempt.account().of_kind(CredentialKind::Totp) {
            let Ok(app) = App::deserialize(&row.data) else { continue };
            let base32 = match self.secrets.opened(row, &app.secret) {
                Ok(base32) => base32,
                Err(error) => {
                    // Another app of the user may be readable and match.
                    unreadable = Some(error);
                    continue;
                }
            };
            let Ok(secret) = BASE32_NOPAD.decode(&base32).map(Zeroizing::new) else { continue };
            let (code, after) = (attempt.code(), Some(app.last_step));
            let Some(last_step) = matching_step(&secret, code, attempt.now(), after) else {
                continue;
            };
            let secret = self.secrets.renewed(row, app.secret, &base32)?;
            let Ok(data) = serde_json::to_value(App { last_step, secret, ..app }) else { continue };
            return Ok(FactorCheck::AcceptedUsing(CredentialUse::of(row, data)));
        }
        unreadable.map_or(Ok(FactorCheck::Rejected), Err)
    }
}
