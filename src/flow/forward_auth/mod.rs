//! Forward authentication: a proxy such as nginx (`auth_request`) or Traefik (`forwardAuth`) asks
//! whether it may forward a request.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`rule`](ForwardAuth::rule) | none | rules by name; without one, any user passes |
//!
//! | route | response |
//! |---|---|
//! | `GET /forward-auth` | 200 with `X-Auth-Subject`, 401 or 403 with `X-Auth-Error` |
//! | `GET /forward-auth/{rule}` | the same for a named rule; 404 for an unknown name |
//!
//! The proxy sends the headers of the request that it asks about. The answer is that of a guard,
//! without a body and without redirects. It refreshes no session.
//!
//! With a cookie, the request must not come from another site. Its method is known only if a
//! [trusted proxy](crate::AuthBuilder::trusted_proxy) states it in `X-Forwarded-Method`; otherwise a
//! foreign `Origin` is rejected whatever the method is, and so is a request from another site that is
//! no navigation.

mod routes;
mod service;

use std::collections::BTreeMap;

pub use service::ForwardAuthService;

use super::Flow;
use crate::{config::ConfigError, model::Rule, registry::Registry};

/// The options of forward authentication.
///
/// ```
/// use authlayer::{AuthBuilder, ForwardAuth, Rule};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(ForwardAuth::new().rule("staff", Rule::role("staff")))
/// # }
/// ```
///
/// # Security
///
/// The proxy has to remove `X-Auth-Subject` from requests of clients before it forwards them, and to
/// refuse the request if it gets no answer. The service behind it should accept the header from the
/// proxy alone: see [`TrustGatewayLayer`](crate::TrustGatewayLayer).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ForwardAuth {
    rules: BTreeMap<String, Rule>,
}

impl ForwardAuth {
    /// Creates the flow with the route for any user.
    ///
    /// ```
    /// # use authlayer::ForwardAuth;
    /// ForwardAuth::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the route `/forward-auth/{name}` for a rule. The name is 1 to 64 of a-z, 0-9, `-` and
    /// `_`. An API key passes only by a scope that the rule requires.
    ///
    /// ```
    /// # use authlayer::{ForwardAuth, Rule};
    /// ForwardAuth::new().rule("reports", Rule::scope("reports:read"));
    /// ```
    pub fn rule(mut self, name: impl Into<String>, rule: Rule) -> Self {
        self.rules.insert(name.into(), rule);
        self
    }
}

impl Flow for ForwardAuth {
    type Service = ForwardAuthService;

    fn name(&self) -> &str {
        "forward_auth"
    }

    fn register(self, registry: &mut Registry) -> Result<ForwardAuthService, ConfigError> {
        let is_name = |name: &&String| {
            let is_in = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
            (1..=64).contains(&name.len()) && name.bytes().all(is_in)
        };
        if let Some(name) = self.rules.keys().find(|name| !is_name(name)) {
            let problem = format!("the rule {name:?} must be 1 to 64 of a-z, 0-9, - and _");
            return Err(ConfigError::flow("forward_auth", problem));
        }
        let service = ForwardAuthService::new(self.rules);
        routes::register(registry, &service);
        Ok(service)
    }
}
