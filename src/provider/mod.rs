//! Identity providers: the trait, its values, and the providers of an application.

mod port;
mod profile;
mod registered;
mod request;

pub use port::{Provider, ProviderError, ProviderLogout};
pub use profile::ProviderProfile;
pub(crate) use profile::ascii_domain;
pub(crate) use registered::{Providers, RegisteredProvider, Rules};
pub use request::ProviderRequest;
