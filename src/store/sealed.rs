//! Prevents other crates from implementing the storage traits, so that methods can be added.

pub trait Sealed {}
