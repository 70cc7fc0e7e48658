//! Authorization rules: values that can be combined and that report what is missing.

mod of_user;

use std::{fmt, time::Duration};

use jiff::Timestamp;

use super::{AvailableFactors, Denial, Factor, Owner, Session, StepUp, User, subjects::Who};

/// An authorization rule: a condition on the user, the session and its recent authentication. Rules
/// can be stored, combined and printed.
///
/// ```
/// use authlayer::Rule;
/// let may_deploy = Rule::role("admin").or(Rule::scope("deploy").and(Rule::verified_email()));
/// assert_eq!(may_deploy.to_string(), "role:admin or (scope:deploy and verified_email)");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Rule(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Anyone,
    Role(String),
    Scope(String),
    Tenant(String),
    VerifiedEmail,
    Known,
    TwoFactor,
    Bound,
    Proved { within: Option<Duration>, factor: Option<Factor> },
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

impl Rule {
    /// Allows every authenticated request.
    pub fn authenticated() -> Self {
        Self(Node::Anyone)
    }

    /// Returns `true` if the rule requires authentication factors, and so the current state of the
    /// session.
    pub(crate) fn wants_proof(&self) -> bool {
        self.0.wants_proof()
    }

    /// Returns `true` if the rule requires recent authentication, and so the available factors of
    /// the user.
    pub(crate) fn wants_freshness(&self) -> bool {
        self.0.wants_freshness()
    }

    /// Requires this role.
    pub fn role(role: impl Into<String>) -> Self {
        Self(Node::Role(role.into()))
    }

    /// Requires this scope.
    pub fn scope(scope: impl Into<String>) -> Self {
        Self(Node::Scope(scope.into()))
    }

    /// Requires at least one of these roles. Without roles it rejects every request.
    pub fn any_role(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Node::Any(roles.into_iter().map(|role| Node::Role(role.into())).collect()))
    }

    /// Requires all of these roles.
    pub fn all_roles(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Node::All(roles.into_iter().map(|role| Node::Role(role.into())).collect()))
    }

    /// Requires at least one of these scopes. Without scopes it rejects every request.
    pub fn any_scope(scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Node::Any(scopes.into_iter().map(|scope| Node::Scope(scope.into())).collect()))
    }

    /// Requires all of these scopes.
    pub fn all_scopes(scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Node::All(scopes.into_iter().map(|scope| Node::Scope(scope.into())).collect()))
    }

    /// Requires that the user has none of these roles.
    pub fn without_role(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let none = roles.into_iter().map(|role| Node::Not(Box::new(Node::Role(role.into()))));
        Self(Node::All(none.collect()))
    }

    /// Requires that this is the tenant of the user.
    pub fn tenant(tenant: impl Into<String>) -> Self {
        Self(Node::Tenant(tenant.into()))
    }

    /// Requires a verified email address.
    pub fn verified_email() -> Self {
        Self(Node::VerifiedEmail)
    }

    /// Requires a registered user: anonymous users are rejected.
    pub fn registered() -> Self {
        Self(Node::Known)
    }

    /// Requires that the user authenticated on this session within the last `age`, with the
    /// strongest factor they have. An email code counts only for users who have nothing stronger.
    pub fn max_auth_age(age: Duration) -> Self {
        Self(Node::Proved { within: Some(age), factor: None })
    }

    /// Requires that the user authenticated with this factor on this session.
    pub fn factor(factor: Factor) -> Self {
        factor.register();
        Self(Node::Proved { within: None, factor: Some(factor) })
    }

    /// Requires that the user authenticated with this factor on this session within the last `age`.
    pub fn factor_within(factor: Factor, age: Duration) -> Self {
        factor.register();
        Self(Node::Proved { within: Some(age), factor: Some(factor) })
    }

    /// Requires two factors on this session: a passkey with user verification, or two factors of
    /// different kinds of which one is an authenticator app, a security key, a recovery code, or a
    /// factor of the application; or a provider that the flow trusts with it. An email code beside a password is not sufficient.
    pub fn two_factor() -> Self {
        Self(Node::TwoFactor)
    }

    /// Requires a session that is bound to a key of its device (see
    /// [`Session::bound`](crate::Session::bound)), so that a stolen token is not sufficient.
    ///
    /// ```
    /// use authlayer::Rule;
    /// let may_pay = Rule::role("treasurer").and(Rule::device_bound());
    /// assert_eq!(may_pay.to_string(), "role:treasurer and device");
    /// ```
    pub fn device_bound() -> Self {
        Self(Node::Bound)
    }

    /// Requires both rules.
    pub fn and(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Node::Anyone, one) | (one, Node::Anyone) => one,
            (Node::All(mut all), Node::All(others)) => {
                all.extend(others);
                Node::All(all)
            }
            (Node::All(mut all), one) => {
                all.push(one);
                Node::All(all)
            }
            (one, other) => Node::All(vec![one, other]),
        })
    }

    /// Requires at least one of the rules.
    pub fn or(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Node::Any(mut any), one) => {
                any.push(one);
                Node::Any(any)
            }
            (one, other) => Node::Any(vec![one, other]),
        })
    }

    /// Inverts the rule.
    #[expect(
        clippy::should_implement_trait,
        reason = "combinators are methods, and `!` cannot be chained"
    )]
    pub fn not(self) -> Self {
        Self(Node::Not(Box::new(self.0)))
    }

    /// Checks the rule for a user on a session. `available` are the factors with which the user can
    /// authenticate; [`max_auth_age`](Self::max_auth_age) requires the strongest of them.
    ///
    /// # Errors
    ///
    /// [`Denial`] with the parts that are missing.
    pub fn check(
        &self,
        user: &User,
        session: &Session,
        available: AvailableFactors,
        now: Timestamp,
    ) -> Result<(), Denial> {
        self.0.check(&Who { user, session, available: &available, now, key: None, negated: false })
    }

    /// Checks the rule for an API key. Below [`Rule::not`], the roles and scopes of the owner count
    /// too, so that a key never passes a rule that excludes its owner.
    pub(crate) fn check_key(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
        owner: Owner<'_>,
    ) -> Result<(), Denial> {
        let available = &AvailableFactors::default();
        self.0.check(&Who { user, session, available, now, key: Some(owner), negated: false })
    }

    /// Returns `true` if every way in which this API key passes the rule includes a scope that the
    /// key has.
    pub(crate) fn admits_key(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
        owner: Owner<'_>,
    ) -> bool {
        let available = &AvailableFactors::default();
        self.0.admits(&Who { user, session, available, now, key: Some(owner), negated: false })
    }
}

