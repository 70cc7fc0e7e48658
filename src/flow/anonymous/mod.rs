//! Users who have said nothing of themselves yet: a cart, a draft, a first try.
//!
//! What is guaranteed: an anonymous user has no credential, and no factor was proved, so a guard
//! that wants a fresh proof refuses. A sign-up on the session of one keeps the id and all that
//! hangs on it; of any number of sign-ups at once one gets it. Sessions from before the sign-up
//! end with it.

mod routes;
mod service;

use std::sync::Arc;

use axum::Router;

pub use self::service::AnonymousService;
use super::Flow;
use crate::{config::ConfigError, services::Core};

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

    fn build(self, core: Arc<Core>) -> Result<AnonymousService, ConfigError> {
        let twice = |()| ConfigError::Flow {
            flow: "anonymous",
            problem: "register the flow once".to_owned(),
        };
        core.anonymous.set(()).map_err(twice)?;
        Ok(AnonymousService { core })
    }

    fn routes(service: AnonymousService) -> Router {
        routes::router(service)
    }
}
