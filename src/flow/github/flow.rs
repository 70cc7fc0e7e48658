//! GitHub as a flow: its service with its routes.

use std::sync::Arc;

use axum::Router;

use super::{GitHub, routes, service::GitHubProvider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    services::Core,
};

impl Flow for GitHub {
    type Service = OAuthService;

    fn build(self, core: Arc<Core>) -> Result<OAuthService, ConfigError> {
        let refused = |problem: String| ConfigError::Flow { flow: "github", problem };
        if self.client_id.is_empty() || self.secret.is_empty() {
            return Err(refused("an id or a secret of the client is empty".to_owned()));
        }
        let provider = GitHubProvider::new(self).map_err(refused)?;
        oauth::register(core, Arc::new(provider))
    }

    fn routes(service: OAuthService) -> Router {
        routes::router(service)
    }
}
