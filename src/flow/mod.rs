//! Flows: sign-in methods and other parts of authentication.
//!
//! A flow is a value with options. [`AuthBuilder::flow`](crate::AuthBuilder::flow) converts it into
//! a service, which can be called without HTTP, and the routes that call it.

pub(crate) mod account;
pub mod account_recovery;
pub mod admin;
pub mod anonymous;
pub mod api_keys;
pub mod codes;
#[cfg(feature = "device-bound")]
pub mod device_bound;
pub mod device_grant;
pub(crate) mod devices;
#[cfg(feature = "device-bound")]
pub mod dpop;
pub mod email_sign_in;
pub mod forward_auth;
#[cfg(feature = "oauth")]
pub mod github;
pub mod introspection;
#[cfg(feature = "oauth")]
pub mod oauth;
#[cfg(feature = "oauth")]
pub mod oauth2;
#[cfg(feature = "oauth")]
pub mod oidc;
#[cfg(feature = "openapi")]
pub mod openapi;
#[cfg(feature = "pages")]
pub mod pages;
#[cfg(feature = "passkeys")]
pub mod passkeys;
#[cfg(feature = "password")]
pub mod password;
pub(crate) mod pending;
pub mod protected_resource;
#[cfg(feature = "totp")]
pub mod recovery_codes;
pub mod reset;
#[cfg(feature = "tokens")]
pub mod service_tokens;
pub mod sessions;
#[cfg(feature = "totp")]
pub mod totp;

#[cfg(feature = "oauth")]
pub use oauth::OAuthService;
#[cfg(feature = "passkeys")]
pub use passkeys::PasskeyService;
#[cfg(feature = "password")]
pub use password::PasswordService;

#[cfg(feature = "oauth")]
pub use crate::provider::{
    EventFormat, EventRejection, LinkedIdentity, ProviderError, ProviderEvent, ProviderEvents,
    ProviderLogout, ProviderProfile, ProviderRequest, ProviderTokens,
};
pub use crate::registry::Flow;
