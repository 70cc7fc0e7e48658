//! The requests of the routes, as values.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    error::{AuthError, ErrorKind},
    model::{Email, Patch, User, UserId, UserStatus},
    users::{UserPatch, UserQuery},
};

/// The parameters of a list of users.
#[derive(Debug)]
pub(super) struct ListFilter {
    pub(super) query: Option<String>,
    pub(super) status: Option<UserStatus>,
    pub(super) role: Option<String>,
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
}

impl ListFilter {
    pub(super) fn into_query(self) -> UserQuery {
        let Self { query, status, role, limit, cursor } = self;
        let all = UserQuery::new().limit(limit).cursor(cursor);
        let all = query.iter().fold(all, UserQuery::search);
        let all = role.into_iter().fold(all, UserQuery::role);
        status.into_iter().fold(all, UserQuery::status)
    }
}

/// The parameters of a list of events.
#[derive(Debug)]
pub(super) struct EventFilter {
    pub(super) user: Option<UserId>,
    pub(super) kind: Option<String>,
    /// Inclusive.
    pub(super) since: Option<Timestamp>,
    /// Exclusive.
    pub(super) until: Option<Timestamp>,
    pub(super) limit: u32,
    pub(super) cursor: Option<String>,
}

/// A user to create.
#[derive(Debug)]
pub(super) struct NewMembers {
    pub(super) email: String,
    pub(super) credential: NewCredential,
    pub(super) display_name: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) email_verified: bool,
}

/// How the new user signs in for the first time.
pub(super) enum NewCredential {
    /// With a provider or an email code.
    None,
    Password(String),
    /// With the link of a message, which sets a password.
    Invitation,
}

/// Redacted: it may be a password.
impl std::fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password(_) => "Password",
            Self::Invitation => "Invitation",
        })
    }
}

/// A merge patch of the members that an administrator can change.
#[derive(Debug, Default)]
pub(super) struct UserChanges {
    pub(super) display_name: Patch<String>,
    pub(super) username: Patch<String>,
    pub(super) email: Option<String>,
    pub(super) email_verified: Option<bool>,
    pub(super) roles: Patch<Vec<String>>,
    pub(super) scopes: Patch<Vec<String>>,
    pub(super) tenant_id: Patch<String>,
    pub(super) attributes: Patch<Map<String, Value>>,
    pub(super) user_metadata: Patch<Map<String, Value>>,
    pub(super) app_metadata: Patch<Map<String, Value>>,
    pub(super) status: Option<UserStatus>,
}

/// Changes whose email address is valid.
#[derive(Debug)]
pub(super) struct CheckedChanges {
    patch: UserPatch,
    email: Option<Email>,
    email_verified: Option<bool>,
}

impl UserChanges {
    /// # Errors
    ///
    /// [`ErrorKind::InvalidEmail`].
    pub(super) fn checked(self) -> Result<CheckedChanges, AuthError> {
        let email = self.email.as_deref().map(Email::parse).transpose();
        Ok(CheckedChanges {
            email: email.map_err(|_| ErrorKind::InvalidEmail)?,
            email_verified: self.email_verified,
            patch: UserPatch {
                display_name: self.display_name,
                username: self.username,
                roles: self.roles,
                scopes: self.scopes,
                tenant_id: self.tenant_id,
                attributes: self.attributes,
                user_metadata: self.user_metadata,
                app_metadata: self.app_metadata,
                status: self.status,
                ..UserPatch::default()
            },
        })
    }
}

impl CheckedChanges {
    pub(super) fn apply(&self, user: &mut User, now: Timestamp) {
        self.patch.apply(user);
        if let Some(email) = self.email.as_ref().filter(|email| user.email.as_ref() != Some(email))
        {
            (user.email, user.email_verified_at) = (Some(email.clone()), None);
        }
        match self.email_verified {
            Some(true) if user.email.is_some() => {
                user.email_verified_at.get_or_insert(now);
            }
            Some(false) => user.email_verified_at = None,
            Some(true) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_address_is_unverified_unless_stated() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let changed = |email: Option<&str>, email_verified| {
            let mut user = User::new(UserId::new("1"), at(0));
            user.email = Some(Email::parse("ada@example.com").unwrap());
            user.email_verified_at = Some(at(1));
            let email = email.map(ToOwned::to_owned);
            let changes = UserChanges { email, email_verified, ..UserChanges::default() };
            changes.checked().unwrap().apply(&mut user, at(9));
            user.email_verified_at
        };
        assert_eq!(changed(None, None), Some(at(1)));
        assert_eq!(changed(Some("ADA@example.com"), None), Some(at(1)));
        assert_eq!(changed(Some("eve@example.com"), None), None);
        assert_eq!(changed(Some("eve@example.com"), Some(true)), Some(at(9)));
        assert_eq!(changed(None, Some(true)), Some(at(1)));
        assert_eq!(changed(None, Some(false)), None);
    }
}
