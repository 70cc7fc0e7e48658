//! Flows: ways to sign in and what belongs to them.
//!
//! A flow is a value with options. Registered with
//! [`AuthBuilder::flow`](crate::AuthBuilder::flow) it becomes a service, callable without
//! HTTP, and the routes that call it.

mod account;
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

pub use crate::registry::Flow;
use crate::{config::ConfigError, registry::Registry};

/// Registers the flows that every application has.
pub(crate) fn register_always_on(registry: &mut Registry) -> Result<(), ConfigError> {
    registry.add(sessions::SessionFlow)?;
    registry.add(account::AccountFlow)
}
