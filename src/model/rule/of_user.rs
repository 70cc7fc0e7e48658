//! The part of a rule that depends on the user alone.

use super::{Node, Rule};
use crate::model::User;

impl Rule {
    /// Returns `true` if there may be a session with which this user passes the rule. Factors of a
    /// session are not considered.
    pub(crate) fn can_admit(&self, user: &User) -> bool {
        user.is_active() && self.0.results(user).can_pass
    }

    /// Returns a role that every user who passes the rule has.
    pub(crate) fn required_role(&self) -> Option<&str> {
        self.0.required_role()
    }
}

/// The results that a rule can have for a user, depending on the session.
#[derive(Clone, Copy)]
struct Results {
    can_pass: bool,
    can_fail: bool,
}

impl Node {
    fn results(&self, user: &User) -> Results {
        let of = |passes: bool| Results { can_pass: passes, can_fail: !passes };
        match self {
            Self::Anyone => of(true),
            Self::Role(role) => of(user.has_role(role)),
            Self::Scope(scope) => of(user.has_scope(scope)),
            Self::Tenant(tenant) => of(user.tenant_id.as_ref() == Some(tenant)),
            Self::VerifiedEmail => of(user.email_verified_at.is_some()),
            Self::Known => of(!user.is_anonymous),
            Self::TwoFactor | Self::Bound | Self::Proved { .. } => {
                Results { can_pass: true, can_fail: true }
            }
            Self::All(all) => Results {
                can_pass: all.iter().all(|own| own.results(user).can_pass),
                can_fail: all.iter().any(|own| own.results(user).can_fail),
            },
            Self::Any(any) => Results {
                can_pass: any.iter().any(|own| own.results(user).can_pass),
                can_fail: any.iter().all(|own| own.results(user).can_fail),
            },
            Self::Not(inner) => {
                let Results { can_pass, can_fail } = inner.results(user);
                Results { can_pass: can_fail, can_fail: can_pass }
            }
        }
    }

    fn required_role(&self) -> Option<&str> {
        match self {
            Self::Role(role) => Some(role),
            Self::All(all) => all.iter().find_map(Self::required_role),
            Self::Any(any) => match &**any {
                [one] => one.required_role(),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::model::{UserId, UserStatus};

    #[test]
    fn factors_of_a_session_are_not_considered() {
        let mut ada = User::new(UserId::new("ada"), Timestamp::UNIX_EPOCH);
        ada.roles = vec!["admin".to_owned()];
        let admin = || Rule::role("admin");
        for (rule, admits, role) in [
            (admin(), true, Some("admin")),
            (admin().and(Rule::two_factor()), true, Some("admin")),
            (admin().and(Rule::two_factor().not()), true, Some("admin")),
            (admin().and(Rule::max_auth_age(Duration::from_secs(1))), true, Some("admin")),
            (admin().and(Rule::scope("ops")), false, Some("admin")),
            (Rule::scope("ops").or(admin()), true, None),
            (admin().not(), false, None),
            (Rule::any_role(["admin"]), true, Some("admin")),
            (Rule::any_role(["admin", "owner"]), true, None),
            (Rule::two_factor(), true, None),
            (Rule::verified_email(), false, None),
            (Rule::tenant("acme").or(Rule::registered()), true, None),
        ] {
            assert_eq!(rule.can_admit(&ada), admits, "{rule}");
            assert_eq!(rule.required_role(), role, "{rule}");
        }
        ada.status = UserStatus::Disabled;
        assert!(!admin().can_admit(&ada));
    }
}
