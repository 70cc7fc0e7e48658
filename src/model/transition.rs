//! Changes of an account that other data depend on.

/// A change of an account. The crate derives it from what is written; a flow does not state it.
///
/// Challenges and credentials can [end](crate::services::TokenOptions::ends_on) with it, and
/// [observers](crate::Registry::on_transition) are called after it.
///
/// ```
/// use authlayer::services::Transition;
///
/// fn is_takeover(transition: Transition) -> bool {
///     matches!(transition, Transition::Claimed | Transition::EmailChanged)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transition {
    /// The email address was verified for the first time, and what earlier sessions added was
    /// deleted.
    Claimed,
    /// The email address was replaced by another one.
    EmailChanged,
    /// A password was set or replaced, or a credential of a kind that
    /// [changes](crate::services::CredentialOptions::changes) the password.
    PasswordChanged,
    /// A second factor was removed.
    SecondFactorRemoved,
    /// The last second factor was removed, and two-step verification ended.
    LastSecondFactorRemoved,
    /// All sessions were revoked, with everything that could begin one.
    AllSessionsRevoked,
    /// The user was disabled.
    Disabled,
    /// The user was deleted.
    Deleted,
}

impl Transition {
    /// Returns whether challenges of a user end with it by default.
    pub(crate) fn ends_challenges(self) -> bool {
        !matches!(self, Self::SecondFactorRemoved | Self::LastSecondFactorRemoved)
    }
}
