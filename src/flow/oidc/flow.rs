//! A provider of OpenID Connect as a flow: its service with its routes.

use std::sync::Arc;

use axum::Router;

use super::{OURS, Oidc, routes, service::OidcProvider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    services::Core,
};

impl Flow for Oidc {
    type Service = OAuthService;

    fn build(self, core: Arc<Core>) -> Result<OAuthService, ConfigError> {
        let refused = |problem: String| ConfigError::Flow { flow: "oidc", problem };
        if self.client_id.is_empty() || self.secret.as_deref().is_some_and(str::is_empty) {
            return Err(refused("an id or a secret of the client is empty".to_owned()));
        }
        if self.algorithms.is_empty() {
            return Err(refused("name at least one algorithm".to_owned()));
        }
        if let Some(name) = self.parameters.keys().find(|name| OURS.contains(&name.as_str())) {
            return Err(refused(format!("{name} is not for .parameter(…)")));
        }
        if self.issuer.contains(['{', '\n', '?', '#']) || self.issuer.ends_with("/common/v2.0") {
            return Err(refused(format!("{:?} stands for many issuers: name one", self.issuer)));
        }
        let provider = OidcProvider::new(self, &core).map_err(refused)?;
        oauth::register(core, Arc::new(provider))
    }

    fn routes(service: OAuthService) -> Router {
        routes::router(service)
    }
}
