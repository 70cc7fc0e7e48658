//! Recovery codes: each replaces a lost second factor, once.
//!
//! | route | response |
//! |---|---|
//! | `GET /recovery-codes` | 200: how many are left, and when they were created |
//! | `POST /recovery-codes` | 200: ten new codes, which replace the earlier ones; requires recent authentication |
//!
//! The enrollment of the first authenticator app returns the first ten codes. They are deleted with
//! the last second factor. A code has ten characters of Crockford's base 32 and is read without
//! regard to case, hyphens and spaces. Only salted PBKDF2 hashes are stored: 50 bits are too few for
//! a plain hash.
//!
//! A recovery code completes a sign-in, and the user is notified. It is no recent authentication:
//! within ten minutes its session can remove one authenticator app and enroll another one.

mod code;
mod factor;
mod routes;
mod service;

pub use service::{RecoveryCodeService, RecoveryCodesLeft};

use self::factor::RecoveryFactor;
use super::Flow;
use crate::{config::ConfigError, registry::Registry};

/// The options of the flow for recovery codes.
///
/// ```
/// use authlayer::{AuthBuilder, RecoveryCodes, Totp};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(Totp::new("Example")).flow(RecoveryCodes::new())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct RecoveryCodes(());

impl RecoveryCodes {
    /// Creates the flow.
    pub fn new() -> Self {
        Self(())
    }
}

impl Flow for RecoveryCodes {
    type Service = RecoveryCodeService;

    fn name(&self) -> &str {
        "recovery_codes"
    }

    fn register(self, registry: &mut Registry) -> Result<RecoveryCodeService, ConfigError> {
        let service = RecoveryCodeService { core: registry.core() };
        registry.second_factor(RecoveryFactor);
        routes::register(registry, &service);
        Ok(service)
    }
}
