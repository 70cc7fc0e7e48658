//! Registration of an OAuth 2.0 provider.

use super::{OAuth2, service::OAuth2Provider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    provider::{OWN_PARAMS, RegisteredProvider},
    registry::Registry,
};

impl Flow for OAuth2 {
    type Service = OAuthService;

    fn name(&self) -> &str {
        &self.id
    }

    fn register(self, registry: &mut Registry) -> Result<OAuthService, ConfigError> {
        let id = self.id.clone();
        let refused = |problem: String| ConfigError::Flow { flow: id, problem };
        if self.client_id.is_empty() || self.secret.as_deref().is_some_and(str::is_empty) {
            return Err(refused("the client id or the client secret is empty".to_owned()));
        }
        if let Some(pointer) = self.map.invalid_pointer() {
            let problem = format!("{pointer:?} is no JSON pointer to a member, such as \"/id\"");
            return Err(refused(problem));
        }
        if let Some(name) = self.parameters.keys().find(|name| OWN_PARAMS.contains(&name.as_str()))
        {
            return Err(refused(format!(".auth_param(…) must not set {name}")));
        }
        let (rules, allowed, sink) = (self.rules, self.allowed.clone(), self.sink.clone());
        let provider = OAuth2Provider::new(self).map_err(refused)?;
        let provider = RegisteredProvider::new(provider, rules).allow_params(allowed);
        oauth::register(registry, provider.token_sink(sink))
    }
}
