//! The table of users: its schema, and the statements for it.

mod column;
mod render;
mod schema;
mod statements;
mod usernames;

pub(super) use statements::{Statement, Statements};

use super::{Db, SqlStore, row::json_text};
use crate::store::{Field, StoreError, UserTable, UserTableError};

impl<DB: Db> SqlStore<DB> {
    /// Returns this store for users in another store. With `with_standing`, a session is fetched
    /// together with the status of its user that is stored here.
    pub(super) fn elsewhere(&self, with_standing: bool) -> Self {
        Self { users: Statements::elsewhere::<DB>(with_standing).into(), ..self.clone() }
    }

    /// Returns this store with users in a table of the application, after checking its schema.
    pub(super) async fn mapped(&self, table: &UserTable) -> Result<Self, UserTableError> {
        let found = schema::look(&self.reader, table).await?;
        let statements = render::render::<DB>(table, &found)?;
        if let Some(stray) = &statements.stray {
            let row = DB::fetch_optional(self.reader.access(), stray.clone(), Vec::new()).await;
            if row.map_err(StoreError::new)?.is_some() {
                return Err(UserTableError::UpperCase(table.name.clone()));
            }
        }
        if let Some(probe) = &statements.lowers_otherwise {
            let row = DB::fetch_optional(self.reader.access(), probe.clone(), Vec::new()).await;
            if row.map_err(StoreError::new)?.is_some() {
                return Err(lowers_otherwise(table));
            }
        }
        Ok(Self {
            users: statements.into(),
            read_profile: table.read_profile,
            is_told: DB::IS_POSTGRES && self.tells(table).await?,
            ..self.clone()
        })
    }

    /// Returns `true` if triggers on the table report every change of it, by any client.
    async fn tells(&self, table: &UserTable) -> Result<bool, UserTableError> {
        let Some(id) = table.of(Field::Id) else { return Ok(false) };
        let columns = table.columns.iter().map(|mapped| &mapped.column).chain(&table.extra);
        let columns = json_text(&columns.collect::<Vec<_>>())?;
        let name = schema::quoted_table(&table.name)?;
        let args = vec![name.into(), id.column.as_str().into(), columns.into()];
        let row = DB::fetch_optional(self.reader.access(), TELLS.into(), args).await;
        Ok(row.map_err(StoreError::new)?.is_some())
    }
}

/// Returns the error that the unique index of the email addresses converts `I` to another letter
/// than `i`.
fn lowers_otherwise(table: &UserTable) -> UserTableError {
    let mail = table.of(Field::Email).map_or("email", |mapped| mapped.column.as_str());
    UserTableError::Column {
        column: format!("{}.{mail}", table.name),
        problem: format!(
            "is lower-cased by a collation that does not convert I to i: \
            make it TEXT with a unique index on lower({mail} COLLATE \"C\")"
        ),
    }
}

/// Checks that the trigger of this crate runs after every update and deletion of a row, with the
/// column of the id, and after `TRUNCATE`. If the trigger is limited to certain columns, these must
/// include every mapped column.
///
/// Rows of a child table are rows of the table too, but have separate triggers. A partition has the
/// row triggers of its table but not those for `TRUNCATE`, and detaching it is not reported.
const TELLS: &str = "SELECT CAST(c.relname AS TEXT) FROM pg_class c
    WHERE c.oid = to_regclass($1) AND c.relkind = 'r'
    AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid)
    AND (SELECT bit_or(CASE WHEN t.tgtype & 1 = 1 THEN t.tgtype & 24 ELSE t.tgtype & 32 END)
        FROM pg_trigger t WHERE t.tgrelid = c.oid
        AND t.tgfoid = to_regprocedure('auth_user_told()') AND t.tgenabled IN ('O', 'A')
        AND t.tgtype & 66 = 0 AND CAST(t.tgattr AS TEXT) = '' AND t.tgqual IS NULL
        AND position(convert_to(CAST($2 AS TEXT), 'UTF8') || CAST('\\x00' AS BYTEA)
            IN t.tgargs) = 1
        AND (t.tgnargs = 1 OR string_to_array(encode(t.tgargs, 'escape'), '\\000') @> ARRAY(
            SELECT encode(convert_to(name, 'UTF8'), 'escape')
            FROM jsonb_array_elements_text(CAST($3 AS JSONB)) AS columns(name)))) = 56";
