//! A route with its description.

use axum::{
    handler::Handler,
    routing::{MethodRouter, on},
};

use super::{Described, Handled, Operation};

/// The handlers of a path, and their operations.
#[derive(Debug)]
pub(crate) struct Route<S> {
    pub(crate) methods: MethodRouter<S>,
    pub(crate) described: Described,
}

impl<S: Clone + 'static> Route<S> {
    /// Adds the handler of another method.
    pub(crate) fn and(self, other: Self) -> Self {
        let described = self.described.and(other.described);
        Self { methods: self.methods.merge(other.methods), described }
    }

    /// Sets the group of the operations, which is the flow by default.
    pub(crate) fn tagged(mut self, tag: &str) -> Self {
        self.described = self.described.tagged(tag);
        self
    }

    /// Describes the segment of the path with this value as a parameter: one operation describes
    /// the routes of all values.
    pub(crate) fn with_parameter(mut self, name: &'static str, value: &str) -> Self {
        self.described = self.described.with_parameter(name, value);
        self
    }
}

impl Operation {
    /// Returns the route of this operation to its handler.
    pub(crate) fn to<H, T, S>(self, handler: H) -> Route<S>
    where
        H: Handler<T, S>,
        T: Handled + 'static,
        S: Clone + Send + Sync + 'static,
    {
        let described = Described::new(self, T::extracted);
        Route { methods: on(self.method, handler), described }
    }
}

/// A route without a description.
impl<S> From<MethodRouter<S>> for Route<S> {
    fn from(methods: MethodRouter<S>) -> Self {
        Self { methods, described: Described::none() }
    }
}
