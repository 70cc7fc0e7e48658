//! A provider of OpenID Connect as a flow: its service with its routes.

use std::sync::Arc;

use super::{OURS, Oidc, service::OidcProvider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    registry::Registry,
};

impl Flow for Oidc {
    type Service = OAuthService;

    fn name(&self) -> &str {
        &self.id
    }

    fn register(self, registry: &mut Registry) -> Result<OAuthService, ConfigError> {
        let refused = |problem: String| ConfigError::Flow { flow: "oidc".to_owned(), problem };
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
        let provider = OidcProvider::new(self, &registry.core()).map_err(refused)?;
        oauth::register(registry, Arc::new(provider))
    }
}
