//! Routes without an authentication decision.

/// The handling of a route that does not extract the user, has no guard, and is not
/// [`Public`](crate::Public).
///
/// ```
/// use authlayer::{Auth, Undecided};
/// use axum::Router;
///
/// fn protect(app: Router, auth: &Auth) -> Router {
///     app.layer(auth.layer().require_decision(Undecided::Reject))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undecided {
    /// Logs an error and records an event of the kind `undecided_route`, with the route in
    /// `detail.route`.
    Report,
    /// Does the same, and replaces the response with 500 without a body.
    Reject,
}
