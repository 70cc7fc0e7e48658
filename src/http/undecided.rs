//! Routes that nothing decided about.

/// What happens to a route that neither extracted the user, nor was guarded, nor is [`Public`](crate::Public).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undecided {
    /// Logs an error and records an event of the kind `undecided_route`, with the route in
    /// `detail.route`.
    Report,
    /// Does the same, and answers 500 without a body in place of the response.
    Reject,
}
