//! Routes without a description, which stores nothing.

use super::{Extracted, Operation};

/// The operations of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Described;

impl Described {
    pub(super) fn none() -> Self {
        Self
    }

    pub(super) fn new(_: Operation, _: fn() -> Extracted) -> Self {
        Self
    }

    pub(super) fn and(self, _: Self) -> Self {
        self
    }

    pub(super) fn with_parameter(self, _: &'static str, _: &str) -> Self {
        self
    }

    pub(super) fn tagged(self, _: &str) -> Self {
        self
    }

    /// Sets where the route is registered.
    pub(crate) fn at(self, _: &str, _: &str, _: bool) -> Self {
        self
    }
}
