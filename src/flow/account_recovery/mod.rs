//! Account recovery: for users who have a session, and have lost their strongest sign-in method.
//!
//! | route | body | response |
//! |---|---|---|
//! | `POST /account/recovery` | | 202: a code was sent; `POST /verify` then responds with `available_at`, a day later |
//! | `POST /account/recovery/cancel` | `token` | 204: the recovery was stopped, and all sessions were revoked |
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`cancel_page`](AccountRecovery::cancel_page) | `/cancel-recovery` | the page of the link that stops a recovery, on the first origin; the token is in the fragment, which is not in logs or the `Referer` |
//!
//! - A recovery needs a session, a code that is sent to the verified email address, and a day. The
//!   user's email address, and those that linked providers have verified, are notified at once, with
//!   a link that stops the recovery and is valid for 48 hours.
//! - From then on, for a day, recent authentication on that session requires the next weaker factor
//!   of the user in place of the strongest one. The user is notified at its first use, or by the
//!   sweeper if that is earlier.
//! - It never completes a sign-in: second factors are required as before.
//! - It ends with its session, a new password or email address, a verification of the strongest
//!   factor on any session, the revocation of all sessions, or a newer recovery. A user can request
//!   one per day.
//! - A factor that is registered by it counts as recent authentication only after it was verified.

mod routes;
mod service;

pub use service::AccountRecoveryService;

use super::{Flow, codes::EmailCodes};
use crate::{
    config::ConfigError,
    registry::Registry,
    services::{RecoveryPolicy, RecoveryRequests},
};

/// The options of the flow for account recovery.
///
/// ```
/// use authlayer::AccountRecovery;
///
/// let flow = AccountRecovery::new().cancel_page("/settings/cancel-recovery");
/// # drop(flow);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AccountRecovery {
    page: String,
}

impl Default for AccountRecovery {
    fn default() -> Self {
        Self { page: "/cancel-recovery".to_owned() }
    }
}

impl AccountRecovery {
    /// Creates the flow with its defaults. It requires a mailer, the flow
    /// [`EmailCodes`] and
    /// [security emails](crate::AuthBuilder::security_emails).
    ///
    /// ```
    /// use authlayer::{AccountRecovery, AuthBuilder, EmailCodes};
    ///
    /// fn with_recovery(builder: AuthBuilder) -> AuthBuilder {
    ///     builder.flow(EmailCodes::new()).flow(AccountRecovery::new())
    /// }
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the path of the page that reads the token from its fragment and posts it to
    /// `/account/recovery/cancel`.
    ///
    /// ```
    /// # use authlayer::AccountRecovery;
    /// let flow = AccountRecovery::new().cancel_page("/stop");
    /// # drop(flow);
    /// ```
    pub fn cancel_page(mut self, path: impl Into<String>) -> Self {
        self.page = path.into();
        self
    }
}

impl Flow for AccountRecovery {
    type Service = AccountRecoveryService;

    fn name(&self) -> &str {
        "account_recovery"
    }

    fn register(self, registry: &mut Registry) -> Result<AccountRecoveryService, ConfigError> {
        let core = registry.core();
        let refused = |problem: &str| ConfigError::flow("account_recovery", problem);
        if !self.page.starts_with('/') || self.page.contains('#') {
            return Err(refused("cancel_page must be a path such as \"/cancel-recovery\""));
        }
        if core.outbox.is_none() {
            return Err(refused("a mailer is required: add .mailer(…)"));
        }
        if !core.notices {
            return Err(refused(
                "security emails are required, since they stop a recovery: remove \
                 .security_emails(false)",
            ));
        }
        let requests = RecoveryRequests(registry.services());
        let service = AccountRecoveryService::new(registry.services());
        registry.requires::<EmailCodes>();
        registry.offer(RecoveryPolicy { cancel_page: self.page }).own_codes(requests);
        routes::register(registry, &service);
        Ok(service)
    }
}
