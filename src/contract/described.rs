//! The operations of the registered routes.

use super::{Extracted, Operation};

/// The operations of a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Described {
    pub(super) operations: Vec<(Operation, Extracted)>,
    /// The group of the operations.
    pub(super) flow: String,
    pub(super) path: String,
    /// Whether other sites and programs call the route.
    pub(super) from_elsewhere: bool,
    /// A segment of the path that is a parameter of the operation: its name and its value.
    pub(super) parameter: Option<(&'static str, String)>,
}

impl Described {
    pub(super) fn none() -> Self {
        Self::default()
    }

    pub(super) fn new(operation: Operation, extracted: fn() -> Extracted) -> Self {
        Self { operations: vec![(operation, extracted())], ..Self::default() }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.operations.extend(other.operations);
        self
    }

    pub(super) fn with_parameter(mut self, name: &'static str, value: &str) -> Self {
        self.parameter = Some((name, value.to_owned()));
        self
    }

    /// Sets the group of the operations, which is the flow by default.
    pub(super) fn tagged(mut self, tag: &str) -> Self {
        self.flow = tag.to_owned();
        self
    }

    /// Sets where the route is registered.
    pub(crate) fn at(mut self, flow: &str, path: &str, from_elsewhere: bool) -> Self {
        if self.flow.is_empty() {
            self.flow = flow.to_owned();
        }
        self.path = path.to_owned();
        self.from_elsewhere = from_elsewhere;
        self
    }
}
