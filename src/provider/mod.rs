//! Identity providers: the trait, its values, and the providers of an application.

mod erased;
mod events;
mod params;
mod port;
mod profile;
mod registered;
mod request;
mod sink;
mod tokens;

#[cfg(feature = "oauth")]
pub use events::{EventFormat, EventRejection};
pub use events::{ProviderEvent, ProviderEvents};
#[cfg(feature = "oauth")]
pub(crate) use params::{AllowedParams, OWN_PARAMS, RequestedParams};
#[cfg(feature = "oauth")]
pub use port::{Provider, ProviderError, ProviderLogout};
pub use profile::ProviderProfile;
#[cfg(feature = "oauth")]
pub(crate) use profile::ascii_domain;
pub(crate) use registered::{Providers, RegisteredProvider};
#[cfg(feature = "oauth")]
pub(crate) use registered::{Rules, is_issuer};
#[cfg(feature = "oauth")]
pub use request::ProviderRequest;
#[cfg(feature = "oauth")]
pub(crate) use sink::AnyTokenSink;
#[cfg(feature = "oauth")]
pub use sink::TokenSink;
#[cfg(feature = "oauth")]
pub use tokens::{LinkedIdentity, ProviderTokens};
