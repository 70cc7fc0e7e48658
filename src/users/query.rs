//! Lists of users.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Users;
use crate::{
    error::{AuthError, ErrorKind},
    model::{User, UserId, UserStatus},
    store::{Prefix, SearchedField, UserFilter, UserSearch},
};

/// The default and the maximum number of users of a page.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;
/// The number of users that are read together, and of all reads for one page, so that a filter which
/// few users match does not read all users in one call.
const BATCH: u32 = 500;
const MAX_READ: usize = 5_000;
/// The maximum number of statements for one page: a few for each searched field.
const MAX_BATCHES: usize = 16;

/// A filter for [`Users::list`]. All conditions must match.
///
/// ```
/// use authlayer::{UserStatus, users::UserQuery};
/// let query = UserQuery::new().role("editor").status(UserStatus::Active).limit(100);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct UserQuery {
    filter: UserFilter,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A page of [`Users::list`].
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
    /// The users. If few users match, a page can have fewer than the limit, or none, although others
    /// follow.
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

    /// Selects users whose email address, username, display name or id begins with this text: email
    /// addresses and usernames in any case, the other two as written. An empty text selects all.
    ///
    /// ```
    /// # use authlayer::users::UserQuery;
    /// let query = UserQuery::new().search("ada@");
    /// ```
    pub fn search(mut self, text: impl AsRef<str>) -> Self {
        self.filter.prefix = Prefix::new(text.as_ref());
        self
    }

    /// Selects users with this role.
    ///
    /// ```
    /// # use authlayer::users::UserQuery;
    /// let query = UserQuery::new().role("admin");
    /// ```
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.filter.role = Some(role.into());
        self
    }

    /// Selects users with this status.
    ///
    /// ```
    /// # use authlayer::{UserStatus, users::UserQuery};
    /// let query = UserQuery::new().status(UserStatus::Disabled);
    /// ```
    pub fn status(mut self, status: UserStatus) -> Self {
        self.filter.status = Some(status);
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

    /// Continues after a page of the same query, with its [`next_cursor`](UserPage::next_cursor).
    ///
    /// ```
    /// # use authlayer::users::{UserPage, UserQuery};
    /// fn next(query: UserQuery, page: UserPage) -> Option<UserQuery> {
    ///     page.next_cursor.map(|cursor| query.cursor(cursor))
    /// }
    /// ```
    pub fn cursor(mut self, cursor: impl Into<Option<String>>) -> Self {
        self.cursor = cursor.into();
        self
    }

    /// Returns where the page begins.
    fn position(&self) -> Result<Position, AuthError> {
        let Some(cursor) = &self.cursor else { return Ok(Position::first(&self.filter)) };
        let read = || {
            let json = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let Cursor { position, filter } = serde_json::from_slice(&json).ok()?;
            // The users of a field begin without one before them, except those of the first.
            let begins = position.field.is_some_and(|field| field != SearchedField::Email);
            let id = position.after.as_ref().map(|(_, id)| id.as_str());
            let is_valid = filter == StoredFilter::from(&self.filter)
                && position.field.is_some() == self.filter.prefix.is_some()
                && id.map_or(begins, |id| !id.contains('\0'));
            is_valid.then_some(position)
        };
        read().ok_or_else(|| {
            AuthError::new(ErrorKind::InvalidRequest)
                .with_detail("cursor must be the next_cursor of an earlier response.")
        })
    }
}

/// A place in the list of the users that match a query.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Position {
    /// The field that is searched; `None` for a query without a text.
    #[serde(rename = "f")]
    field: Option<SearchedField>,
    /// The creation and the id of the last user before it.
    #[serde(rename = "a")]
    after: Option<(Timestamp, UserId)>,
}

/// The content of a cursor.
#[derive(Serialize, Deserialize)]
struct Cursor {
    #[serde(rename = "p")]
    position: Position,
    #[serde(rename = "q")]
    filter: StoredFilter,
}

/// A filter in a cursor, since a position is one of its query.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct StoredFilter(Option<String>, Option<String>, Option<String>);

impl From<&UserFilter> for StoredFilter {
    fn from(filter: &UserFilter) -> Self {
        let text = filter.prefix.as_ref().map(|own| own.as_written().to_owned());
        let status = filter.status.map(|status| status.as_str().to_owned());
        Self(text, filter.role.clone(), status)
    }
}

impl Position {
    fn first(filter: &UserFilter) -> Self {
        let field = filter.prefix.is_some().then_some(SearchedField::Email);
        Self { field, after: None }
    }

