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
        Ok(Self { users: statements.into(), read_profile: table.read_profile, ..self.clone() })
    }
}
