//! Sessions that are watched while a connection lasts.

mod handle;
mod look;
mod poll;
mod slot;
mod urgent;
mod watched;
mod watcher;

pub use watcher::Live;
pub(crate) use watcher::Watcher;
