//! Sessions of programs that are bound to a key: DPoP (RFC 9449).
//!
//! A client that sends a proof with a sign-in gets tokens that are usable only with proofs of the same
//! key. Clients without a proof get bearer tokens as before, and sessions in cookies ignore proofs. The
//! guide has [a chapter](crate::guide::device_bound) about bound sessions.
//!
//! | option | default | reason |
//! |---|---|---|
//! | none | | the client decides, by sending a proof |
//!
//! | request | proof |
//! |---|---|
//! | a sign-in or a step-up | binds the session; `token_type` is `DPoP` |
//! | a refresh of a bound session | required |
//! | any other request of a bound session | required, with `ath`, and `Authorization: DPoP` |
//!
//! A proof is valid for the configured origin and the path of the request, for 60 seconds before and
//! after its `iat`, and once: at a sign-in and a refresh for all processes, at other requests for each
//! process. `Host` and forwarded headers are not read, and there are no nonces.
//!
//! Handlers of the application that sign in bind sessions in the same way: [`Auth::layer`] around the
//! route provides the proof of the request.
//!
//! [`Auth::layer`]: crate::Auth::layer

mod service;
#[cfg(all(test, feature = "password", feature = "sqlite", feature = "testing"))]
mod tests;

use super::Flow;
use crate::{
    config::ConfigError,
    registry::Registry,
    services::{DpopProofs, SeenProofs},
};

/// The options of sessions that are bound to a key of a program.
///
/// ```
/// use authlayer::{AuthBuilder, Dpop};
///
/// # fn example(builder: AuthBuilder) -> AuthBuilder {
/// builder.flow(Dpop::new())
/// # }
/// ```
///
/// # Security
///
/// A session that is bound remains bound if this flow is removed: it can then not be used, and its user
/// has to sign in again.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Dpop(());

impl Dpop {
    /// Creates the flow.
    ///
    /// ```
    /// # use authlayer::Dpop;
    /// Dpop::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }
}

impl Flow for Dpop {
    type Service = ();

    fn name(&self) -> &str {
        "dpop"
    }

    fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
        registry.offer(DpopProofs { verify: service::verify, seen: SeenProofs::default() });
        Ok(())
    }
}
