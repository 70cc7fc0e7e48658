//! The handle that an application holds, and how it is built.

mod builder;
mod handle;
mod sweep;

pub use builder::AuthBuilder;
pub use handle::Auth;

pub use crate::services::Core;
