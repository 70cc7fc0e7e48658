//! Registration of the password reset flow.

use std::time::Duration;

use super::{PasswordReset, PasswordResetService, routes};
use crate::{config::ConfigError, flow::Flow, registry::Registry, services::ResetPolicy};

impl Flow for PasswordReset {
    type Service = PasswordResetService;

    fn name(&self) -> &str {
        "password_reset"
    }

    fn register(self, registry: &mut Registry) -> Result<PasswordResetService, ConfigError> {
        let core = registry.core();
        let refused = |problem: &str| ConfigError::Flow {
            flow: "reset".to_owned(),
            problem: problem.to_owned(),
        };
        let pages = [Some(&self.page), self.change_page.as_ref()];
        if pages.into_iter().flatten().any(|page| !page.starts_with('/') || page.contains('#')) {
            return Err(refused("page and change_page must be paths such as \"/reset-password\""));
        }
        if self.lifetime.is_zero() || self.lifetime > Duration::from_secs(24 * 3600) {
            return Err(refused("lifetime must be more than zero and at most 1 day"));
        }
        if self.tries == 0 {
            return Err(refused("tries must be at least 1"));
        }
        if core.outbox.is_none() {
            return Err(refused("a mailer is required: add .mailer(…)"));
        }
        registry.offer(ResetPolicy {
            lifetime: self.lifetime,
            attempts: self.tries,
            interval: self.interval,
            page: self.page.clone(),
        });
        let service = PasswordResetService::new(core, self);
        routes::register(registry, &service);
        routes::well_known(registry, &service);
        Ok(service)
    }
}
