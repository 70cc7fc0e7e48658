//! The rules of forward authentication.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::Rule;

/// The rules by name.
#[derive(Clone, Debug)]
pub struct ForwardAuthService {
    any: Rule,
    rules: Arc<BTreeMap<String, Rule>>,
}

impl ForwardAuthService {
    pub(super) fn new(rules: BTreeMap<String, Rule>) -> Self {
        Self { any: Rule::authenticated(), rules: Arc::new(rules) }
    }

    /// Returns the rule of a name, or that for any user.
    pub(super) fn rule(&self, name: Option<&str>) -> Option<&Rule> {
        match name {
            Some(name) => self.rules.get(name),
            None => Some(&self.any),
        }
    }
}
