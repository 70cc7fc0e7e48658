//! The rule of administrators.

use std::{fmt, sync::Arc};

use crate::{
    model::{Rule, User},
    store::Passes,
};

/// The users who pass a rule.
#[derive(Clone)]
pub(crate) struct Administrators {
    pub(super) passes: Passes,
    /// A role that they all have.
    pub(super) role: Option<String>,
}

impl Administrators {
    pub(super) fn new(rule: &Rule) -> Self {
        let (role, rule) = (rule.required_role().map(ToOwned::to_owned), rule.clone());
        Self { passes: Arc::new(move |user: &User| rule.can_admit(user)), role }
    }
}

impl fmt::Debug for Administrators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrators").field("role", &self.role).finish_non_exhaustive()
    }
}
