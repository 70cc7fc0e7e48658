//! The transitions that the writes of an account amount to.

use super::{AccountWrites, CredentialKind, EndSessions, Remove};
use crate::model::{Transition, User, UserStatus};

/// Returns the transitions of a user that these writes amount to.
pub(crate) fn transitions_of(before: &User, writes: &AccountWrites) -> Vec<Transition> {
    let after = &writes.user;
    let is_claim = before.email_verified_at.is_none()
        && after.email_verified_at.is_some()
        && matches!(writes.remove, Remove::AllBut { .. });
    let is_removed = matches!(writes.remove, Remove::One { .. }) && !writes.dependents.is_empty();
    let is_last = is_removed
        && writes
            .dependents
            .iter()
            .any(|own| own.kind == CredentialKind::TwoStep && own.on.is_empty());
    let is_disabled = |status: UserStatus| status == UserStatus::Disabled;
    let stored = writes.standing.as_ref().map_or(after.status, |own| own.status);
    let all = [
        (is_claim, Transition::Claimed),
        (before.email.is_some() && before.email != after.email, Transition::EmailChanged),
        (writes.password.is_some(), Transition::PasswordChanged),
        (is_removed, Transition::SecondFactorRemoved),
        (is_last, Transition::LastSecondFactorRemoved),
        (
            matches!(writes.end, EndSessions::All) && writes.end_challenges,
            Transition::AllSessionsRevoked,
        ),
        (
            !is_disabled(before.status) && (is_disabled(after.status) || is_disabled(stored)),
            Transition::Disabled,
        ),
    ];
    all.into_iter().filter_map(|(is_so, own)| is_so.then_some(own)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::{Email, UserId},
        store::{Credential, Dependents},
    };

    fn user(email: Option<&str>) -> User {
        User {
            email: email.map(|own| Email::parse(own).unwrap_or_else(|_| unreachable!())),
            ..User::new(UserId::new("u"), Timestamp::UNIX_EPOCH)
        }
    }

    fn derived(before: &User, change: impl FnOnce(&mut AccountWrites)) -> Vec<Transition> {
        let mut writes = AccountWrites::new(before.clone());
        change(&mut writes);
        transitions_of(before, &writes)
    }

    #[test]
    fn transitions_are_derived_from_what_is_written() {
        use Transition as T;
        let ada = user(Some("ada@example.com"));
        assert_eq!(derived(&ada, |_| ()), []);
        let moved = derived(&ada, |own| own.user.email = user(Some("b@example.com")).email);
        assert_eq!(moved, [T::EmailChanged]);
        // The first email address of a user, such as an anonymous one, is no change.
        let first = derived(&user(None), |own| own.user.email.clone_from(&ada.email));
        assert_eq!(first, []);
        let verified = |own: &mut AccountWrites| {
            own.user.email_verified_at = Some(Timestamp::UNIX_EPOCH);
        };
        assert_eq!(derived(&ada, verified), []);
        let claimed = derived(&ada, |own| {
            verified(own);
            own.remove = Remove::AllBut { credentials: Vec::new(), keys: Vec::new() };
            (own.end, own.end_challenges) = (EndSessions::All, true);
        });
        assert_eq!(claimed, [T::Claimed, T::AllSessionsRevoked]);
        let password = derived(&ada, |own| {
            let id = "c".to_owned();
            own.password = Some(Credential::password(id, &ada.id, "hash", Timestamp::UNIX_EPOCH));
        });
        assert_eq!(password, [T::PasswordChanged]);
        assert_eq!(derived(&ada, |own| own.end = EndSessions::All), [], "an upgrade");
        let disabled = |own: &mut AccountWrites| own.user.status = UserStatus::Disabled;
        assert_eq!(derived(&ada, disabled), [T::Disabled]);
        let mut banned = ada.clone();
        banned.status = UserStatus::Disabled;
        assert_eq!(derived(&banned, |_| ()), []);
    }

    #[test]
    fn removal_of_a_credential_is_a_transition_if_it_was_a_second_factor() {
        use Transition as T;
        let ada = user(None);
        let removed = |dependents: Vec<Dependents>| {
            derived(&ada, |own| {
                let (id, sign_in) = ("c".to_owned(), Vec::new());
                own.remove = Remove::One { kind: CredentialKind::Totp, id, sign_in };
                own.dependents = dependents;
            })
        };
        let on = |on: &[&str]| {
            let on = on.iter().map(|id| (*id).to_owned()).collect();
            vec![Dependents { kind: CredentialKind::TwoStep, on }]
        };
        assert_eq!(removed(Vec::new()), []);
        assert_eq!(removed(on(&["other"])), [T::SecondFactorRemoved]);
        let last = [T::SecondFactorRemoved, T::LastSecondFactorRemoved];
        assert_eq!(removed(on(&[])), last);
    }
}
