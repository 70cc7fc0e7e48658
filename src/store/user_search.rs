//! Searches for users.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Email, User, UserId, UserStatus};

/// A search for users, in an order in which a store can continue it.
///
/// A store may return users that do not match, but never omits one that does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UserSearch<'a> {
    /// All users, the newest first if the store has that order, and otherwise by their ids.
    Newest {
        /// Only users with this role.
        role: Option<&'a str>,
        /// Only users with this status.
        status: Option<UserStatus>,
        /// The creation and the id of the last user of the previous page.
        after: Option<(Timestamp, &'a UserId)>,
    },
    /// The users of whom a field begins with a text, in the order of their ids.
    Prefix {
        /// The field.
        field: SearchedField,
        /// The beginning, in the form in which the field is compared.
        text: &'a str,
        /// Only users with this role.
        role: Option<&'a str>,
        /// The id of the last user of the previous page.
        after: Option<&'a UserId>,
    },
    /// All users in the order of their ids.
    ById {
        /// The id of the last user of the previous page.
        after: Option<&'a UserId>,
    },
}

impl<'a> UserSearch<'a> {
    /// Returns the id of the last user of the previous page.
    pub fn after(&self) -> Option<&'a UserId> {
        match *self {
            Self::Newest { after, .. } => after.map(|(_, id)| id),
            Self::Prefix { after, .. } | Self::ById { after } => after,
        }
    }
}

/// A field of a user that a text is searched in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SearchedField {
    /// The email address, in any case.
    Email,
    /// The username, in any case.
    Username,
    /// The display name, as written.
    DisplayName,
    /// The id, as written.
    Id,
}

impl SearchedField {
    /// All fields, in the order of their matches.
    pub const ALL: [Self; 4] = [Self::Email, Self::Username, Self::DisplayName, Self::Id];
}

/// The beginning of a field, as written and in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    as_written: String,
    lower: String,
}

impl Prefix {
    /// Creates a prefix; `None` for an empty one.
    pub fn new(text: &str) -> Option<Self> {
        let (as_written, lower) = (text.to_owned(), text.to_lowercase());
        (!text.is_empty()).then_some(Self { as_written, lower })
    }

    /// Returns the text as it was written.
    pub fn as_written(&self) -> &str {
        &self.as_written
    }

    /// Returns the text in the form in which a field is compared.
    pub fn of(&self, field: SearchedField) -> &str {
        match field {
            SearchedField::Email | SearchedField::Username => &self.lower,
            SearchedField::DisplayName | SearchedField::Id => &self.as_written,
        }
    }

    /// Returns the first field of a user that begins with the text.
    pub fn first_match(&self, user: &User) -> Option<SearchedField> {
        SearchedField::ALL.into_iter().find(|field| match field {
            SearchedField::Email => {
                user.email.as_ref().map(Email::as_str).is_some_and(|own| self.begins(*field, own))
            }
            SearchedField::Username => {
                let own = user.username.as_ref().map(|own| own.to_lowercase());
                own.is_some_and(|own| self.begins(*field, &own))
            }
            SearchedField::DisplayName => {
                user.display_name.as_deref().is_some_and(|own| self.begins(*field, own))
            }
            SearchedField::Id => self.begins(*field, user.id.as_str()),
        })
    }

    fn begins(&self, field: SearchedField, own: &str) -> bool {
        own.starts_with(self.of(field))
    }
}

/// Conditions on users, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserFilter {
    /// A field begins with this text.
    pub prefix: Option<Prefix>,
    /// The user has this role.
    pub role: Option<String>,
    /// The user has this status.
    pub status: Option<UserStatus>,
}

impl UserFilter {
    /// Returns whether a user satisfies the conditions.
    pub fn matches(&self, user: &User) -> bool {
        self.status.is_none_or(|status| status == user.status)
            && self.role.as_ref().is_none_or(|role| user.has_role(role))
            && self.prefix.as_ref().is_none_or(|prefix| prefix.first_match(user).is_some())
    }

    /// Returns whether no stored text can match. PostgreSQL stores no NUL.
    pub(crate) fn matches_nothing(&self) -> bool {
        let texts = [self.prefix.as_ref().map(Prefix::as_written), self.role.as_deref()];
        texts.into_iter().flatten().any(|text| text.contains('\0'))
    }
}

/// Requires, in the transaction of a change, that another user still passes a rule, such as that of
/// administrators.
#[derive(Clone)]
pub struct Remaining {
    pub(crate) user: UserId,
    pub(crate) passes: Passes,
}

/// Returns whether a user passes a rule.
pub(crate) type Passes = Arc<dyn Fn(&User) -> bool + Send + Sync>;

impl Remaining {
    /// Returns whether a change makes a user who passes the rule one who does not.
    pub(crate) fn is_lost(&self, before: &User, after: &User) -> bool {
        (self.passes)(before) && !(self.passes)(after)
    }
}

impl fmt::Debug for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remaining").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The result of deleting a user on a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// The user was deleted.
    Deleted,
    /// The user does not exist.
    Unknown,
    /// The user who must remain does not pass the rule anymore; nothing was deleted.
    NoneRemains,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_matching_field_is_returned() {
        let mut ada = User::new(UserId::new("017f"), Timestamp::UNIX_EPOCH);
        ada.email = Some(Email::parse("ada@example.com").unwrap());
        ada.username = Some("Countess".to_owned());
        ada.display_name = Some("Ada Lovelace".to_owned());
        for (text, field) in [
            ("ADA@", Some(SearchedField::Email)),
            ("Ada", Some(SearchedField::Email)),
            ("Ada ", Some(SearchedField::DisplayName)),
            ("ada ", None),
            ("cOUNT", Some(SearchedField::Username)),
            ("017", Some(SearchedField::Id)),
            ("17", None),
            ("%", None),
        ] {
            assert_eq!(Prefix::new(text).unwrap().first_match(&ada), field, "{text}");
        }
        assert_eq!(Prefix::new(""), None);
    }
}
