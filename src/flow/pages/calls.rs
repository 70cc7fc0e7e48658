//! The messages that code formats, each declared with the names of its values.

use super::messages::Argument;

/// A message, or a family of messages whose ids differ where this one has `*`.
#[derive(Debug)]
pub(super) struct MessageCall<const N: usize> {
    id: &'static str,
    names: [&'static str; N],
}

/// A message with its values.
#[derive(Debug)]
pub(super) struct MessageWith<'a> {
    pub(super) id: String,
    pub(super) values: Vec<(&'a str, Argument)>,
}

impl<const N: usize> MessageCall<N> {
    /// Declares a message. A test compares the names with the variables of the message in every
    /// language.
    pub(super) const fn new(id: &'static str, names: [&'static str; N]) -> Self {
        Self { id, names }
    }

    /// Returns the message with its values.
    pub(super) fn with(&self, values: [Argument; N]) -> MessageWith<'static> {
        self.of("*", values)
    }

    /// Returns the message of a family, by the name of an error, a reason or a kind.
    pub(super) fn of(&self, name: &str, values: [Argument; N]) -> MessageWith<'static> {
        let id = self.id.replacen('*', &name.replace('_', "-"), 1);
        MessageWith { id, values: self.names.into_iter().zip(values).collect() }
    }
}

impl<'a> MessageWith<'a> {
    /// Adds the values of a flow outside of this crate, which have priority.
    pub(super) fn and(
        mut self,
        values: impl IntoIterator<Item = (&'a str, Argument)>,
    ) -> MessageWith<'a> {
        self.values.splice(0..0, values);
        self
    }
}
