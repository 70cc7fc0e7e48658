//! Registration of the API key flow.

use std::time::Duration;

use super::{ApiKeyService, ApiKeys, routes};
use crate::{config::ConfigError, flow::Flow, registry::Registry, services::ProgramKeys};

impl Flow for ApiKeys {
    type Service = ApiKeyService;

    fn name(&self) -> &str {
        "api_keys"
    }

    fn register(self, registry: &mut Registry) -> Result<ApiKeyService, ConfigError> {
        let core = registry.core();
        let refused = |problem: &str| ConfigError::Flow {
            flow: "api_keys".to_owned(),
            problem: problem.to_owned(),
        };
        if self.longest < Duration::from_secs(60) {
            return Err(refused("longest must be at least 1 minute"));
        }
        registry.offer(ProgramKeys);
        let service = ApiKeyService { core, options: self };
        if service.options.user_managed {
            routes::register(registry, &service);
        }
        Ok(service)
    }
}
