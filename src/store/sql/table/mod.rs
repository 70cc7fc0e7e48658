//! The table of users: what is known of it, and the statements that follow.

mod column;
mod render;
mod schema;
mod statements;

pub(super) use statements::{Statement, Statements};

use super::{Db, SqlStore};
use crate::store::{StoreError, UserTable, UserTableError};

impl<DB: Db> SqlStore<DB> {
    /// The same store without users.
    pub(super) fn elsewhere(&self) -> Self {
        Self { users: Statements::elsewhere::<DB>().into(), ..self.clone() }
    }

    /// The same store with users in a table of the application, once that was looked at.
    pub(super) async fn mapped(&self, table: &UserTable) -> Result<Self, UserTableError> {
        let found = schema::look::<DB>(&self.reader, table).await?;
        let statements = render::render::<DB>(table, &found)?;
        if let Some(stray) = &statements.stray {
            let row = DB::fetch_optional(&self.reader, stray.clone(), Vec::new()).await;
            if row.map_err(StoreError::new)?.is_some() {
                return Err(UserTableError::UpperCase(table.name.clone()));
            }
        }
        Ok(Self {
            users: statements.into(),
            read_profile: table.read_profile,
            is_told: DB::IS_POSTGRES && self.tells(&table.name).await?,
            ..self.clone()
        })
    }

    /// Whether our trigger is on a table, which tells of what the application changes in it.
    async fn tells(&self, table: &str) -> Result<bool, StoreError> {
        let args = vec![table.into()];
        let row = DB::fetch_optional(&self.reader, TELLS.into(), args).await;
        Ok(row.map_err(StoreError::new)?.is_some())
    }
}

/// The name goes through `quote_ident`, as it does in our statements.
const TELLS: &str = "SELECT CAST(t.tgname AS TEXT) FROM pg_trigger t
    WHERE t.tgrelid = CAST(quote_ident($1) AS regclass) AND t.tgenabled <> 'D'
    AND t.tgfoid = CAST('auth_user_told' AS regproc) AND t.tgtype & 25 = 25";
