//! Secrets of other systems, without which their hashes cannot be verified.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    legacy_scheme::{BcryptInput, Legacy},
    scheme::HashError,
};

type Secret = Arc<Zeroizing<Vec<u8>>>;

/// The secrets that the application configured. They are not stored with the hashes.
#[derive(Clone, Default)]
pub(crate) struct LegacySecrets {
    devise_pepper: Option<Secret>,
    firebase_signer_key: Option<Secret>,
    invalid: Option<&'static str>,
}

impl LegacySecrets {
    pub(crate) fn set_devise_pepper(&mut self, pepper: String) {
        match pepper.is_empty() {
            true => self.invalid = Some("the pepper of Devise is empty"),
            false => self.devise_pepper = Some(Arc::new(Zeroizing::new(pepper.into_bytes()))),
        }
    }

    pub(crate) fn set_firebase_signer_key(&mut self, base64: &str) {
        match STANDARD.decode(base64.trim()) {
            Ok(key) if !key.is_empty() => {
                self.firebase_signer_key = Some(Arc::new(Zeroizing::new(key)));
            }
            _ => self.invalid = Some("the signer key of Firebase is not in base64"),
        }
    }

    /// Returns the problem of a secret that cannot be used.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        self.invalid
    }

    pub(super) fn devise_pepper(&self) -> Result<&[u8], HashError> {
        self.devise_pepper.as_ref().map(|own| own.as_slice()).ok_or(HashError::MissingSecret)
    }

    pub(super) fn firebase_signer_key(&self) -> Result<&[u8], HashError> {
        self.firebase_signer_key.as_ref().map(|own| own.as_slice()).ok_or(HashError::MissingSecret)
    }

    /// Returns whether a hash can be verified with the configured secrets.
    pub(super) fn suffice(&self, scheme: Legacy) -> bool {
        match scheme {
            Legacy::FirebaseScrypt { .. } => self.firebase_signer_key.is_some(),
            Legacy::Bcrypt { input: BcryptInput::DevisePepper, .. } => self.devise_pepper.is_some(),
            _ => true,
        }
    }
}

impl fmt::Debug for LegacySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LegacySecrets").finish_non_exhaustive()
    }
}
