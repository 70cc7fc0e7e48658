//! Searches for users in SQL.
//!
//! The table of this crate has an index for each order and each searched field. A prefix is a range
//! of an index in the order of bytes, which needs no `LIKE` and no pattern. In a table of the
//! application, users are listed by their ids, and the caller selects.

use jiff::Timestamp;

use super::{
    Db, SqlStore,
    db::{Arg, Sql},
    row::Reader,
};
use crate::{
    model::{User, UserId, UserStatus},
    store::{SearchedField, StoreError, UserFilter, UserSearch},
};

/// The number of matches whose ids are sorted, and of users that are read in the order of their ids if
/// more match.
const FEW: u32 = 2_000;
const WINDOW: u32 = 5_000;

/// The parameters of a statement.
struct Parameters(Vec<Arg>);

impl Parameters {
    /// Adds a parameter of a type, and returns its expression.
    fn add(&mut self, value: impl Into<Arg>, sql_type: &str) -> String {
        self.0.push(value.into());
        format!("CAST(${} AS {sql_type})", self.0.len())
    }

    /// Adds the condition that a field begins with a text, for the index of the field.
    fn begins<DB: Db>(&mut self, field: SearchedField, of: &str, text: &str) -> String {
        self.begins_in(field, &column::<DB>(field, of), text)
    }

    /// The same without an index.
    fn begins_anywhere<DB: Db>(&mut self, field: SearchedField, of: &str, text: &str) -> String {
        self.begins_in(field, &format!("({} || '')", column::<DB>(field, of)), text)
    }

    fn begins_in(&mut self, field: SearchedField, column: &str, text: &str) -> String {
        // SQLite uses the index of an expression only for a value without affinity. The text is in
        // lower case.
        let bound = |value: String| match field {
            SearchedField::Username => format!("lower({value})"),
            _ => value,
        };
        let from = format!("{column} >= {}", bound(self.add(text, "TEXT")));
        match end_of(text) {
            Some(end) => format!("{from} AND {column} < {}", bound(self.add(end, "TEXT"))),
            None => from,
        }
    }

    /// Returns the statement of the users after one, in the order of their ids.
    fn by_id(
        &mut self,
        role: Option<&str>,
        after: Option<&UserId>,
        columns: &str,
        mut conditions: Vec<String>,
    ) -> String {
        let (source, id) = match role {
            Some(role) => {
                conditions.push("u.id = r.user_id".to_owned());
                conditions.push(format!("r.role = {}", self.add(role, "TEXT")));
                // SQLite reads the tables of a CROSS JOIN in this order.
                ("auth_user_roles r CROSS JOIN auth_users u", "r.user_id")
            }
            None => ("auth_users u", "u.id"),
        };
        if let Some(after) = after {
            conditions.push(format!("{id} > {}", self.add(after.as_str(), "TEXT")));
        }
        format!("SELECT {columns} FROM {source}{} ORDER BY {id}", where_all(&conditions))
    }

    /// Adds the condition that a user has a role.
    fn has_role(&mut self, of: &str, role: &str) -> String {
        let role = self.add(role, "TEXT");
        format!(
            "EXISTS (SELECT 1 FROM auth_user_roles r WHERE r.role = {role} AND r.user_id = {of}.id)"
        )
    }
}

/// Returns the expression of a field in its index.
fn column<DB: Db>(field: SearchedField, of: &str) -> String {
    match field {
        SearchedField::Email => format!("{of}.email"),
        SearchedField::Username => format!("lower({of}.username)"),
        SearchedField::DisplayName => {
            format!("{of}.display_name{}", DB::pick("", " COLLATE \"C\""))
        }
        SearchedField::Id => format!("{of}.id"),
    }
}

impl<DB: Db> SqlStore<DB> {
    pub(super) async fn search(
        &self,
        search: &UserSearch<'_>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        if let UserSearch::Prefix { field, text, role, after } = *search
            && self.users.is_own
            && field != SearchedField::Id
            && let Some(found) = self.broad((field, text), role, after, at_most).await?
        {
            return Ok(found);
        }
        let mut parameters = Parameters(vec![i64::from(at_most).into()]);
        let users = &self.users;
        let sql: Sql = match search {
            UserSearch::Newest { role, status, after } if users.is_own => {
                self.newest_sql(*role, *status, *after, &mut parameters).into()
            }
            UserSearch::Prefix { field, text, role, after } if users.is_own => {
                self.prefix_sql((*field, text), *role, *after, &mut parameters).into()
            }
            by_id => {
                let after = by_id.after();
                parameters.0.extend(after.map(|after| Arg::from(after.as_str())));
                let sql = match (by_id, after) {
                    (UserSearch::Newest { .. }, None) => &users.last,
                    (UserSearch::Newest { .. }, Some(_)) => &users.previous,
                    (_, None) => &users.first,
                    (_, Some(_)) => &users.next,
                };
                sql.clone()
            }
        };
        let rows = self.fetch_all(sql, parameters.0).await?;
        rows.iter().filter_map(|row| self.user(row).transpose()).collect()
    }

