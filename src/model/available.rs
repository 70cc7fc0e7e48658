//! Recent authentication: the verified factors of a session, compared with the factors of the user.

use std::time::Duration;

use jiff::Timestamp;

use super::{Basis, Factor, FactorProof, Strength};

/// The factors that a user can verify on a session.
///
/// ```
/// use authlayer::{Factor, model::AvailableFactors};
/// let available: AvailableFactors = [Factor::EmailCode, Factor::Password].into_iter().collect();
/// assert_eq!(available.strongest(), Some(Factor::Password));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvailableFactors {
    factors: Vec<(Factor, Strength)>,
    /// The strength of a factor that the user has and cannot verify here.
    least: Option<Strength>,
    /// The strength that an account recovery waives.
    waived: Option<Strength>,
    /// A factor whose proofs on the session do not count.
    barred: Option<Factor>,
}

impl AvailableFactors {
    /// Adds a factor with its strength. A factor that was added before remains as it is.
    #[must_use]
    pub fn with(mut self, factor: Factor, strength: Strength) -> Self {
        if !self.contains(factor) {
            self.factors.push((factor, strength));
        }
        self
    }

    /// Requires at least this strength of recent authentication, because the user has a factor of
    /// it that no registered flow verifies.
    pub(crate) fn at_least(self, least: Option<Strength>) -> Self {
        Self { least, ..self }
    }

    /// Requires only the next weaker factor if the strongest one has this strength, because an
    /// account recovery is open.
    pub(crate) fn waiving(self, waived: Option<Strength>) -> Self {
        Self { waived, ..self }
    }

    /// Ignores what was verified with this factor, because its provider reported that another person
    /// has the account.
    pub(crate) fn barring(self, barred: Option<Factor>) -> Self {
        Self { barred, ..self }
    }

    /// Returns `true` if the user can verify this factor.
    pub fn contains(&self, factor: Factor) -> bool {
        self.factors.iter().any(|(own, _)| *own == factor)
    }

    /// Returns the strongest factor that the user can verify. Of several of the same strength it is
    /// the first.
    pub fn strongest(&self) -> Option<Factor> {
        let wanted = self.strength()?;
        self.factors.iter().find(|(_, strength)| *strength == wanted).map(|(factor, _)| *factor)
    }

    /// Returns all factors of the strength of the strongest one, and while an account recovery is
    /// open those of the next weaker strength after them.
    pub(crate) fn all_strongest(&self) -> Vec<Factor> {
        let (strongest, required) = (self.strength(), self.required());
        let weaker = required.filter(|_| required != strongest);
        let ranks = strongest.into_iter().chain(weaker);
        let own = ranks.flat_map(|rank| self.factors.iter().filter(move |own| own.1 == rank));
        own.map(|(factor, _)| *factor).collect()
    }

    /// Returns the strength of the next weaker factor than the strongest one.
    pub(crate) fn next_strength(&self) -> Option<Strength> {
        let strongest = self.strength()?;
        let all = self.factors.iter().map(|(_, strength)| *strength);
        all.filter(|strength| *strength < strongest).max()
    }

    /// Returns `true` if the user authenticated within `age`: one of `proofs` is at least as strong
    /// as the strongest factor that the user can verify, and younger than `age`.
    ///
    /// The sign-in at a provider that did not prove its time counts only for users who can prove
    /// no factor at all.
    ///
    /// On a session with a recovery code, only what was verified after it counts: a recovery code
    /// replaces a lost factor, and is not a second factor beside the others.
    pub fn is_fresh(&self, proofs: &[FactorProof], age: Duration, now: Timestamp) -> bool {
        let wanted = self.required();
        let counts = |proof: &FactorProof| {
            proof.is_authentication()
                && self.barred != Some(proof.method)
                && self.strength_of(proof) >= wanted
        };
        let recovery = proofs.iter().rposition(|proof| proof.method == Factor::RecoveryCode);
        let after = proofs.iter().skip(recovery.map_or(0, |at| at + 1));
        after.into_iter().any(|proof| counts(proof) && proof.is_within(age, now))
    }

    /// Returns the factors that would complete two factors on a session, strongest first.
    pub(super) fn second_factors(&self) -> Vec<Factor> {
        let mut all: Vec<_> =
            self.factors.iter().filter(|(own, _)| own.is_second_factor()).collect();
        all.sort_by_key(|(_, strength)| std::cmp::Reverse(*strength));
        all.into_iter().map(|(factor, _)| *factor).collect()
    }

    /// Returns the strength that recent authentication requires.
    fn required(&self) -> Option<Strength> {
        let strongest = self.strength()?;
        let is_waived = self.waived == Some(strongest);
        self.next_strength().filter(|_| is_waived).or(Some(strongest))
    }

    /// Returns the strength of the strongest factor of the user.
    pub(crate) fn strength(&self) -> Option<Strength> {
        self.factors.iter().map(|(_, strength)| *strength).chain(self.least).max()
    }

    fn strength_of(&self, proof: &FactorProof) -> Option<Strength> {
        if proof.basis == Basis::Untimed {
            return None;
        }
        let own = self.factors.iter().find(|(factor, _)| *factor == proof.method);
        proof.method.strength().or(own.map(|(_, strength)| *strength))
    }
}

