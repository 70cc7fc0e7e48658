//! Token introspection (RFC 7662): other services ask what a token of a session or an API key
//! stands for.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`client`](Introspection::client) | none; at least one is required | the services that may ask |
//!
//! | route | response |
//! |---|---|
//! | `POST /introspect` | 200: whether the token is active, and if it is, its user |
//!
//! A token is looked up at every request, so a revoked one is inactive at once. A service should not
//! cache an answer for longer than it accepts a revoked token.

mod routes;
mod service;

use std::fmt;

pub use service::{IntrospectionService, TokenInfo};

use super::Flow;
use crate::{config::ConfigError, registry::Registry};

/// The options of token introspection.
///
/// ```
/// use authlayer::{AuthBuilder, Introspection};
///
/// # fn example(builder: AuthBuilder, secret: String) -> AuthBuilder {
/// builder.flow(Introspection::new().client("gateway", secret))
/// # }
/// ```
///
/// # Security
///
/// A client learns the id, roles and scopes of the user of any token that it has. Give each service
/// its own secret of at least 32 random characters.
#[derive(Clone, Default)]
#[must_use]
pub struct Introspection {
    clients: Vec<(String, String)>,
}

impl Introspection {
    /// Creates the flow without a client.
    ///
    /// ```
    /// # use authlayer::Introspection;
    /// Introspection::new().client("gateway", "secret");
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows a service to ask, with HTTP Basic authentication by this id and secret (RFC 6749
    /// §2.3.1).
    ///
    /// ```
    /// # use authlayer::Introspection;
    /// Introspection::new().client("gateway", "secret").client("reports", "other secret");
    /// ```
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.clients.push((id.into(), secret.into()));
        self
    }
}

impl Flow for Introspection {
    type Service = IntrospectionService;

    fn name(&self) -> &str {
        "introspection"
    }

    fn register(self, registry: &mut Registry) -> Result<IntrospectionService, ConfigError> {
        let refused = |problem: &str| ConfigError::flow("introspection", problem);
        if self.clients.is_empty() {
            return Err(refused("a service must be allowed with .client(id, secret)"));
        }
        if self.clients.iter().any(|(id, secret)| id.is_empty() || secret.is_empty()) {
            return Err(refused("the id or the secret of a client is empty"));
        }
        let mut ids: Vec<_> = self.clients.iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < self.clients.len() {
            return Err(refused("two clients have one id"));
        }
        let service = IntrospectionService::new(registry.core(), self.clients);
        routes::register(registry, &service);
        Ok(service)
    }
}

/// The secrets are not printed.
impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.clients.iter().map(|(id, _)| id).collect();
        f.debug_struct("Introspection").field("clients", &ids).finish_non_exhaustive()
    }
}
