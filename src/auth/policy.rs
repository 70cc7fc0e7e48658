//! Policies that are asked in a handler.

use super::Auth;
use crate::{
    error::AuthError,
    http::policy,
    model::Subject,
    policy::{Ask, Policies},
};

impl Auth {
    /// Asks policies in a handler, and records the decision.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden), and
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) for nobody.
    pub fn permit(
        &self,
        policies: &Policies,
        subject: &Subject,
        ask: &Ask,
    ) -> Result<(), AuthError> {
        policy::decide(&self.core, policies, subject, ask)
    }
}
