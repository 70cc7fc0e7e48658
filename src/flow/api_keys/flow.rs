//! Registration of the API key flow.

use std::time::Duration;

use super::{ApiKeyService, ApiKeys, routes, scheme::KeyScheme};
use crate::{config::ConfigError, crypto::handle::API_KEY_PREFIX, flow::Flow, registry::Registry};

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
        let tokens = registry.own_bearer(API_KEY_PREFIX, KeyScheme(registry.services()));
        let service = ApiKeyService { core, options: self, tokens };
        if service.options.user_managed {
            routes::register(registry, &service);
        }
        Ok(service)
    }
}
