//! Usernames in a table of the application.

use super::{column::Kind, render::Checked, schema::quoted};
use crate::store::{Field, UserTableError, sql::Db};

impl<DB: Db> Checked<'_, DB> {
    /// Returns whether a column with a unique index is mapped to the field.
    pub(super) fn is_unique(&self, field: Field) -> bool {
        self.table.of(field).is_some_and(|mapped| {
            let column = &mapped.column;
            self.schema.is_unique(column)
                || self.schema.is_unique_in_lower_case(column)
                || self.schema.is_unique_in_c(column)
        })
    }

    /// Returns the condition that finds a user by the username or its skeleton.
    pub(super) fn by_name(&self, field: Field) -> Result<Option<String>, UserTableError> {
        if self.table.of(field).is_none() {
            return Ok(None);
        }
        // Checks the type of the column.
        self.column(field, "u.", false)?;
        let (mapped, column) = self.found(field)?;
        if field == Field::UsernameSkeleton && column.not_null {
            return Err(
                self.wrong(&mapped.column, "must accept NULL, for users without a username")
            );
        }
        let name = format!("u.{}", quoted(&mapped.column)?);
        Ok(Some(match &column.kind {
            _ if self.schema.is_unique_in_c(&mapped.column) => {
                format!("lower({name} COLLATE \"C\") = lower(CAST($1 AS TEXT) COLLATE \"C\")")
            }
            _ if self.schema.is_unique_in_lower_case(&mapped.column) => {
                format!("lower({name}) = lower(CAST($1 AS TEXT))")
            }
            Kind::Other(kind) => format!("{name} = CAST($1 AS {kind})"),
            _ => format!("{name} = CAST($1 AS TEXT)"),
        }))
    }
}
