//! The statements over a table of users.

use crate::store::{
    Field,
    sql::{Db, db::Sql, session_row, sessions},
};

/// A statement with the fields that it takes as parameters.
pub(in crate::store::sql) struct Statement {
    pub(in crate::store::sql) sql: Sql,
    pub(in crate::store::sql) takes: Vec<Taken>,
}

/// A parameter.
#[derive(Clone, Copy)]
pub(in crate::store::sql) struct Taken {
    pub(in crate::store::sql) field: Field,
    /// Nothing is said where nothing is known, so that a default can speak.
    pub(in crate::store::sql) or_default: bool,
}

/// All that is done with users.
pub(in crate::store::sql) struct Statements {
    pub(in crate::store::sql) find: Sql,
    pub(in crate::store::sql) find_by_email: Sql,
    pub(in crate::store::sql) lock: Sql,
    pub(in crate::store::sql) first: Sql,
    pub(in crate::store::sql) next: Sql,
    pub(in crate::store::sql) insert: Statement,
    pub(in crate::store::sql) update: Statement,
    /// This and the next answer with the id as the table has it.
    pub(in crate::store::sql) change_email: Sql,
    pub(in crate::store::sql) delete: Sql,
    pub(in crate::store::sql) find_session: Sql,
    pub(in crate::store::sql) find_access: Sql,
    pub(in crate::store::sql) find_sessions: Sql,
    pub(in crate::store::sql) insert_session: Sql,
    /// Which fields have no column.
    pub(in crate::store::sql) unmapped: Vec<Field>,
    /// The database chooses the id.
    pub(in crate::store::sql) makes_ids: bool,
    /// Nobody is without an address.
    pub(in crate::store::sql) needs_email: bool,
    pub(in crate::store::sql) is_own: bool,
    /// Finds an address that nobody could sign in with.
    pub(in crate::store::sql) stray: Option<Sql>,
}

impl Statements {
    /// For our own table, which is as we made it.
    pub(in crate::store::sql) fn own<DB: Db>() -> Self {
        let columns: Vec<String> =
            Field::ALL.iter().map(|field| format!("u.{}", field.name())).collect();
        let plain = Field::ALL.iter().map(|field| field.name()).collect::<Vec<_>>();
        let all = |which: &[Field]| -> Vec<Taken> {
            which.iter().map(|field| Taken { field: *field, or_default: false }).collect()
        };
        let numbers: Vec<String> = (1..=plain.len()).map(|n| format!("${n}")).collect();
        let set: Vec<String> =
            plain.iter().zip(&numbers).skip(1).map(|(name, n)| format!("{name} = {n}")).collect();
        let parts = Parts {
            insert: format!(
                "INSERT INTO auth_users ({}) VALUES ({}) ON CONFLICT DO NOTHING RETURNING {}, NULL",
                plain.join(", "),
                numbers.join(", "),
                plain.join(", ")
            ),
            update: format!("UPDATE auth_users SET {} WHERE id = CAST($1 AS TEXT)", set.join(", ")),
            change_email: "UPDATE auth_users SET email = $2, email_verified_at = $3,
                updated_at = $3 WHERE id = CAST($1 AS TEXT) AND COALESCE(email, '') = $4
    RETURNING id"
                .to_owned(),
            delete: "DELETE FROM auth_users WHERE id = CAST($1 AS TEXT) RETURNING id".to_owned(),
            columns: format!("{}, NULL", columns.join(", ")),
            status: "u.status".to_owned(),
            by_email: "u.email = CAST($1 AS TEXT)".to_owned(),
            id: "u.id".to_owned(),
            key: own_key,
            table: "auth_users u".to_owned(),
            join: String::new(),
        };
        parts.statements::<DB>(all(&Field::ALL), all(&Field::ALL))
    }

    /// For users that live elsewhere: nothing is joined.
    pub(in crate::store::sql) fn elsewhere<DB: Db>() -> Self {
        let of = |columns: &str| {
            format!("SELECT {} FROM auth_sessions s", DB::packed(&format!("{columns}, NULL")))
        };
        let (sessions, access) = (of(session_row::COLUMNS), of(session_row::ACCESS));
        let insert_session = sessions::insert("SELECT 'active' AS status");
        Self {
            find_session: format!("{sessions} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_access: format!("{access} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_sessions: format!("{sessions} WHERE {}", DB::among("s.id")).into(),
            insert_session: insert_session.into(),
            ..Self::own::<DB>()
        }
    }

    pub(in crate::store::sql) fn keeps_standing(&self) -> bool {
        self.unmapped.iter().any(|field| field.is_standing())
    }
}

/// An id as text, of a parameter or a column.
pub(super) fn own_key(name: &str) -> String {
    match name.starts_with('$') {
        true => format!("CAST({name} AS TEXT)"),
        false => name.to_owned(),
    }
}

/// What the statements are put together of.
pub(super) struct Parts {
    /// The table, as `u`.
    pub(super) table: String,
    /// What is joined to it.
    pub(super) join: String,
    pub(super) columns: String,
    pub(super) status: String,
    pub(super) by_email: String,
    pub(super) id: String,
    /// The id that a parameter or a column names, in the type of the table.
    pub(super) key: fn(&str) -> String,
    pub(super) insert: String,
    pub(super) update: String,
    pub(super) change_email: String,
    pub(super) delete: String,
}

impl Parts {
    pub(super) fn statements<DB: Db>(self, insert: Vec<Taken>, update: Vec<Taken>) -> Statements {
        let Self { table, join, columns, status, by_email, id, key, .. } = self;
        let source = format!("{table}{join}");
        let lock = |strength| DB::pick("", strength);
        let one = key("$1");
        let owner = format!(
            "SELECT {status} AS status FROM {source} WHERE {id} = {}{}",
            key("$2"),
            lock(" FOR NO KEY UPDATE OF u")
        );
        let find = format!("SELECT {columns} FROM {source} WHERE {id} = {one}");
        let of = |session: &str| {
            format!(
                "SELECT {} FROM auth_sessions s LEFT JOIN {table} ON {id} = {}{join}",
                DB::packed(&format!("{session}, {columns}")),
                key("s.user_id"),
            )
        };
        let (sessions, access) = (of(session_row::COLUMNS), of(session_row::ACCESS));
        Statements {
            lock: format!("{find}{}", lock(" FOR UPDATE OF u")).into(),
            find: find.into(),
            find_by_email: format!("SELECT {columns} FROM {source} WHERE {by_email}").into(),
            first: format!("SELECT {columns} FROM {source} ORDER BY {id} LIMIT $1").into(),
            next: format!(
                "SELECT {columns} FROM {source} WHERE {id} > {} ORDER BY {id} LIMIT $1",
                key("$2")
            )
            .into(),
            find_session: format!("{sessions} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_access: format!("{access} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_sessions: format!("{sessions} WHERE {}", DB::among("s.id")).into(),
            insert_session: sessions::insert(&owner).into(),
            insert: Statement { sql: self.insert.into(), takes: insert },
            update: Statement { sql: self.update.into(), takes: update },
            change_email: self.change_email.into(),
            delete: self.delete.into(),
            unmapped: Vec::new(),
            makes_ids: false,
            needs_email: false,
            is_own: true,
            stray: None,
        }
    }
}
