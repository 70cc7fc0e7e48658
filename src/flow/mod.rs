//! Flows: ways to sign in and what belongs to them.
//!
//! A flow is a value with options. Registered with
//! [`AuthBuilder::flow`](crate::AuthBuilder::flow) it becomes a service, callable without
//! HTTP, and the routes that call it.

pub(crate) mod account;
pub mod anonymous;
pub mod api_keys;
pub mod codes;
#[cfg(feature = "oauth")]
pub mod github;
#[cfg(feature = "oauth")]
pub mod oauth;
#[cfg(feature = "oauth")]
pub mod oidc;
#[cfg(feature = "passkeys")]
pub mod passkeys;
#[cfg(feature = "password")]
pub mod password;
pub mod reset;
pub mod sessions;

use std::{any::Any, fmt, sync::Arc};

use axum::Router;

use crate::{config::ConfigError, services::Core};

/// A way to sign in, before it is built into an [`Auth`](crate::Auth).
pub trait Flow: Send + 'static {
    /// What does the work, callable without HTTP.
    type Service: Clone + Send + Sync + 'static;

    /// Checks the options and makes the service.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] that names the option which cannot stand.
    fn build(self, core: Arc<Core>) -> Result<Self::Service, ConfigError>;

    /// The routes, relative to where [`Auth::router`](crate::Auth::router) is nested.
    fn routes(service: Self::Service) -> Router;

    /// What stands at fixed places of the origin: see
    /// [`Auth::well_known`](crate::Auth::well_known). Nothing, for most flows.
    fn well_known(service: Self::Service) -> Router {
        let _unused = service;
        Router::new()
    }
}

/// A flow that was built: its service and its routes.
pub(crate) struct Mounted {
    pub(crate) service: Box<dyn Any + Send + Sync>,
    pub(crate) router: Router,
    pub(crate) well_known: Router,
}

impl Mounted {
    pub(crate) fn new<F: Flow>(flow: F, core: &Arc<Core>) -> Result<Self, ConfigError> {
        let service = flow.build(Arc::clone(core))?;
        let (router, well_known) = (F::routes(service.clone()), F::well_known(service.clone()));
        Ok(Self { service: Box::new(service), router, well_known })
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mounted")
    }
}
