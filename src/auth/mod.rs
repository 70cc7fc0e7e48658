//! The builder and the handle of an application.

mod builder;
mod clocks;
mod events;
mod handle;
mod health;
mod mails;
#[cfg(feature = "openapi")]
mod openapi;
mod origins;
#[cfg(feature = "pages")]
mod pages;
#[cfg(feature = "cedar")]
mod policy;
mod proxies;
#[cfg(feature = "sealing")]
mod sealing;
mod stored_mails;
mod sweep;
mod trusted;
#[cfg(feature = "usernames")]
mod usernames;

pub use builder::AuthBuilder;
pub use handle::{Auth, MissingFlow};
pub use health::{Health, QueueHealth};
