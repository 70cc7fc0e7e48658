//! Generates the statements for a table of the application.

use super::{
    column::{self, Column, Kind, or_empty, read, wants, write},
    schema::{Schema, quoted, quoted_table},
    statements::{Key, Parts, Statements, Taken, text_key},
};
use crate::store::{
    Field, Mapped, Shape, UserTable, UserTableError,
    sql::{Db, db::Sql},
};

pub(super) fn render<DB: Db>(
    table: &UserTable,
    schema: &Schema,
) -> Result<Statements, UserTableError> {
    let checked = Checked::<DB> { table, schema, engine: std::marker::PhantomData };
    checked.statements()
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

struct Checked<'a, DB> {
    table: &'a UserTable,
    schema: &'a Schema,
    engine: std::marker::PhantomData<DB>,
}

impl<DB: Db> Checked<'_, DB> {
    fn statements(&self) -> Result<Statements, UserTableError> {
        let table = quoted_table(&self.table.name)?;
        let columns = self.table.columns.iter().map(|mapped| &mapped.column);
        for name in columns.chain(&self.table.extra) {
            quoted(name)?;
        }
        let (id, id_column) = self.found(Field::Id)?;
        let (email, email_column) = self.found(Field::Email)?;
        let makes_ids = id_column.counted && id_column.kind == Kind::Integer;
        if !self.schema.is_unique(&id.column) {
            return Err(self.wrong(&id.column, "has to be unique, so that it can be an id"));
        }
        if id_column.kind == Kind::Integer && !makes_ids {
            return Err(self.wrong(&id.column, "has to be given by the database to every row"));
        }
        let in_c = self.schema.is_unique_in_c(&email.column);
        let in_lower_case = in_c || self.schema.is_unique_in_lower_case(&email.column);
        if !in_lower_case && !self.schema.is_unique(&email.column) {
            return Err(self.wrong(&email.column, "needs a unique index of its own, of all rows"));
        }
        self.can_insert(makes_ids)?;
        let (id, mail) = (format!("u.{}", quoted(&id.column)?), quoted(&email.column)?);
        let by_email = match &email_column.kind {
            _ if in_c => {
                format!("lower(u.{mail} COLLATE \"C\") = lower(CAST($1 AS TEXT) COLLATE \"C\")")
            }
            _ if in_lower_case => format!("lower(u.{mail}) = lower(CAST($1 AS TEXT))"),
            Kind::Other(kind) => format!("u.{mail} = CAST($1 AS {kind})"),
            _ => format!("u.{mail} = CAST($1 AS TEXT)"),
        };
        let unmapped: Vec<Field> =
            Field::ALL.into_iter().filter(|field| self.table.of(*field).is_none()).collect();
        let key: Key = match id_column.kind {
            Kind::Uuid => Box::new(|parameter| {
                format!(
                    "(CASE WHEN {parameter} ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
                    THEN CAST({parameter} AS UUID) END)"
                )
            }),
            Kind::Integer if DB::IS_POSTGRES => Box::new(|parameter| {
                format!(
                    "(CASE WHEN {parameter} ~ '^[0-9]{{1,18}}$' THEN CAST({parameter} AS BIGINT) END)"
                )
            }),
            Kind::Integer => Box::new(|parameter| {
                format!(
                    "(CASE WHEN {parameter} NOT GLOB '*[^0-9]*' AND length({parameter})
                    BETWEEN 1 AND 18 THEN CAST({parameter} AS INTEGER) END)"
                )
            }),
            _ => text_key(id_column.collation.clone()),
        };
        let standing = unmapped.iter().any(|field| field.is_standing());
        let join = if standing {
            let bytewise = DB::pick("", " COLLATE \"C\"");
            format!(" LEFT JOIN auth_standing v ON v.user_id = CAST({id} AS TEXT){bytewise}")
        } else {
            String::new()
        };
        let (insert, into) = self.insert(&table, makes_ids)?;
        let (update, set) = self.update(&table, &key)?;
        let parts = Parts {
            table: format!("{table} u"),
            join,
            columns: self.columns("u.", standing, |_| true)?,
            watched: self.columns("u.", standing, Field::is_watched)?,
            status: self.column(Field::Status, "u.", standing)?,
            delete: format!(
                "DELETE FROM {table} AS u WHERE {id} = {} RETURNING {}",
                key("$1"),
                self.column(Field::Id, "", standing)?
            ),
            by_email,
            id,
            key,
            insert,
            update,
        };
        Ok(Statements {
            unmapped,
            makes_ids,
            needs_email: email_column.not_null,
            is_own: false,
            stray: (!in_lower_case).then(|| {
                format!("SELECT 1 FROM {table} AS u WHERE u.{mail} <> lower(u.{mail}) LIMIT 1")
                    .into()
            }),
            lowers_otherwise: self.lowers_otherwise(email_column, in_c, in_lower_case),
            ..parts.statements::<DB>(into, set)
        })
    }

    /// Returns a query that finds out whether email addresses are lower-cased by other rules than
    /// those of ASCII. For example, with Turkish rules `INFO@example.com` would not be found.
    fn lowers_otherwise(&self, email: &Column, in_c: bool, in_lower_case: bool) -> Option<Sql> {
        let by_database = matches!(email.kind, Kind::Other(_));
        if !DB::IS_POSTGRES || in_c || !(in_lower_case || by_database) {
            return None;
        }
        // `citext` lower-cases with the collation of the database, regardless of that of the
        // column.
        let collation = email.collation.as_deref().filter(|_| !by_database);
        let collation = collation.unwrap_or(r#"pg_catalog."default""#);
        let lower = format!("lower('{}' COLLATE {collation})", LETTERS.to_ascii_uppercase());
        Some(format!("SELECT 1 WHERE {lower} <> '{LETTERS}'").into())
    }

    fn found(&self, field: Field) -> Result<(&Mapped, &Column), UserTableError> {
        let mapped = self.table.of(field).ok_or(UserTableError::Unmapped(field.name()))?;
        let column = self.schema.column(&mapped.column);
        let column = column.ok_or_else(|| self.wrong(&mapped.column, "does not exist"))?;
        Ok((mapped, column))
    }

    fn wrong(&self, column: &str, problem: impl Into<String>) -> UserTableError {
        UserTableError::Column {
            column: format!("{}.{column}", self.table.name),
            problem: problem.into(),
        }
    }

    /// Checks that every column that requires a value is mapped or has a default.
    fn can_insert(&self, makes_ids: bool) -> Result<(), UserTableError> {
        for column in &self.schema.columns {
            let ours = self.table.columns.iter().any(|mapped| mapped.column == column.name);
            let own = column.default.is_some() || column.generated || column.counted;
            if column.not_null && !ours && !own {
                let problem = "must have a value and has no default: map it, or add a default";
                return Err(self.wrong(&column.name, problem));
            }
        }
        debug_assert!(!makes_ids || self.table.of(Field::Id).is_some(), "an id is always mapped");
        Ok(())
    }

    /// Returns the expressions that read all fields and the extra columns.
    fn columns(
        &self,
        of: &str,
        standing: bool,
        is_read: fn(Field) -> bool,
    ) -> Result<String, UserTableError> {
        let mut all = Vec::new();
        for field in Field::ALL.into_iter().filter(|field| is_read(*field)) {
            all.push(self.column(field, of, standing)?);
        }
        let mut extra = Vec::new();
        for name in &self.table.extra {
            let quoted = quoted(name)?;
            if self.schema.column(name).is_none() {
                return Err(self.wrong(name, "does not exist"));
            }
            extra.push(format!("{}, {of}{quoted}", column::literal(name)));
        }
        let object = DB::pick("json_object", "jsonb_build_object");
        all.push(match extra.is_empty() {
            true => "NULL".to_owned(),
            false => format!("CAST({object}({}) AS TEXT)", extra.join(", ")),
        });
        Ok(all.join(", "))
    }

    fn column(&self, field: Field, of: &str, standing: bool) -> Result<String, UserTableError> {
        if self.table.of(field).is_some() {
            let (mapped, column) = self.found(field)?;
            let name = format!("{of}{}", quoted(&mapped.column)?);
            return read::<DB>(&mapped.shape, column, &name).ok_or_else(|| {
                let (is, wanted) = (column.kind.name(), wants(&mapped.shape));
                self.wrong(&mapped.column, format!("is {is}, and {} wants {wanted}", field.name()))
            });
        }
        let text = match (field, standing) {
            (Field::EmailVerifiedAt, true) => {
                let email = self.column(Field::Email, of, standing)?;
                let lower = format!("lower({email}{})", DB::pick("", " COLLATE \"C\""));
                return Ok(format!("CASE WHEN v.email = {lower} THEN v.email_verified_at END"));
            }
            (Field::Status, true) => "COALESCE(v.status, 'active')",
            (Field::IsAnonymous, true) => "COALESCE(v.is_anonymous, 0)",
            (Field::Status, false) => "'active'",
            (Field::Roles | Field::Scopes, _) => "'[]'",
            (Field::Attributes | Field::UserMetadata | Field::AppMetadata, _) => "'{}'",
            (Field::IsAnonymous | Field::CreatedAt | Field::UpdatedAt, _) => "CAST(0 AS BIGINT)",
            (Field::EmailVerifiedAt | Field::PhoneVerifiedAt, _) => "CAST(NULL AS BIGINT)",
            _ => "CAST(NULL AS TEXT)",
        };
        Ok(text.to_owned())
    }

    fn insert(&self, table: &str, makes_ids: bool) -> Result<(String, Vec<Taken>), UserTableError> {
        let (mut names, mut values, mut takes) = (Vec::new(), Vec::new(), Vec::new());
        for field in Field::ALL {
            if self.table.of(field).is_none() || (field == Field::Id && makes_ids) {
                continue;
            }
            let (mapped, column) = self.found(field)?;
            if column.generated {
                continue;
            }
            let written = write::<DB>(&mapped.shape, column, &format!("${}", takes.len() + 1));
            values.push(match &column.default {
                _ if matches!(field, Field::Id | Field::Email) => written,
                Some(default) => format!("COALESCE({written}, {default})"),
                None => or_empty(&mapped.shape, column, written),
            });
            names.push(quoted(&mapped.column)?);
            takes.push(Taken { field, or_default: column.default.is_some() });
        }
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({}) ON CONFLICT DO NOTHING RETURNING {}",
            names.join(", "),
            values.join(", "),
            self.columns("", false, |_| true)?
        );
        Ok((sql, takes))
    }

    fn update(&self, table: &str, key: &Key) -> Result<(String, Vec<Taken>), UserTableError> {
        let mut set = Vec::new();
        let mut takes = vec![Taken { field: Field::Id, or_default: false }];
        for field in Field::ALL {
            if self.table.of(field).is_none() || matches!(field, Field::Id | Field::CreatedAt) {
                continue;
            }
            let (mapped, column) = self.found(field)?;
            if column.generated {
                continue;
            }
            takes.push(Taken { field, or_default: false });
            let written = write::<DB>(&mapped.shape, column, &format!("${}", takes.len()));
            let written = match field {
                Field::Email => written,
                // A status that is neither of the two values is retained.
                Field::Status if matches!(mapped.shape, Shape::Words { .. }) => format!(
                    "CASE CAST(${} AS TEXT) WHEN 'other' THEN u.{} ELSE {written} END",
                    takes.len(),
                    quoted(&mapped.column)?
                ),
                _ => or_empty(&mapped.shape, column, written),
            };
            set.push(format!("{} = {written}", quoted(&mapped.column)?));
        }
        let id = quoted(&self.found(Field::Id)?.0.column)?;
        let set = set.join(", ");
        Ok((format!("UPDATE {table} AS u SET {set} WHERE u.{id} = {}", key("$1")), takes))
    }
}
