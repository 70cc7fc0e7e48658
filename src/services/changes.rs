//! Additions and removals of credentials, as values.

use crate::{
    model::{FactorProof, User},
    session::IssuedTokens,
    store::{Challenge, Credential, Dependents, EndSessions, StoredMail, Unmet},
};

/// The writes that accompany a new credential.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addition {
    /// The maximum number of credentials of its kind.
    pub(crate) at_most: Option<u32>,
    /// The proof that the session receives.
    pub(crate) proof: Option<FactorProof>,
    /// Further credentials.
    pub(crate) put: Vec<Credential>,
    /// A challenge that must not exist yet.
    pub(crate) once: Option<Challenge>,
    /// Messages to store, which are sent afterwards.
    pub(crate) mails: Vec<StoredMail>,
}

/// The outcome of adding a credential on a session.
#[must_use]
pub(crate) enum AddedCredential {
    /// Added: the user, and the session with its new tokens.
    Added(Box<User>, Box<IssuedTokens>),
    /// Not added, because of a condition such as [`Unmet::Taken`] or [`Unmet::Limit`].
    Unmet(Unmet),
}

impl AddedCredential {
    /// Returns the user and the session, or the condition that was not met.
    pub(crate) fn added(self) -> Result<(User, IssuedTokens), Unmet> {
        match self {
            Self::Added(user, issued) => Ok((*user, *issued)),
            Self::Unmet(unmet) => Err(unmet),
        }
    }
}

/// The data that a removal of a credential deletes too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removal {
    pub(crate) end: EndSessions,
    /// Whether the session of the request gets new tokens.
    pub(crate) renews: bool,
    /// Whether remembered devices are forgotten.
    pub(crate) forgets_devices: bool,
    pub(crate) dependents: Vec<Dependents>,
    /// A challenge that must not exist yet.
    pub(crate) once: Option<Challenge>,
    /// Messages to store, which are sent afterwards.
    pub(crate) mails: Vec<StoredMail>,
}
