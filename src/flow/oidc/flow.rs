//! Registration of an OpenID Connect provider.

use super::{OURS, Oidc, service::OidcProvider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    provider::RegisteredProvider,
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
            return Err(refused("the client id or the client secret is empty".to_owned()));
        }
        if self.algorithms.is_empty() {
            return Err(refused(".algorithms(…) requires at least one algorithm".to_owned()));
        }
        if let Some(name) = self.parameters.keys().find(|name| OURS.contains(&name.as_str())) {
            return Err(refused(format!(".auth_param(…) must not set {name}")));
        }
        if self.issuer.contains(['{', '\n', '?', '#']) || self.issuer.ends_with("/common/v2.0") {
            return Err(refused(format!(
                "the issuer {:?} is a template for several issuers: name one",
                self.issuer
            )));
        }
        let rules = self.rules;
        let provider = OidcProvider::new(self, &registry.core()).map_err(refused)?;
        oauth::register(registry, RegisteredProvider::new(provider, rules))
    }
}