impl Node {
    fn wants_proof(&self) -> bool {
        match self {
            Self::Proved { .. } | Self::TwoFactor => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::wants_proof),
            Self::Not(inner) => inner.wants_proof(),
            _ => false,
        }
    }

    fn wants_freshness(&self) -> bool {
        match self {
            Self::Proved { factor, .. } => factor.is_none(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::wants_freshness),
            Self::Not(inner) => inner.wants_freshness(),
            _ => false,
        }
    }

    fn check(&self, who: &Who<'_>) -> Result<(), Denial> {
        let passes = match self {
            Self::Anyone => true,
            Self::Role(role) => who.has_role(role),
            Self::Scope(scope) => who.has_scope(scope),
            Self::Tenant(tenant) => who.user.tenant_id.as_ref() == Some(tenant),
            Self::VerifiedEmail => who.user.email_verified_at.is_some(),
            Self::Known => !who.user.is_anonymous,
            Self::Bound => who.session.bound().is_some(),
            Self::Proved { within, factor } => {
                if is_proved(who, *within, *factor) {
                    return Ok(());
                }
                let wanted = factor.map_or_else(|| who.available.all_strongest(), |one| vec![one]);
                let is_available = |factor: &Factor| who.available.contains(*factor);
                let methods = wanted.into_iter().filter(is_available).collect();
                let step_up = Some(StepUp { within: *within, factor: *factor, methods });
                return Err(Denial { step_up, ..Denial::default() });
            }
            Self::TwoFactor => {
                return if who.session.has_two_factors() {
                    Ok(())
                } else {
                    Err(Denial::second_factor(who.available.second_factors()))
                };
            }
            Self::All(all) => return Self::check_all(all, who),
            Self::Any(any) => return self.check_any(any, who),
            Self::Not(inner) => inner.check(&who.inverted()).is_err(),
        };
        if passes { Ok(()) } else { Err(Denial::missing(self.to_string())) }
    }

    /// Returns `true` if an API key passes by a scope.
    fn admits(&self, who: &Who<'_>) -> bool {
        self.check(who).is_ok()
            && match self {
                Self::Scope(_) => true,
                Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.admits(who)),
                _ => false,
            }
    }

    /// Collects all missing parts. The step-up is reported only if nothing else is missing.
    fn check_all(all: &[Self], who: &Who<'_>) -> Result<(), Denial> {
        let mut denial = Denial::default();
        let mut passes = true;
        for one in all {
            if let Err(own) = one.check(who) {
                passes = false;
                denial.missing.extend(own.missing);
                denial.setup_required |= own.setup_required;
                denial.step_up = match (denial.step_up, own.step_up) {
                    (Some(one), Some(other)) => Some(one.with(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        if passes {
            return Ok(());
        }
        if !denial.missing.is_empty() {
            (denial.step_up, denial.setup_required) = (None, false);
        }
        Err(denial)
    }

    /// Reports a step-up if one would be sufficient, otherwise the whole rule as missing.
    fn check_any(&self, any: &[Self], who: &Who<'_>) -> Result<(), Denial> {
        let (mut step_up, mut setup_required) = (None, false);
        for one in any {
            match one.check(who) {
                Ok(()) => return Ok(()),
                Err(own) => {
                    let is_possible = |step: &StepUp| !step.methods.is_empty();
                    setup_required |= own.setup_required;
                    step_up = match (step_up, own.step_up) {
                        (Some(one), Some(other)) if is_possible(&one) || !is_possible(&other) => {
                            Some(one)
                        }
                        (one, other) => other.or(one),
                    };
                }
            }
        }
        match step_up {
            None if !setup_required => Err(Denial::missing(self.to_string())),
            None => Err(Denial { setup_required, ..Denial::default() }),
            Some(_) => Err(Denial { step_up, ..Denial::default() }),
        }
    }
}

fn is_proved(who: &Who<'_>, within: Option<Duration>, factor: Option<Factor>) -> bool {
    let proofs = &who.session.factors;
    match (factor, within) {
        (None, within) => who.available.is_fresh(proofs, within.unwrap_or(Duration::MAX), who.now),
        (Some(factor), None) => proofs.iter().any(|proof| proof.is_of(factor)),
        (Some(factor), Some(age)) => proofs.iter().any(|proof| {
            proof.is_of(factor)
                && proof.basis != super::Basis::Untimed
                && proof.is_within(age, who.now)
        }),
    }
}

impl Node {
    /// Returns the text as part of another rule, in parentheses if necessary.
    fn nested(&self) -> String {
        match self {
            Self::All(all) | Self::Any(all) if all.len() > 1 => format!("({self})"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined =
            |all: &[Self], word: &str| all.iter().map(Self::nested).collect::<Vec<_>>().join(word);
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Scope(scope) => write!(f, "scope:{scope}"),
            Self::Tenant(tenant) => write!(f, "tenant:{tenant}"),
            Self::VerifiedEmail => f.write_str("verified_email"),
            Self::Known => f.write_str("known"),
            Self::TwoFactor => f.write_str("two_factor"),
            Self::Bound => f.write_str("device"),
            Self::Proved { within, factor } => {
                f.write_str(factor.map_or("a proof", Factor::as_str))?;
                within.map_or(Ok(()), |age| write!(f, " within {} s", age.as_secs()))
            }
            Self::All(all) if all.is_empty() => f.write_str("anyone"),
            Self::Any(any) if any.is_empty() => f.write_str("nobody"),
            Self::All(all) => f.write_str(&joined(all, " and ")),
            Self::Any(any) => f.write_str(&joined(any, " or ")),
            Self::Not(inner) => write!(f, "not {}", inner.nested()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::FactorProof, *};
    use crate::model::{SessionId, Transport, UserId};

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A user with the role `editor`, who authenticated with a password at 100 and a code at 150.
    fn ada() -> (User, Session) {
        let mut user = User::new(UserId::new("ada"), at(0));
        user.roles = vec!["editor".to_owned()];
        user.scopes = vec!["read".to_owned()];
        user.tenant_id = Some("acme".to_owned());
        let id = SessionId::from_bytes([1; 16]);
        let mut session = Session::new(id, user.id.clone(), Transport::Cookie, at(0));
        session.factors = vec![
            FactorProof::new(Factor::Password, at(100)),
            FactorProof::new(Factor::EmailCode, at(150)),
        ];
        (user, session)
    }

    #[test]
    fn rule_allows_or_lists_what_is_missing() {
        let (user, session) = ada();
        let missing = |what: &[&str]| what.iter().map(|own| (*own).to_owned()).collect::<Vec<_>>();
        for (rule, lacks) in [
            (Rule::authenticated(), vec![]),
            (Rule::role("editor"), vec![]),
            (Rule::role("admin"), missing(&["role:admin"])),
            (
                Rule::role("admin").and(Rule::scope("write")),
                missing(&["role:admin", "scope:write"]),
            ),
            (Rule::role("editor").and(Rule::scope("write")), missing(&["scope:write"])),
            (Rule::role("admin").or(Rule::scope("read")), vec![]),
            (Rule::role("admin").or(Rule::scope("write")), missing(&["role:admin or scope:write"])),
            (Rule::any_role(["admin", "editor"]), vec![]),
            (Rule::any_role(["admin", "owner"]), missing(&["role:admin or role:owner"])),
            (Rule::any_role(Vec::<String>::new()), missing(&["nobody"])),
            (Rule::all_roles(Vec::<String>::new()), vec![]),
            (Rule::all_roles(["admin", "editor"]), missing(&["role:admin"])),
            (Rule::any_scope(["read", "write"]), vec![]),
            (Rule::all_scopes(["read", "write"]), missing(&["scope:write"])),
            (Rule::without_role(["intern"]), vec![]),
            (Rule::without_role(["editor", "intern"]), missing(&["not role:editor"])),
            (Rule::role("editor").not(), missing(&["not role:editor"])),
            (Rule::tenant("acme"), vec![]),
            (Rule::tenant("other"), missing(&["tenant:other"])),
            (Rule::verified_email(), missing(&["verified_email"])),
            (Rule::registered(), vec![]),
            (
                Rule::role("admin").or(Rule::scope("write").and(Rule::registered())),
                missing(&["role:admin or (scope:write and known)"]),
            ),
        ] {
            let outcome = rule.check(&user, &session, AvailableFactors::default(), at(200));
            let found = outcome.err().map(|denial| denial.missing).unwrap_or_default();
            assert_eq!(found, lacks, "{rule}");
        }
    }

    #[test]
    fn step_up_is_required_if_only_authentication_is_missing() {
        let (user, session) = ada();
        let passkey = Rule::factor(Factor::Passkey);
        let available: AvailableFactors =
            [Factor::Password, Factor::EmailCode].into_iter().collect();
        for (rule, second, asked) in [
            (Rule::max_auth_age(MINUTE), 159, None),
            (Rule::max_auth_age(MINUTE), 160, Some((Some(60), None))),
            (Rule::factor(Factor::Password), 9999, None),
            (Rule::factor_within(Factor::Password, MINUTE), 159, None),
            (passkey.clone(), 159, Some((None, Some(Factor::Passkey)))),
            (
                Rule::max_auth_age(MINUTE).and(passkey.clone()),
                500,
                Some((Some(60), Some(Factor::Passkey))),
            ),
            (Rule::role("editor").and(passkey.clone()), 159, Some((None, Some(Factor::Passkey)))),
            (Rule::role("admin").or(passkey.clone()), 159, Some((None, Some(Factor::Passkey)))),
            (
                Rule::max_auth_age(MINUTE).and(Rule::max_auth_age(MINUTE * 2)),
                500,
                Some((Some(60), None)),
            ),
        ] {
            let denial = rule.check(&user, &session, available.clone(), at(second)).err();
            let step_up = denial.map(|denial| {
                assert!(denial.missing.is_empty(), "{rule}: {:?}", denial.missing);
                let step_up = denial.step_up.unwrap();
                (step_up.within.map(|age| age.as_secs()), step_up.factor)
            });
            assert_eq!(step_up, asked, "{rule} at {second}");
        }
        let both =
            Rule::role("admin").and(passkey).check(&user, &session, available, at(1)).unwrap_err();
        assert_eq!((both.missing, both.step_up), (vec!["role:admin".to_owned()], None));
    }

    #[test]
    fn anonymous_user_is_not_registered() {
        let (user, session) = ada();
        let nobody = User { is_anonymous: true, ..user };
        assert!(
            Rule::registered()
                .check(&nobody, &session, AvailableFactors::default(), at(0))
                .is_err()
        );
    }
}
