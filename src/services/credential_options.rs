//! Options of a kind of credential.

use crate::{
    mail::MessageKind,
    model::{Factor, Transition},
};

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
    pub(crate) factor: Option<Factor>,
    pub(crate) counted_as: Option<&'static str>,
    pub(crate) changes: Option<Transition>,
    pub(crate) ends_on: &'static [Transition],
    pub(crate) recoverable: bool,
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
            changes: None,
            ends_on: &[],
            recoverable: false,
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

    /// Allows one credential per user, see
    /// [`Credentials::of_user`](super::Credentials::of_user).
    ///
    /// ```
    /// use authlayer::services::CredentialOptions;
    /// let options = CredentialOptions::default().one_per_user();
    /// ```
    pub fn one_per_user(self) -> Self {
        self.max_per_user(1)
    }

    /// Declares that adding or removing a credential is a transition of the account, such as a new
    /// password.
    ///
    /// ```
    /// use authlayer::services::{CredentialOptions, Transition};
    /// let pin = CredentialOptions::default().signs_in(true).changes(Transition::PasswordChanged);
    /// ```
    pub fn changes(mut self, transition: Transition) -> Self {
        self.changes = Some(transition);
        self
    }

    /// Sets whether a user who lost a credential can replace it with a recovery code: within ten
    /// minutes, the session may remove one credential and add one of the same
    /// [factor](Self::factor), which is required. See
    /// [`Credentials::fresh_to_add`](super::Credentials::fresh_to_add). Off by default.
    ///
    /// ```
    /// use authlayer::{Factor, services::CredentialOptions};
    /// let options = CredentialOptions::default().second_factor(true).factor(Factor::custom("sms"));
    /// let options = options.recoverable(true);
    /// ```
    pub fn recoverable(mut self, recoverable: bool) -> Self {
        self.recoverable = recoverable;
        self
    }

    /// Returns the factor that a recovery code can replace.
    pub(super) fn replaceable(&self) -> Option<Factor> {
        self.factor.filter(|_| self.recoverable)
    }

    /// Deletes the credentials of a user with these transitions, in their transaction. No message is
    /// sent. Do not use it for a kind that can be the only sign-in method of a user.
    ///
    /// ```
    /// use authlayer::services::{CredentialOptions, Transition};
    /// let trusted = CredentialOptions::default().ends_on(&[Transition::PasswordChanged]);
    /// ```
    pub fn ends_on(mut self, transitions: &'static [Transition]) -> Self {
        self.ends_on = transitions;
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
