//! Registration of the GitHub flow.

use super::{GitHub, service::GitHubProvider};
use crate::{
    config::ConfigError,
    flow::{
        Flow,
        oauth::{self, OAuthService},
    },
    provider::RegisteredProvider,
    registry::Registry,
};

impl Flow for GitHub {
    type Service = OAuthService;

    fn name(&self) -> &str {
        "github"
    }

    fn register(self, registry: &mut Registry) -> Result<OAuthService, ConfigError> {
        let refused = |problem: String| ConfigError::Flow { flow: "github".to_owned(), problem };
        if self.client_id.is_empty() || self.secret.is_empty() {
            return Err(refused("the client id or the client secret is empty".to_owned()));
        }
        let (rules, sink) = (self.rules, self.sink.clone());
        let provider = GitHubProvider::new(self).map_err(refused)?;
        oauth::register(registry, RegisteredProvider::new(provider, rules).token_sink(sink))
    }
}
