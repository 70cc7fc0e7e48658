//! The flow of a provider of the application.

use std::{fmt, sync::Arc};

use super::{OAuthService, allowed_param_options, register, rule_options, token_sink_option};
use crate::{
    config::ConfigError,
    provider::{AllowedParams, AnyTokenSink, Provider, RegisteredProvider, Rules},
    registry::{Flow, Registry},
};

/// The flow of a [`Provider`]. [`GitHub`](crate::GitHub) and [`Oidc`](crate::Oidc) are flows
/// themselves.
///
/// ```
/// # use authlayer::{Auth, ConfigError, OAuth, Provider, store::Store};
/// fn configure(store: impl Store, strava: impl Provider) -> Result<Auth, ConfigError> {
///     Auth::builder(store)
///         .origin("https://app.example.com")
///         .flow(OAuth::new(strava).allow_sign_up(false))
///         .build()
/// }
/// ```
#[must_use]
pub struct OAuth<P> {
    provider: P,
    rules: Rules,
    allowed: AllowedParams,
    sink: Option<Arc<dyn AnyTokenSink>>,
}

impl<P: Provider> OAuth<P> {
    rule_options!();
    allowed_param_options!();
    token_sink_option!();

    /// Creates the flow of a provider.
    pub fn new(provider: P) -> Self {
        Self { provider, rules: Rules::default(), allowed: AllowedParams::default(), sink: None }
    }
}

impl<P: Provider> Flow for OAuth<P> {
    type Service = OAuthService;

    fn name(&self) -> &str {
        self.provider.id()
    }

    fn register(self, registry: &mut Registry) -> Result<OAuthService, ConfigError> {
        let provider = RegisteredProvider::new(self.provider, self.rules);
        register(registry, provider.allow_params(self.allowed).token_sink(self.sink))
    }
}

impl<P: Provider> fmt::Debug for OAuth<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("id", &self.provider.id()).finish_non_exhaustive()
    }
}
