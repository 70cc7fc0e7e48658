//! Sessions that are watched during a connection.

mod handle;
mod look;
mod owners;
mod poll;
mod slot;
mod urgent;
mod watched;
mod watcher;

pub use watcher::SessionWatch;
pub(crate) use watcher::Watcher;
