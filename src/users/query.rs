//! Lists of users.

use super::Users;
use crate::{
    error::AuthError,
    model::{Email, User, UserId, UserStatus},
};

/// The default and the maximum number of users of a page.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;
/// The number of users that are read together, and how often for one page, so that a filter which
/// few users match does not read all users in one call.
const BATCH: u32 = 500;
const MAX_BATCHES: u32 = 10;

/// A filter for [`Users::list`]. All conditions must match.
///
/// ```
/// use authlayer::{UserStatus, users::UserQuery};
/// let query = UserQuery::new().role("editor").status(UserStatus::Active).limit(100);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct UserQuery {
    /// In lower case.
    search: Option<String>,
    role: Option<String>,
    status: Option<UserStatus>,
    limit: Option<u32>,
    cursor: Option<UserId>,
}

/// A page of [`Users::list`], in the order of the ids.
///
/// ```
/// use authlayer::users::UserPage;
/// fn is_last(page: &UserPage) -> bool {
///     page.next_cursor.is_none()
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserPage {
    /// The users. A page can have fewer than the limit, or none, although others follow.
    pub users: Vec<User>,
    /// The [cursor](UserQuery::cursor) of the next page; `None` after the last page.
    pub next_cursor: Option<String>,
}

impl UserQuery {
    /// Creates a query of all users, 50 in a page.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, users::UserQuery};
    /// # async fn doc(auth: Auth) -> Result<(), AuthError> {
    /// let page = auth.users().list(&UserQuery::new()).await?;
    /// # Ok(()) }
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects users whose email address, username or display name contains this text, in any case.
    ///
    /// ```
    /// # use authlayer::users::UserQuery;
    /// let query = UserQuery::new().search("@example.com");
    /// ```
    pub fn search(mut self, text: impl AsRef<str>) -> Self {
        self.search = Some(text.as_ref().to_lowercase());
        self
    }

    /// Selects users with this role.
    ///
    /// ```
    /// # use authlayer::users::UserQuery;
    /// let query = UserQuery::new().role("admin");
    /// ```
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Selects users with this status.
    ///
    /// ```
    /// # use authlayer::{UserStatus, users::UserQuery};
    /// let query = UserQuery::new().status(UserStatus::Disabled);
    /// ```
    pub fn status(mut self, status: UserStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the maximum number of users of a page, from 1 to 500.
    ///
    /// ```
    /// # use authlayer::users::UserQuery;
    /// let query = UserQuery::new().limit(200);
    /// ```
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Continues after a page, with its [`next_cursor`](UserPage::next_cursor).
    ///
    /// ```
    /// # use authlayer::users::{UserPage, UserQuery};
    /// fn next(query: UserQuery, page: UserPage) -> Option<UserQuery> {
    ///     page.next_cursor.map(|cursor| query.cursor(cursor))
    /// }
    /// ```
    pub fn cursor(mut self, cursor: impl Into<Option<String>>) -> Self {
        self.cursor = cursor.into().map(UserId::new);
        self
    }

    fn matches(&self, user: &User) -> bool {
        let is_found = |text: &String| {
            let email = user.email.as_ref().map(Email::as_str);
            let texts = [email, user.username.as_deref(), user.display_name.as_deref()];
            texts.into_iter().flatten().any(|own| own.to_lowercase().contains(text.as_str()))
        };
        self.status.is_none_or(|status| status == user.status)
            && self.role.as_ref().is_none_or(|role| user.has_role(role))
            && self.search.as_ref().is_none_or(is_found)
    }

    fn selects_all(&self) -> bool {
        self.search.is_none() && self.role.is_none() && self.status.is_none()
    }
}

impl Users {
    /// Returns a page of the users that match a query, in the order of their ids.
    ///
    /// The store is read in the order of the ids, at most 5,000 users for a page, and the query
    /// selects from them. If few users match, pages are short or empty; continue until there is no
    /// `next_cursor`.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, users::UserQuery};
    /// # async fn doc(auth: Auth) -> Result<(), AuthError> {
    /// let mut query = UserQuery::new().role("admin");
    /// loop {
    ///     let page = auth.users().list(&query).await?;
    ///     page.users.iter().for_each(|user| println!("{}", user.id));
    ///     let Some(cursor) = page.next_cursor else { break };
    ///     query = query.cursor(cursor);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails, or if it cannot
    /// list users: a [`UserDirectory`](super::UserDirectory), and a [`UserStore`](super::UserStore)
    /// without [`list`](super::UserStore::list).
    pub async fn list(&self, query: &UserQuery) -> Result<UserPage, AuthError> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
        let at_most = if query.selects_all() { limit } else { BATCH };
        let (mut users, mut last) = (Vec::new(), query.cursor.clone());
        'page: for _ in 0..MAX_BATCHES {
            let batch = self.accounts.list_users(last.as_ref(), at_most).await?;
            if batch.is_empty() {
                return Ok(UserPage { users, next_cursor: None });
            }
            for user in batch {
                last = Some(user.id.clone());
                if query.matches(&user) {
                    users.push(user);
                }
                if users.len() >= limit as usize {
                    break 'page;
                }
            }
        }
        Ok(UserPage { users, next_cursor: last.map(|id| id.as_str().to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn query_matches_if_all_conditions_do() {
        let mut ada = User::new(UserId::new("1"), Timestamp::UNIX_EPOCH);
        ada.email = Some(Email::parse("ada@example.com").unwrap());
        ada.display_name = Some("Ada Lovelace".to_owned());
        ada.roles = vec!["editor".to_owned()];
        for (query, is_match) in [
            (UserQuery::new(), true),
            (UserQuery::new().search("EXAMPLE"), true),
            (UserQuery::new().search("lovelace"), true),
            (UserQuery::new().search("babbage"), false),
            (UserQuery::new().role("editor"), true),
            (UserQuery::new().role("edit"), false),
            (UserQuery::new().status(UserStatus::Active), true),
            (UserQuery::new().status(UserStatus::Disabled), false),
            (UserQuery::new().role("editor").search("babbage"), false),
        ] {
            assert_eq!(query.matches(&ada), is_match, "{query:?}");
        }
    }
}