    /// Returns the beginning of the users that the next field matches.
    fn next_field(&self) -> Option<Self> {
        let all = SearchedField::ALL;
        let at = all.iter().position(|field| Some(*field) == self.field)?;
        let field = all.get(at.saturating_add(1)).copied()?;
        Some(Self { field: Some(field), after: None })
    }

    fn search<'a>(&'a self, filter: &'a UserFilter) -> UserSearch<'a> {
        let role = filter.role.as_deref();
        match self.field.zip(filter.prefix.as_ref()) {
            None => {
                let after = self.after.as_ref().map(|(at, id)| (*at, id));
                UserSearch::Newest { role, status: filter.status, after }
            }
            Some((field, prefix)) => {
                let after = self.after.as_ref().map(|(_, id)| id);
                UserSearch::Prefix { field, text: prefix.of(field), role, after }
            }
        }
    }

    /// Returns whether a user is listed here: one that several fields match is listed once.
    fn selects(&self, user: &User, filter: &UserFilter) -> bool {
        let first = filter.prefix.as_ref().and_then(|prefix| prefix.first_match(user));
        filter.matches(user) && first == self.field
    }

    fn into_page(self, users: Vec<User>, filter: &UserFilter) -> Result<UserPage, AuthError> {
        let cursor = Cursor { position: self, filter: filter.into() };
        let json = serde_json::to_vec(&cursor).map_err(AuthError::misconfigured)?;
        Ok(UserPage { users, next_cursor: Some(URL_SAFE_NO_PAD.encode(json)) })
    }
}

impl Users {
    /// Returns a page of the users that match a query, the newest first. With a
    /// [search](UserQuery::search), users whose email address matches come first, then usernames,
    /// display names and ids, each in the order of the ids. A user who is created meanwhile is listed
    /// or not; every other user is listed once.
    ///
    /// In our own table every query has an index. In a table of the application the newest users are
    /// those with the greatest ids. In that table and in a [`UserStore`](super::UserStore), which
    /// lists users in the order of their ids, users are read in that order, at most 5,000 for a page,
    /// and the query selects from them. If few users match, pages are short or empty; continue until
    /// there is no `next_cursor`.
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
    /// - [`ErrorKind::Unsupported`] for the users of a [`UserDirectory`](super::UserDirectory), and of a
    ///   [`UserStore`](super::UserStore) without [`list`](super::UserStore::list).
    /// - [`ErrorKind::InvalidRequest`] for a cursor of another query.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn list(&self, query: &UserQuery) -> Result<UserPage, AuthError> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
        let (filter, mut position) = (&query.filter, query.position()?);
        let (mut users, mut read) = (Vec::new(), 0_usize);
        if filter.matches_nothing() {
            return Ok(UserPage { users, next_cursor: None });
        }
        // One more than the page has tells whether there is a next one.
        let mut at_most = u32::try_from(limit).map_or(BATCH, |limit| limit.saturating_add(1));
        for _ in 0..MAX_BATCHES {
            let batch = self.accounts.search_users(&position.search(filter), at_most).await?;
            let is_last = batch.len() < at_most as usize;
            read = read.saturating_add(batch.len());
            for user in batch {
                let after = Some((user.created_at, user.id.clone()));
                if position.selects(&user, filter) {
                    if users.len() == limit {
                        return position.into_page(users, filter);
                    }
                    users.push(user);
                }
                position.after = after;
            }
            if is_last {
                let Some(next) = position.next_field() else {
                    return Ok(UserPage { users, next_cursor: None });
                };
                position = next;
            }
            if read >= MAX_READ {
                break;
            }
            at_most = BATCH;
        }
        position.into_page(users, filter)
    }

    /// Returns the number of users that match a query, whose limit and cursor do not matter. In our
    /// own table it is one statement, which reads the index of all users if there is no condition; in
    /// other storage modes every user is read.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, UserStatus, users::UserQuery};
    /// # async fn doc(auth: Auth) -> Result<(), AuthError> {
    /// let disabled = auth.users().count(&UserQuery::new().status(UserStatus::Disabled)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub async fn count(&self, query: &UserQuery) -> Result<u64, AuthError> {
        if query.filter.matches_nothing() {
            return Ok(0);
        }
        if let Some(count) = self.accounts.count_users(&query.filter).await? {
            return Ok(count);
        }
        let (mut count, mut last) = (0_u64, None);
        loop {
            let search = UserSearch::ById { after: last.as_ref() };
            let batch = self.accounts.search_users(&search, BATCH).await?;
            let matching = batch.iter().filter(|user| query.filter.matches(user)).count();
            count = count.saturating_add(u64::try_from(matching).unwrap_or(u64::MAX));
            match batch.last() {
                Some(user) => last = Some(user.id.clone()),
                None => return Ok(count),
            }
        }
    }
}
