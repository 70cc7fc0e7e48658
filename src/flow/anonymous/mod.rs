//! Anonymous users, for example for a shopping cart or a draft before sign-up.
//!
//! An anonymous user has no credential, and the session has no verified factor, so that it does not
//! satisfy a guard that requires recent authentication. A sign-up on this session retains the user
//! id and its data. Of concurrent sign-ups, one gets the id. The sessions from before the sign-up
//! end.

mod routes;
mod service;

pub use self::service::AnonymousUserService;
use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::AnonymousSignUp};

/// The options of the anonymous flow.
///
/// ```
/// use authlayer::{AnonymousUsers, AuthBuilder, Password};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(AnonymousUsers::new()).flow(Password::new())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct AnonymousUsers(());

impl AnonymousUsers {
    /// Creates the flow, which adds `POST /anonymous`.
    pub fn new() -> Self {
        Self(())
    }
}

impl Flow for AnonymousUsers {
    type Service = AnonymousUserService;

    fn name(&self) -> &str {
        "anonymous"
    }

    fn register(self, registry: &mut Registry) -> Result<AnonymousUserService, ConfigError> {
        let core = registry.core();
        registry.offer(AnonymousSignUp);
        let service = AnonymousUserService { core };
        routes::register(registry, &service);
        Ok(service)
    }
}
