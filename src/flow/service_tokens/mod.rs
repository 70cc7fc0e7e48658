//! Short JWTs with which the user of a session calls other services, which verify them with the
//! published keys.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`audience`](ServiceTokens::audience) | none; at least one is required | the services for which tokens are issued |
//!
//! | route | body | response |
//! |---|---|---|
//! | `POST /tokens` | `audience` | 200: `token`, a JWT, and `expires_in`; API keys are rejected |
//! | `GET /jwks.json` | | 200: the public keys; caches may store them for five minutes |
//!
//! A token is an access token of RFC 9068 (`typ` `at+jwt`), signed with ES256 and valid for 60
//! seconds, with `iss`, `sub`, `aud`, `exp`, `iat`, `jti`, `sid`, `client_id`, `roles`, `scope`,
//! `auth_time` and `amr`. The issuer and the client are the first origin of the application. The
//! routes of the application itself do not accept it.
//!
//! The first key signs at once. A new one signs after 30 days; it is published a day before, and its
//! predecessor is published for a day after. All processes share the keys in the database, where
//! private keys are sealed with [`AuthBuilder::sealing_keys`](crate::AuthBuilder::sealing_keys),
//! bound to their ids. The flow cannot be built without sealing keys. To replace a sealing key, add
//! the new one in front: each private key is sealed again within a minute of the next request.
//!
//! # Security
//!
//! A token is valid until it expires, also if its session ends before or its user is disabled. A
//! service must verify the signature, `typ`, `iss`, `aud` and `exp` (RFC 9068 §4). A key in the
//! database that was not sealed with a key of the application is neither used nor published, so a
//! write to the database adds no key.

mod claims;
mod keys;
mod routes;
mod schedule;
mod service;

pub use service::{ServiceToken, ServiceTokenService};

use super::Flow;
use crate::{config::ConfigError, registry::Registry};

/// The options of tokens for other services.
///
/// ```
/// use authlayer::{AuthBuilder, SealingKey, ServiceTokens};
///
/// # fn example(builder: AuthBuilder, key: SealingKey) -> AuthBuilder {
/// builder
///     .sealing_keys([key])
///     .flow(ServiceTokens::new().audience("https://reports.example.com"))
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ServiceTokens {
    audiences: Vec<String>,
}

impl ServiceTokens {
    /// Creates the flow without an audience.
    ///
    /// ```
    /// # use authlayer::ServiceTokens;
    /// ServiceTokens::new().audience("https://reports.example.com");
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows tokens for a service, which is their `aud`: the URL of the service, or a name that it
    /// knows.
    ///
    /// ```
    /// # use authlayer::ServiceTokens;
    /// ServiceTokens::new().audience("https://reports.example.com").audience("billing");
    /// ```
    ///
    /// # Security
    ///
    /// Give each service its own audience: a service can use a token that it received at any other
    /// service with the same one.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }
}

impl Flow for ServiceTokens {
    type Service = ServiceTokenService;

    fn name(&self) -> &str {
        "service_tokens"
    }

    fn register(self, registry: &mut Registry) -> Result<ServiceTokenService, ConfigError> {
        let refused = |problem: &str| ConfigError::flow("service_tokens", problem);
        if self.audiences.is_empty() {
            return Err(refused("name a service with .audience(…)"));
        }
        if self.audiences.iter().any(String::is_empty) {
            return Err(refused("an audience in .audience(…) is empty"));
        }
        let sealer = registry.sealer().ok_or_else(|| {
            refused("needs AuthBuilder::sealing_keys, which seal the keys that sign tokens")
        })?;
        let service = ServiceTokenService::new(registry.core(), self.audiences, sealer);
        routes::register(registry, &service);
        Ok(service)
    }
}