    /// Searches a text that many users match in the order of their ids, since to sort the ids of all
    /// matches would take long. Returns `None` if few match, or if those that are next are far away.
    async fn broad(
        &self,
        (field, text): (SearchedField, &str),
        role: Option<&str>,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Option<Vec<User>>, StoreError> {
        let mut parameters = Parameters(Vec::new());
        let begins = parameters.begins::<DB>(field, "m", text);
        let order = column::<DB>(field, "m");
        let probe = format!(
            "SELECT 1 FROM auth_users m WHERE {begins} ORDER BY {order} LIMIT 1 OFFSET {FEW}"
        );
        if self.fetch(probe, parameters.0).await?.is_none() {
            return Ok(None);
        }
        // The last user of the window; none if all users that follow are in it.
        let mut parameters = Parameters(Vec::new());
        let window = parameters.by_id(role, after, "u.id", Vec::new());
        let last = self.fetch(format!("{window} LIMIT 1 OFFSET {WINDOW}"), parameters.0).await?;
        let last =
            last.map(|row| Reader::<DB>::new(&row, "the table of users").text()).transpose()?;
        let mut parameters = Parameters(vec![i64::from(at_most).into()]);
        let mut conditions = vec![parameters.begins_anywhere::<DB>(field, "u", text)];
        if let Some(last) = &last {
            let id = if role.is_some() { "r.user_id" } else { "u.id" };
            conditions.push(format!("{id} <= {}", parameters.add(last.as_str(), "TEXT")));
        }
        let sql = parameters.by_id(role, after, &self.users.columns, conditions);
        let rows = self.fetch_all(format!("{sql} LIMIT $1"), parameters.0).await?;
        let is_complete = last.is_none() || rows.len() >= at_most as usize;
        let found = rows.iter().filter_map(|row| self.user(row).transpose());
        is_complete.then(|| found.collect()).transpose()
    }

    fn prefix_sql(
        &self,
        (field, text): (SearchedField, &str),
        role: Option<&str>,
        after: Option<&UserId>,
        parameters: &mut Parameters,
    ) -> String {
        // The ids of a range of another index are sorted: a scan in the order of the ids would read
        // all users if few match.
        let id = if field == SearchedField::Id { "m.id" } else { "m.id || ''" };
        let mut conditions = vec![parameters.begins::<DB>(field, "m", text)];
        conditions.extend(role.map(|role| parameters.has_role("m", role)));
        if let Some(after) = after {
            conditions.push(format!("{id} > {}", parameters.add(after.as_str(), "TEXT")));
        }
        // PostgreSQL joins a subquery of unknown size by reading all users; an array is looked up.
        let among = DB::pick("IN (%)", "= ANY(ARRAY(%))").split_once('%').unwrap_or_default();
        format!(
            "SELECT {} FROM auth_users u WHERE u.id {}SELECT m.id FROM auth_users m
            WHERE {} ORDER BY {id} LIMIT $1{} ORDER BY u.id",
            self.users.columns,
            among.0,
            conditions.join(" AND "),
            among.1
        )
    }

    fn newest_sql(
        &self,
        role: Option<&str>,
        status: Option<UserStatus>,
        after: Option<(Timestamp, &UserId)>,
        parameters: &mut Parameters,
    ) -> String {
        let mut conditions = Vec::new();
        let (source, at, id) = match role {
            Some(role) => {
                conditions.push("u.id = r.user_id".to_owned());
                conditions.push(format!("r.role = {}", parameters.add(role, "TEXT")));
                // SQLite reads the tables of a CROSS JOIN in this order.
                ("auth_user_roles r CROSS JOIN auth_users u", "r.created_at", "r.user_id")
            }
            None => ("auth_users u", "u.created_at", "u.id"),
        };
        // Few users are not active, and have an index.
        if role.is_none() && status.is_some_and(|status| status != UserStatus::Active) {
            conditions.push("u.status <> 'active'".to_owned());
        }
        if let Some((after_at, after_id)) = after {
            let after_at = parameters.add(after_at, "BIGINT");
            let after_id = parameters.add(after_id.as_str(), "TEXT");
            conditions.push(format!("({at}, {id}) < ({after_at}, {after_id})"));
        }
        let (columns, conditions) = (&self.users.columns, where_all(&conditions));
        format!("SELECT {columns} FROM {source}{conditions} ORDER BY {at} DESC, {id} DESC LIMIT $1")
    }

    pub(super) async fn count_matching(
        &self,
        filter: &UserFilter,
    ) -> Result<Option<u64>, StoreError> {
        if !self.users.is_own {
            return Ok(None);
        }
        let mut parameters = Parameters(Vec::new());
        let mut conditions = Vec::new();
        if let Some(prefix) = &filter.prefix {
            let ranges = SearchedField::ALL.map(|field| {
                format!("({})", parameters.begins::<DB>(field, "u", prefix.of(field)))
            });
            conditions.push(format!("({})", ranges.join(" OR ")));
        }
        if let Some(role) = &filter.role {
            conditions.push(parameters.has_role("u", role));
        }
        if let Some(status) = filter.status {
            conditions.push(format!("u.status = {}", parameters.add(status.as_str(), "TEXT")));
        }
        let sql = format!("SELECT COUNT(*) FROM auth_users u{}", where_all(&conditions));
        let row = self.fetch(sql, parameters.0).await?;
        let count =
            row.map(|row| Reader::<DB>::new(&row, "the table of users").int()).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()))
    }
}

fn where_all(conditions: &[String]) -> String {
    match conditions {
        [] => String::new(),
        all => format!(" WHERE {}", all.join(" AND ")),
    }
}

/// Returns the smallest text that is greater than every text with this beginning, in the order of
/// bytes, which is that of code points; `None` if there is none.
fn end_of(text: &str) -> Option<String> {
    let mut chars: Vec<char> = text.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            // The code points in between are surrogates, which no text has.
            '\u{d7ff}' => Some('\u{e000}'),
            last => char::from_u32(u32::from(last).saturating_add(1)),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_prefix_is_after_all_its_texts() {
        for (text, end) in [
            ("ada", Some("adb")),
            ("a%", Some("a&")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(end_of(text).as_deref(), end, "{text:?}");
            if let Some(end) = end {
                assert!(format!("{text}\u{10ffff}").as_str() < end);
            }
        }
    }
}
