//! The reason why a rule rejects a user, and the authentication that would satisfy it.

use std::time::Duration;

use super::Factor;

/// The reason why a rule rejects a request: either permissions that are missing, or a step-up. It
/// names nothing that the rule does not require.
///
/// ```
/// use authlayer::Denial;
///
/// let denial = Denial { missing: vec!["role:admin".to_owned()], ..Denial::default() };
/// assert!(denial.step_up.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denial {
    /// The missing parts, in the format of the rule, for example `role:admin`.
    pub missing: Vec<String>,
    /// The authentication that would satisfy the rule; `None` if anything is in `missing`.
    pub step_up: Option<StepUp>,
    /// Whether two factors are required of a user who has no second factor.
    pub setup_required: bool,
}

impl Denial {
    pub(super) fn missing(part: String) -> Self {
        Self { missing: vec![part], ..Self::default() }
    }

    /// Two factors are required of a user who has these second factors.
    pub(super) fn second_factor(methods: Vec<Factor>) -> Self {
        if methods.is_empty() {
            return Self { setup_required: true, ..Self::default() };
        }
        let step_up = Some(StepUp { methods, ..StepUp::default() });
        Self { step_up, ..Self::default() }
    }
}

/// The authentication that a rule requires.
///
/// ```
/// use authlayer::{Factor, model::StepUp};
///
/// fn can_use_passkey(step_up: &StepUp) -> bool {
///     step_up.methods.contains(&Factor::Passkey)
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepUp {
    /// The maximum age of the authentication.
    pub within: Option<Duration>,
    /// The required factor.
    pub factor: Option<Factor>,
    /// The factors of the user that would satisfy it, strongest first; empty if none would.
    pub methods: Vec<Factor>,
}

impl StepUp {
    /// Combines two requirements into the stricter one.
    pub(super) fn with(self, other: Self) -> Self {
        let within = match (self.within, other.within) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        // Both have to be satisfied: by one factor if possible, otherwise by two in sequence.
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
