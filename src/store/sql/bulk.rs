//! The import of many users by few statements.

use super::{
    Db, SqlStore, credential_row, credentials,
    db::{Arg, Sql, Statement, TransactionOutcome},
    standing::is_usual,
    user_row::args,
};
use crate::{
    model::User,
    store::{Credential, StoreError},
};

/// Rows in one statement. SQLite has at most 32,766 parameters.
const ROWS: usize = 50;
/// The beginning of the insert into the table of this crate. A table of the application may have
/// triggers that a single insert reports and that of many rows does not.
const OWN: &str = "INSERT INTO auth_users ";

impl<DB: Db> SqlStore<DB> {
    /// Creates all of these users with their credentials in one transaction, or none of them.
    /// Returns `false` for none: one of them conflicts with an existing user or with another, or
    /// they cannot be created together.
    pub(super) async fn import_together(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<bool, StoreError> {
        let Some(steps) = self.together(all)? else { return Ok(false) };
        self.count(steps.len());
        match DB::transact(self.writer.access(), steps, None).await {
            Ok(TransactionOutcome::Committed(_)) => Ok(true),
            // A conflict, or a deadlock: each user is created separately.
            Ok(_) | Err(sqlx::Error::Database(_)) => Ok(false),
            Err(error) => Err(StoreError::new(error)),
        }
    }

    fn together(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Option<Vec<Statement>>, StoreError> {
        let insert = &self.users.insert;
        let sql = insert.sql.clone().text();
        let is_plain = self.hooks.is_empty()
            && !self.users.makes_ids
            && sql.as_str().starts_with(OWN)
            && (!self.users.keeps_standing() || all.iter().all(|(user, _)| is_usual(user)));
        if !is_plain {
            return Ok(None);
        }
        let users = all.iter().map(|(user, _)| args(insert, user, self.usernames));
        let users = users.collect::<Result<Vec<_>, _>>()?;
        let own = all.iter().flat_map(|(_, own)| own);
        let own = own.map(|own| {
            let user: Arg = own.user_id.as_str().into();
            Ok(credentials::insert_of(own, &user)?.args)
        });
        let own = own.collect::<Result<Vec<_>, StoreError>>()?;
        let steps = rows(sql.as_str(), users).zip(rows(credential_row::INSERT, own));
        Ok(steps.map(|(users, own)| users.into_iter().chain(own).collect()))
    }
}

/// Returns the statements that insert these rows.
fn rows(insert: &str, rows: Vec<Vec<Arg>>) -> Option<Vec<Statement>> {
    let (mut steps, mut rows) = (Vec::new(), rows.into_iter().peekable());
    while rows.peek().is_some() {
        let part = Vec::from_iter(rows.by_ref().take(ROWS));
        let sql: Sql = many(insert, part.len())?.into();
        steps.push(Statement::new(sql, part.into_iter().flatten().collect()));
    }
    Some(steps)
}

/// Returns the insert of several rows, from that of one. A conflict is an error, and no row is
/// returned.
fn many(insert: &str, rows: usize) -> Option<String> {
    let (head, tail) = insert.split_once("VALUES (")?;
    let end = closing(tail)?;
    let values = tail.get(..end)?;
    let count = parameters(values).max()?;
    let tuples = (0..rows).map(|row| format!("({})", shifted(values, row * count)));
    Some(format!("{head}VALUES {}", tuples.collect::<Vec<_>>().join(", ")))
}

/// Returns the position of the parenthesis that closes the one before the text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1_u32;
    text.bytes().position(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// Returns the numbers of the parameters, `$1` and so on.
fn parameters(text: &str) -> impl Iterator<Item = usize> {
    text.split('$').skip(1).filter_map(|part| part.get(..digits(part))?.parse().ok())
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Adds to the numbers of all parameters.
fn shifted(text: &str, by: usize) -> String {
    let mut parts = text.split('$');
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(digits(part));
        let number = number.parse::<usize>().unwrap_or_default() + by;
        all.push_str(&format!("${number}{rest}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_of_one_row_is_repeated() {
        let one = "INSERT INTO t (a, b) VALUES ($1, CASE WHEN (SELECT f($2)) THEN $1 END) ON CONFLICT DO NOTHING RETURNING a";
        assert_eq!(
            many(one, 2).unwrap(),
            "INSERT INTO t (a, b) VALUES ($1, CASE WHEN (SELECT f($2)) THEN $1 END), \
             ($3, CASE WHEN (SELECT f($4)) THEN $3 END)"
        );
        assert_eq!(many("UPDATE t SET a = $1", 2), None);
        assert!(many(credential_row::INSERT, 3).unwrap().ends_with("$23, $24)"));
    }
}
