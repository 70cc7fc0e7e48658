//! Which users the application requires a second factor of.

use jiff::Timestamp;

use crate::model::{AvailableFactors, Rule, Session, SessionId, Transport, User};

/// The application's rules for second factors, for
/// [`AuthBuilder::second_factors`](crate::AuthBuilder::second_factors).
///
/// By default two-step verification belongs to the user: it is on once an authenticator app is
/// enrolled.
///
/// ```
/// use authlayer::{Rule, SecondFactors};
/// let rules = SecondFactors::new().required_for(Rule::role("admin"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SecondFactors {
    required_for: Option<Rule>,
}

impl SecondFactors {
    /// Creates rules that require nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires a second factor of the users who satisfy this rule, in addition to those of an
    /// earlier call. Only conditions on the user count, such as roles.
    ///
    /// A sign-in of such a user is pending if the user has a second factor. Otherwise it completes;
    /// protect routes with [`RequireUser::two_factor`](crate::RequireUser::two_factor), which
    /// answers `setup_required` then.
    pub fn required_for(mut self, rule: Rule) -> Self {
        self.required_for = Some(match self.required_for {
            Some(own) => own.or(rule),
            None => rule,
        });
        self
    }

    /// Returns `true` if a second factor is required of a user.
    pub(super) fn is_required(&self, user: &User, now: Timestamp) -> bool {
        let Some(rule) = &self.required_for else { return false };
        // A session without proofs: the rule is about the user.
        let id = SessionId::from_bytes([0; 16]);
        let session = Session::new(id, user.id.clone(), Transport::Cookie, now);
        rule.check(user, &session, AvailableFactors::default(), now).is_ok()
    }
}
