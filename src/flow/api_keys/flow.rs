//! API keys as a flow: their service with its routes.

use std::{sync::Arc, time::Duration};

use axum::Router;

use super::{ApiKeyService, ApiKeys, routes};
use crate::{config::ConfigError, flow::Flow, services::Core};

impl Flow for ApiKeys {
    type Service = ApiKeyService;

    fn build(self, core: Arc<Core>) -> Result<ApiKeyService, ConfigError> {
        let refused =
            |problem: &str| ConfigError::Flow { flow: "api_keys", problem: problem.to_owned() };
        if self.longest < Duration::from_secs(60) {
            return Err(refused("a key lasts a minute at least"));
        }
        core.api_keys.set(()).map_err(|()| refused("register the flow once"))?;
        Ok(ApiKeyService { core, options: self })
    }

    fn routes(service: ApiKeyService) -> Router {
        if service.options.by_users { routes::router(service) } else { Router::new() }
    }
}
