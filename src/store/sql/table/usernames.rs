//! Usernames in a table of the application.

use super::{column::Kind, render::Checked, schema::quoted};
use crate::store::{Field, UserTableError, sql::Db};

impl<DB: Db> Checked<'_, DB> {
    /// Returns whether a column with a unique index is mapped to the field.
    fn is_unique(&self, field: Field) -> bool {
        self.table.of(field).is_some_and(|mapped| {
            let column = &mapped.column;
            self.schema.is_unique(column)
                || self.schema.is_unique_in_lower_case(column)
                || self.schema.is_unique_in_c(column)
        })
    }

    /// Returns whether users are found by their usernames: both columns are mapped and unique.
    fn has_usernames(&self) -> bool {
        [Field::Username, Field::UsernameSkeleton].into_iter().all(|field| self.is_unique(field))
    }

    /// Returns the condition that finds a user by the username or its skeleton; `None` if there are
    /// no usernames.
    pub(super) fn by_name(&self, field: Field) -> Result<Option<String>, UserTableError> {
        if self.table.of(field).is_none() {
            return Ok(None);
        }
        // Checks the type of the column.
        self.column(field, "u.", false)?;
        let condition = self.has_name("u.", field, "$1")?;
        Ok(self.has_usernames().then_some(condition))
    }

    /// Returns the condition that another user has the skeleton of a parameter; `None` if there are
    /// no usernames.
    pub(super) fn is_held(
        &self,
        table: &str,
        parameter: &str,
    ) -> Result<Option<String>, UserTableError> {
        if !self.has_usernames() {
            return Ok(None);
        }
        let id = quoted(&self.found(Field::Id)?.0.column)?;
        let condition = self.has_name("o.", Field::UsernameSkeleton, parameter)?;
        Ok(Some(format!("EXISTS (SELECT 1 FROM {table} o WHERE {condition} AND o.{id} <> u.{id})")))
    }

    /// Returns the condition that a row has the username, or the skeleton, of a parameter.
    fn has_name(&self, of: &str, field: Field, parameter: &str) -> Result<String, UserTableError> {
        let (mapped, column) = self.found(field)?;
        if field == Field::UsernameSkeleton && column.not_null {
            return Err(
                self.wrong(&mapped.column, "must accept NULL, for users without a username")
            );
        }
        let name = format!("{of}{}", quoted(&mapped.column)?);
        Ok(match &column.kind {
            _ if self.schema.is_unique_in_c(&mapped.column) => {
                format!(
                    "lower({name} COLLATE \"C\") = lower(CAST({parameter} AS TEXT) COLLATE \"C\")"
                )
            }
            _ if self.schema.is_unique_in_lower_case(&mapped.column) => {
                format!("lower({name}) = lower(CAST({parameter} AS TEXT))")
            }
            Kind::Other(kind) => format!("{name} = CAST({parameter} AS {kind})"),
            _ => format!("{name} = CAST({parameter} AS TEXT)"),
        })
    }
}
