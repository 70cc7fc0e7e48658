//! Sessions that are bound to a device: Device Bound Session Credentials (W3C, draft of 2026).
//!
//! After a sign-in, a browser that supports it creates a key and registers it for the session. From
//! then on, the session is refreshed only with a proof of that key, so stolen cookies are usable for at
//! most ten minutes. Other browsers ignore the offer, and their sessions work as before. The guide has
//! [a chapter](crate::guide::device_bound) about it.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`allow_loopback`](DeviceBound::allow_loopback) | off | browsers register keys over https alone |
//!
//! | route | response |
//! |---|---|
//! | `POST /device/register` | 200: the instructions for the browser; the session is bound |
//! | `POST /device/refresh` | 200 with new cookies, 200 `{"continue": false}`, or 403 with a challenge |
//!
//! Browsers call both routes by themselves. An application requires a bound session with
//! [`RequireUser::device_bound`](crate::RequireUser::device_bound).

mod routes;
mod service;

pub use service::DeviceBoundService;

use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::BoundSessions};

/// The options of sessions that are bound to a browser.
///
/// ```
/// use authlayer::{AuthBuilder, DeviceBound};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(DeviceBound::new())
/// # }
/// ```
///
/// # Security
///
/// A session that is bound remains bound if this flow is removed: it can then not be refreshed, and
/// its user has to sign in again.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct DeviceBound {
    allows_loopback: bool,
}

impl DeviceBound {
    /// Creates the flow.
    ///
    /// ```
    /// # use authlayer::DeviceBound;
    /// DeviceBound::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the registration is offered over http on loopback too, for tests with a client
    /// that registers there.
    ///
    /// ```
    /// # use authlayer::DeviceBound;
    /// DeviceBound::new().allow_loopback(true);
    /// ```
    pub fn allow_loopback(mut self, allow: bool) -> Self {
        self.allows_loopback = allow;
        self
    }
}

impl Flow for DeviceBound {
    type Service = DeviceBoundService;

    fn name(&self) -> &str {
        "device_bound"
    }

    fn register(self, registry: &mut Registry) -> Result<DeviceBoundService, ConfigError> {
        let core = registry.core();
        let is_offered = core.origins.is_secure() || self.allows_loopback;
        let registration = is_offered.then(|| format!("{}/device/register", core.mount));
        registry.offer(BoundSessions { registration });
        let service = DeviceBoundService { core };
        routes::register(registry, &service);
        Ok(service)
    }
}
