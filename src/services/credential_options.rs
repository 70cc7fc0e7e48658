//! Options of a kind of credential.

use crate::{mail::MessageKind, model::Factor};

/// Options of a kind of credential.
///
/// ```
/// use authlayer::services::CredentialOptions;
///
/// let options = CredentialOptions::default().signs_in(true).max_per_user(3);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CredentialOptions {
    pub(super) signs_in: bool,
    pub(super) max_per_user: u32,
    pub(super) added_message: MessageKind,
    pub(super) notifies: bool,
    pub(super) second_factor: bool,
    pub(super) factor: Option<Factor>,
    pub(crate) counted_as: Option<&'static str>,
}

impl Default for CredentialOptions {
    fn default() -> Self {
        let added_message = MessageKind::FactorAdded;
        Self {
            signs_in: false,
            max_per_user: 20,
            added_message,
            notifies: true,
            second_factor: false,
            factor: None,
            counted_as: None,
        }
    }
}

impl CredentialOptions {
    /// Sets whether a credential is a sign-in method by itself, and so can be the last one; off by
    /// default.
    pub fn signs_in(mut self, signs_in: bool) -> Self {
        self.signs_in = signs_in;
        self
    }

    /// Sets the maximum number of credentials per user; 20 by default.
    pub fn max_per_user(mut self, max: u32) -> Self {
        self.max_per_user = max;
        self
    }

    /// Replaces the message that a user receives when a credential is added.
    pub fn added_message(mut self, kind: MessageKind) -> Self {
        self.added_message = kind;
        self
    }

    /// Sets whether a credential is a second factor that turns two-step verification on; off by
    /// default. It is stored with the credential, so that a process without the flow rejects the
    /// sign-in of its user, with 503, and does not complete it without the factor.
    ///
    /// ```
    /// use authlayer::services::CredentialOptions;
    /// let options = CredentialOptions::default().second_factor(true).max_per_user(3);
    /// ```
    ///
    /// # Security
    ///
    /// Set it for the credentials of every [`SecondFactor`](crate::SecondFactor) whose
    /// [strength](crate::Strength) is at least that of a one-time code. Credentials that were stored
    /// before are marked when they are used with
    /// [`Credentials::replacing`](super::Credentials::replacing).
    pub fn second_factor(mut self, second_factor: bool) -> Self {
        self.second_factor = second_factor;
        self
    }

    /// Sets the factor that the session of a new user gets for the credential, see
    /// [`NewAccount::credential`](super::NewAccount::credential).
    ///
    /// ```
    /// use authlayer::{Factor, services::CredentialOptions};
    /// let options = CredentialOptions::default().signs_in(true).factor(Factor::custom("pin"));
    /// ```
    pub fn factor(mut self, factor: Factor) -> Self {
        factor.register();
        self.factor = Some(factor);
        self
    }

    /// Returns the number of the user's credentials in `GET /account`, as the member of this name.
    pub fn counted_as(mut self, member: &'static str) -> Self {
        self.counted_as = Some(member);
        self
    }

    /// Sends no messages about additions and removals.
    pub fn silent(mut self) -> Self {
        self.notifies = false;
        self
    }
}
