//! Users who have said nothing of themselves yet: a cart, a draft, a first try.
//!
//! What is guaranteed: an anonymous user has no credential, and no factor was proved, so a guard
//! that wants a fresh proof refuses. A sign-up on the session of one keeps the id and all that
//! hangs on it; of any number of sign-ups at once one gets it. Sessions from before the sign-up
//! end with it.

mod routes;
mod service;

pub use self::service::AnonymousService;
use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::AnonymousUsers};

/// The flow, before it is built.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Anonymous(());

impl Anonymous {
    /// Anonymous users, made by `POST /anonymous`.
    pub fn new() -> Self {
        Self(())
    }
}

impl Flow for Anonymous {
    type Service = AnonymousService;

    fn name(&self) -> &str {
        "anonymous"
    }

    fn register(self, registry: &mut Registry) -> Result<AnonymousService, ConfigError> {
        let core = registry.core();
        registry.offer(AnonymousUsers);
        let service = AnonymousService { core };
        routes::register(registry, &service);
        Ok(service)
    }
}
