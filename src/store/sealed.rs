//! Keeps the traits of storage to this crate, so that they can get methods.

pub trait Sealed {}
