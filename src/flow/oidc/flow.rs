//! Registration of an OpenID Connect provider.

use super::{Oidc, service::OidcProvider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    provider::{OWN_PARAMS, RegisteredProvider},
    registry::Registry,
};

impl Flow for Oidc {
    type Service = OAuthService;

    fn name(&self) -> &str {
        &self.id
    }

    fn register(self, registry: &mut Registry) -> Result<OAuthService, ConfigError> {
        let refused = |problem: String| ConfigError::Flow { flow: "oidc".to_owned(), problem };
        if self.client_id.is_empty() {
            return Err(refused("the client id is empty".to_owned()));
        }
        if let Some(problem) = self.secret.problem() {
            return Err(refused(problem.to_owned()));
        }
        if self.algorithms.is_empty() {
            return Err(refused(".algorithms(…) requires at least one algorithm".to_owned()));
        }
        if let Some(name) = self.parameters.keys().find(|name| OWN_PARAMS.contains(&name.as_str()))
        {
            return Err(refused(format!(".auth_param(…) must not set {name}")));
        }
        let several = ["/common/v2.0", "/organizations/v2.0"];
        let is_of_several = several.iter().any(|end| self.issuer.ends_with(end));
        if self.issuer.contains(['{', '\n', '?', '#']) || is_of_several && self.tenants.is_empty() {
            return Err(refused(format!(
                "the issuer {:?} stands for several issuers: name one, or allow tenants with \
                 .tenants(…)",
                self.issuer
            )));
        }
        let is_id = |id: &String| {
            !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if let Some(id) = self.tenants.iter().find(|id| !is_id(id)) {
            return Err(refused(format!("{id:?} in .tenants(…) is no id of a tenant")));
        }
        let (rules, allowed, sink) = (self.rules, self.allowed.clone(), self.sink.clone());
        let provider = OidcProvider::new(self, &registry.core()).map_err(refused)?;
        let provider = RegisteredProvider::new(provider, rules).allow_params(allowed);
        oauth::register(registry, provider.token_sink(sink))
    }
}
