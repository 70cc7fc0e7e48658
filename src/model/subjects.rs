//! The user, session and API key that a rule is checked for.

use jiff::Timestamp;

use super::{AvailableFactors, Session, User};

/// The roles and scopes of the owner of an API key.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) roles: &'a [String],
    pub(crate) scopes: &'a [String],
}

#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) user: &'a User,
    pub(super) session: &'a Session,
    pub(super) available: &'a AvailableFactors,
    pub(super) now: Timestamp,
    pub(super) key: Option<Owner<'a>>,
    /// Whether an odd number of `Rule::not` is around this part.
    pub(super) negated: bool,
}

impl Who<'_> {
    pub(super) fn has_role(&self, role: &str) -> bool {
        self.user.has_role(role) || self.owner().is_some_and(|owner| contains(owner.roles, role))
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.user.has_scope(scope)
            || self.owner().is_some_and(|owner| contains(owner.scopes, scope))
    }

    /// Returns the owner of the key inside an odd number of negations.
    fn owner(&self) -> Option<Owner<'_>> {
        self.key.filter(|_| self.negated)
    }

    pub(super) fn inverted(&self) -> Self {
        Self { negated: !self.negated, ..*self }
    }
}

fn contains(all: &[String], one: &str) -> bool {
    all.iter().any(|own| own == one)
}
