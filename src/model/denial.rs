//! Why a rule rejects a user, and the proof that would satisfy it.

use std::time::Duration;

use super::Factor;

/// Why a rule does not let somebody pass: what is missing, and what is to be proved. Nothing
/// that the rule does not ask for is named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denial {
    /// What is missing, each as a rule reads.
    pub missing: Vec<String>,
    /// What a proof would do; never together with `missing`.
    pub step_up: Option<StepUp>,
}

/// A proof that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepUp {
    /// No longer ago than this.
    pub within: Option<Duration>,
    /// Of this factor.
    pub factor: Option<Factor>,
    /// The factors of the user that would satisfy it, strongest first; empty if none would.
    pub methods: Vec<Factor>,
}

impl StepUp {
    /// The stricter of both.
    pub(super) fn with(self, other: Self) -> Self {
        let within = match (self.within, other.within) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        // Both have to be satisfied: by one proof where one will do, else one after the other.
        let (one, other_own) = (&self.methods, &other.methods);
        let is_in_both = |factor: &Factor| one.contains(factor) && other_own.contains(factor);
        let is_in_one = |factor: &Factor| one.contains(factor) || other_own.contains(factor);
        let by_strength = Factor::BY_STRENGTH.into_iter();
        let mut methods: Vec<_> = by_strength.clone().filter(is_in_both).collect();
        if methods.is_empty() && !one.is_empty() && !other_own.is_empty() {
            methods = by_strength.filter(is_in_one).collect();
        }
        Self { within, factor: self.factor.or(other.factor), methods }
    }
}
