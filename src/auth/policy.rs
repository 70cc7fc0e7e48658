//! Checks of policies in a handler.

use super::Auth;
use crate::{
    error::AuthError,
    http::policy,
    model::Subject,
    policy::{Policies, PolicyRequest},
};

impl Auth {
    /// Evaluates policies in a handler, and records the decision.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`](crate::ErrorKind::Forbidden), and
    /// [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) without a user.
    pub fn authorize_policy(
        &self,
        policies: &Policies,
        subject: &Subject,
        ask: &PolicyRequest,
    ) -> Result<(), AuthError> {
        policy::decide(&self.core, policies, subject, ask)
    }
}
