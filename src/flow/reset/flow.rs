//! The reset of a password as a flow: its service with its routes.

use std::{sync::Arc, time::Duration};

use axum::Router;

use super::{Reset, ResetService, routes};
use crate::{config::ConfigError, flow::Flow, services::Core};

impl Flow for Reset {
    type Service = ResetService;

    fn build(self, core: Arc<Core>) -> Result<ResetService, ConfigError> {
        let refused =
            |problem: &str| ConfigError::Flow { flow: "reset", problem: problem.to_owned() };
        let pages = [Some(&self.page), self.change_page.as_ref()];
        if pages.into_iter().flatten().any(|page| !page.starts_with('/') || page.contains('#')) {
            return Err(refused("a page is a path such as \"/reset-password\""));
        }
        if self.lifetime.is_zero() || self.lifetime > Duration::from_secs(24 * 3600) {
            return Err(refused("a link is good for a day at most"));
        }
        if self.tries == 0 {
            return Err(refused("a link is tried at least once"));
        }
        if core.outbox.is_none() {
            return Err(refused("links are mailed: give a .mailer(…)"));
        }
        if core.resets.set((self.lifetime, self.tries)).is_err() {
            return Err(refused("register the flow once"));
        }
        Ok(ResetService::new(core, self))
    }

    fn routes(service: ResetService) -> Router {
        routes::router(service)
    }

    fn well_known(service: ResetService) -> Router {
        routes::well_known(&service)
    }
}