/// Collects factors of this crate, with their strengths. Others are omitted.
impl FromIterator<Factor> for AvailableFactors {
    fn from_iter<I: IntoIterator<Item = Factor>>(factors: I) -> Self {
        let known = factors.into_iter().filter_map(|factor| Some((factor, factor.strength()?)));
        known.fold(Self::default(), |all, (factor, strength)| all.with(factor, strength))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn freshness_requires_the_strongest_available_factor() {
        use Factor::{EmailCode, Passkey, Password, Provider};
        let now = at(1000);
        let recent = |factor| FactorProof::new(factor, at(900));
        for (available, proofs, fresh) in [
            (vec![Password], vec![recent(Password)], true),
            (vec![Password], vec![FactorProof::new(Password, at(400))], false),
            (vec![Password], vec![FactorProof::new(Password, at(401))], true),
            (vec![Password], vec![FactorProof::new(Password, at(1001))], false),
            (vec![Password, Passkey], vec![recent(Password)], false),
            (vec![Password, Passkey], vec![recent(Passkey)], true),
            (vec![Password, Passkey], vec![recent(Passkey).on(Basis::Enrolled)], true),
            (vec![Password, EmailCode], vec![recent(EmailCode)], false),
            (vec![Password, Provider], vec![recent(Provider)], false),
            (vec![EmailCode], vec![recent(EmailCode)], true),
            (vec![EmailCode], vec![recent(Provider)], true),
            (vec![EmailCode], vec![recent(Provider).on(Basis::Untimed)], false),
            (vec![Provider], vec![recent(Provider).on(Basis::Untimed)], false),
            (vec![], vec![recent(Provider).on(Basis::Untimed)], true),
            (vec![], vec![recent(Factor::Other)], false),
            (vec![], vec![recent(Factor::DeviceGrant)], false),
            (vec![EmailCode], vec![recent(Factor::DeviceGrant)], false),
            (vec![Factor::Other], vec![recent(Factor::Other)], false),
            (vec![EmailCode], vec![recent(Factor::Other)], false),
            (vec![], vec![], false),
        ] {
            let set: AvailableFactors = available.iter().copied().collect();
            assert_eq!(set.is_fresh(&proofs, AGE, now), fresh, "{available:?} {proofs:?}");
        }
    }

    #[test]
    fn proofs_of_a_barred_factor_do_not_count() {
        let now = at(1000);
        let by_provider = FactorProof::new(Factor::Provider, at(900));
        let by_code = FactorProof::new(Factor::EmailCode, at(900));
        let barred = |all: &[Factor]| {
            all.iter().copied().collect::<AvailableFactors>().barring(Some(Factor::Provider))
        };
        assert!(!barred(&[Factor::EmailCode]).is_fresh(&[by_provider], AGE, now));
        assert!(barred(&[Factor::EmailCode]).is_fresh(&[by_provider, by_code], AGE, now));
        assert!(!barred(&[]).is_fresh(&[by_provider.on(Basis::Untimed)], AGE, now));
    }

    #[test]
    fn factor_that_cannot_be_verified_counts_as_the_strongest() {
        let now = at(1000);
        let recent = |factor| [FactorProof::new(factor, at(900))];
        let own = AvailableFactors::from_iter([Factor::Password]);
        let own = own.at_least(Some(Strength::OneTimeCode));
        assert!(!own.is_fresh(&recent(Factor::Password), AGE, now));
        assert!(own.is_fresh(&recent(Factor::Totp), AGE, now));
        assert_eq!((own.strongest(), own.all_strongest()), (None, Vec::new()));
    }

    #[test]
    fn waived_strength_is_replaced_by_the_next_weaker_one() {
        use Factor::{EmailCode, Passkey, Password, SecurityKey, Totp};
        let now = at(1000);
        let recent = |factor| [FactorProof::new(factor, at(900))];
        let own = || AvailableFactors::from_iter([EmailCode, Password, Passkey, SecurityKey, Totp]);
        let open = own().waiving(Some(Strength::PhishingResistant));
        assert_eq!(open.all_strongest(), [Passkey, SecurityKey, Totp]);
        assert!(
            open.is_fresh(&recent(Totp), AGE, now) && open.is_fresh(&recent(Passkey), AGE, now)
        );
        assert!(!open.is_fresh(&recent(Password), AGE, now), "one rank, not all of them");
        let other = own().waiving(Some(Strength::OneTimeCode));
        assert_eq!(other.all_strongest(), [Passkey, SecurityKey]);
        assert!(!other.is_fresh(&recent(Totp), AGE, now), "a stronger factor is not waived");
        let alone = AvailableFactors::from_iter([Passkey]);
        let alone = alone.waiving(Some(Strength::PhishingResistant));
        assert!(!alone.is_fresh(&recent(Password), AGE, now), "nothing takes its place");
        assert_eq!(alone.all_strongest(), [Passkey]);
    }

    #[test]
    fn factors_of_other_flows_have_the_strength_of_their_flow() {
        const SMS: Factor = Factor::custom("sms");
        let now = at(1000);
        let recent = |factor| [FactorProof::new(factor, at(900))];
        let phone = AvailableFactors::from_iter([Factor::EmailCode]);
        let phone = phone.with(SMS, Strength::OutOfBand);
        assert_eq!(phone.strongest(), Some(SMS));
        assert!(phone.is_fresh(&recent(SMS), AGE, now));
        assert!(!phone.is_fresh(&recent(Factor::EmailCode), AGE, now));
        assert!(phone.is_fresh(&recent(Factor::Password), AGE, now));
        let password = AvailableFactors::from_iter([Factor::Password]);
        let password = password.with(SMS, Strength::OutOfBand);
        assert!(!password.is_fresh(&recent(SMS), AGE, now));
        let elsewhere = AvailableFactors::from_iter([Factor::EmailCode]);
        assert!(!elsewhere.is_fresh(&recent(SMS), AGE, now), "no flow states its strength");
    }
}
