//! The reason why a rule rejects a user, and the authentication that would satisfy it.

use std::time::Duration;

use super::Factor;

/// The reason why a rule rejects a request: either permissions that are missing, or a step-up. It
/// names nothing that the rule does not require.
///
/// ```
/// use authlayer::Denial;
///
/// let mut denial = Denial::default();
/// denial.missing.push("role:admin".to_owned());
/// assert!(denial.step_up.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
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
        let (one, more) = (self.methods, other.methods);
        let in_both: Vec<_> = one.iter().copied().filter(|own| more.contains(own)).collect();
        let is_in_sequence = in_both.is_empty() && !one.is_empty() && !more.is_empty();
        let mut methods = if is_in_sequence { [one, more].concat() } else { in_both };
        // The strength of factors of the application is not known here.
        let rank = |own: &Factor| Factor::BY_STRENGTH.iter().position(|factor| factor == own);
        methods.sort_by_key(|own| rank(own).unwrap_or(usize::MAX));
        Self { within, factor: self.factor.or(other.factor), methods }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_of(methods: &[Factor]) -> StepUp {
        StepUp { methods: methods.to_vec(), ..StepUp::default() }
    }

    #[test]
    fn combined_requirements_name_factors_of_the_application() {
        use Factor::{Passkey, Password, Totp};
        const SMS: Factor = Factor::custom("sms");
        for (one, other, expected) in [
            (vec![SMS], vec![SMS], vec![SMS]),
            (vec![SMS, Totp], vec![Totp, SMS], vec![Totp, SMS]),
            (vec![SMS], vec![Passkey], vec![Passkey, SMS]),
            (vec![Password], vec![Passkey, Totp], vec![Passkey, Totp, Password]),
            (vec![SMS], vec![], vec![]),
        ] {
            let both = any_of(&one).with(any_of(&other));
            assert_eq!(both.methods, expected, "{one:?} {other:?}");
        }
    }
}
