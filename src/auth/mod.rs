//! The builder and the handle of an application.

mod builder;
mod clocks;
mod events;
mod handle;
mod origins;
#[cfg(feature = "pages")]
mod pages;
#[cfg(feature = "cedar")]
mod policy;
#[cfg(feature = "sealing")]
mod sealing;
mod sweep;
#[cfg(feature = "usernames")]
mod usernames;

pub use builder::AuthBuilder;
pub use handle::{Auth, MissingFlow};
