//! Authenticator apps (RFC 6238) as a second factor and for step-up.
//!
//! | route | body | response |
//! |---|---|---|
//! | `POST /totp/register/start` | | 200: the secret, its URI and QR code; requires recent authentication |
//! | `POST /totp/register/finish` | `challenge, code, name?` | 201: the app, and recovery codes if there were none |
//! | `GET /totp` | | 200: the apps of the user |
//! | `DELETE /totp/{id}` | | 204; requires recent authentication |
//! | `POST /totp/verify` | `code` | 200: step-up of the session |
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`new`](Totp::new) | the issuer | authenticator apps show it beside the account |
//!
//! Codes have six digits and are computed with HMAC-SHA-1 and a period of 30 seconds, since many
//! apps support nothing else. A code is accepted in its own period and the one before and after,
//! once: the last accepted period is stored with the session that it begins. The secret has 160
//! bits. It is derived from the handle of the enrollment, so that nothing of it is stored before the
//! first right code.
//!
//! # Security
//!
//! The server computes codes, so it must store the secret itself and not a hash. A copy of the
//! database can compute codes; it still lacks the first factor. With
//! [`AuthBuilder::sealing_keys`](crate::AuthBuilder::sealing_keys) the secret is sealed, bound to
//! the user and the row, and the copy contains nothing of use. An app whose key is missing is
//! answered with 503, and the sign-in stays pending.

mod code;
mod factor;
mod pages;
mod routes;
mod service;

pub use service::{TotpEnrollment, TotpRegistration, TotpService};

use self::factor::{Secrets, TotpFactor};
use super::{Flow, recovery_codes::RecoveryCodes};
use crate::{config::ConfigError, registry::Registry};

/// The options of the flow for authenticator apps.
///
/// ```
/// use authlayer::{AuthBuilder, RecoveryCodes, Totp};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(Totp::new("Example")).flow(RecoveryCodes::new())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Totp {
    issuer: String,
}

impl Totp {
    /// Creates the flow for an application with this name, which authenticator apps show.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into() }
    }
}

impl Flow for Totp {
    type Service = TotpService;

    fn name(&self) -> &str {
        "totp"
    }

    fn register(self, registry: &mut Registry) -> Result<TotpService, ConfigError> {
        let issuer = self.issuer.trim();
        if issuer.is_empty() || issuer.contains(':') || issuer.chars().any(char::is_control) {
            let problem = "the issuer must be a name without `:`, such as `Totp::new(\"Example\")`";
            return Err(ConfigError::flow("totp", problem));
        }
        let recovery = registry.service::<RecoveryCodes>();
        let secrets = Secrets::new(registry.sealer());
        let service =
            TotpService::new(registry.core(), recovery, secrets.clone(), issuer.to_owned());
        registry.second_factor(TotpFactor::new(secrets)).offer(pages::enrollments(&service));
        routes::register(registry, &service);
        Ok(service)
    }
}
