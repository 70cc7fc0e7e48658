//! Additions and removals of credentials, as values.

use crate::{
    model::FactorProof,
    store::{Challenge, Credential, Dependents, EndSessions},
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
}
