//! The statements for a table of users.

use crate::store::{
    Field,
    sql::{
        Db, challenge_row, credential_row,
        db::{LockedRead, Sql},
        key_row, session_row,
    },
};

/// A statement with the fields that are its parameters.
pub(in crate::store::sql) struct Statement {
    pub(in crate::store::sql) sql: Sql,
    pub(in crate::store::sql) takes: Vec<Taken>,
}

/// A parameter of a statement.
#[derive(Clone, Copy)]
pub(in crate::store::sql) struct Taken {
    pub(in crate::store::sql) field: Field,
    /// Whether a default value is passed as `NULL`, so that the default of the column applies.
    pub(in crate::store::sql) or_default: bool,
}

/// All statements that involve users.
pub(in crate::store::sql) struct Statements {
    pub(in crate::store::sql) find: Sql,
    pub(in crate::store::sql) find_by_email: Sql,
    /// `None` if the table has no such column with a unique index.
    pub(in crate::store::sql) find_by_username: Option<Sql>,
    pub(in crate::store::sql) find_by_skeleton: Option<Sql>,
    /// Reads a user under a lock.
    pub(in crate::store::sql) read_locked: LockedRead,
    pub(in crate::store::sql) first: Sql,
    pub(in crate::store::sql) next: Sql,
    /// The users with the greatest ids, and those before an id.
    pub(in crate::store::sql) last: Sql,
    pub(in crate::store::sql) previous: Sql,
    /// The columns of a user.
    pub(in crate::store::sql) columns: String,
    pub(in crate::store::sql) insert: Statement,
    pub(in crate::store::sql) update: Statement,
    /// Returns the id in the notation of the table.
    pub(in crate::store::sql) delete: Sql,
    pub(in crate::store::sql) find_session: Sql,
    pub(in crate::store::sql) find_access: Sql,
    pub(in crate::store::sql) find_sessions: Sql,
    /// Like `find_sessions`, but for live connections; `None` if users are in another store.
    pub(in crate::store::sql) find_watched: Option<Sql>,
    pub(in crate::store::sql) find_key: Sql,
    /// Locks the user of a new session before the insert reads the joined table.
    pub(in crate::store::sql) lock_owner: Option<Sql>,
    pub(in crate::store::sql) insert_session: Sql,
    /// Inserts rows of a user only if the user exists.
    pub(in crate::store::sql) insert_credential: Sql,
    pub(in crate::store::sql) insert_challenge: Sql,
    pub(in crate::store::sql) put_challenge: Sql,
    /// The fields without a column.
    pub(in crate::store::sql) unmapped: Vec<Field>,
    /// Whether the database generates the id.
    pub(in crate::store::sql) makes_ids: bool,
    /// Whether the email address is required.
    pub(in crate::store::sql) needs_email: bool,
    pub(in crate::store::sql) is_own: bool,
    /// Whether users are in another store.
    pub(in crate::store::sql) is_elsewhere: bool,
    /// Finds an email address with uppercase letters, with which no user could sign in.
    pub(in crate::store::sql) stray: Option<Sql>,
    /// Finds out whether email addresses are lower-cased by other rules than those of ASCII.
    pub(in crate::store::sql) lowers_otherwise: Option<Sql>,
}

impl Statements {
    /// Returns the statements for the table of this crate.
    pub(in crate::store::sql) fn own<DB: Db>() -> Self {
        let columns: Vec<String> =
            Field::ALL.iter().map(|field| format!("u.{}", field.name())).collect();
        let watched = Field::ALL.iter().filter(|field| field.is_watched());
        let watched: Vec<String> = watched.map(|field| format!("u.{}", field.name())).collect();
        let plain = Field::ALL.map(Field::name);
        let written: Vec<&str> = Field::written().map(Field::name).collect();
        let takes = || Field::written().map(|field| Taken { field, or_default: false }).collect();
        let numbers: Vec<String> = (1..=written.len()).map(|n| format!("${n}")).collect();
        let username = plain.iter().zip(&numbers).find(|(name, _)| **name == "username");
        let username = username.map(|(_, n)| n.as_str()).unwrap_or_default();
        // A status that only a newer version knows is retained.
        let set = written.iter().zip(&numbers).skip(1).map(|(name, n)| match *name {
            "status" => {
                let given = format!("CAST({n} AS TEXT)");
                format!("status = CASE {given} WHEN 'other' THEN status ELSE {given} END")
            }
            "username_skeleton" => {
                let is_held = format!(
                    "EXISTS (SELECT 1 FROM auth_users o WHERE o.{name} = CAST({n} AS TEXT)
                    AND o.id <> auth_users.id)"
                );
                let is_same_name = same("username", username);
                format!("{name} = {}", skeleton(name, n, &is_same_name, Some(&is_held)))
            }
            name => format!("{name} = {n}"),
        });
        let set: Vec<String> = set.collect();
        let parts = Parts {
            insert: format!(
                "INSERT INTO auth_users ({}) VALUES ({}) ON CONFLICT DO NOTHING RETURNING {}, NULL",
                written.join(", "),
                numbers.join(", "),
                plain.join(", ")
            ),
            update: format!("UPDATE auth_users SET {} WHERE id = CAST($1 AS TEXT)", set.join(", ")),
            delete: "DELETE FROM auth_users WHERE id = CAST($1 AS TEXT) RETURNING id".to_owned(),
            columns: format!("{}, NULL", columns.join(", ")),
            watched: format!("{}, NULL", watched.join(", ")),
            status: "u.status".to_owned(),
            by_email: "u.email = CAST($1 AS TEXT)".to_owned(),
            by_username: Some("u.username = CAST($1 AS TEXT)".to_owned()),
            by_skeleton: Some("u.username_skeleton = CAST($1 AS TEXT)".to_owned()),
            id: "u.id".to_owned(),
            key: text_key(None),
            table: "auth_users u".to_owned(),
            join: String::new(),
        };
        parts.statements::<DB>(takes(), takes())
    }

    /// Returns the statements for users in another store. With `with_standing`, sessions are joined
    /// with the status that is stored here.
    pub(in crate::store::sql) fn elsewhere<DB: Db>(with_standing: bool) -> Self {
        let of = |(table, id): (&str, &str), columns: &str| {
            let (user, join) = match with_standing {
                true => (
                    format!("{id}, {STANDING}"),
                    format!(" LEFT JOIN auth_standing t ON t.user_id = {id}"),
                ),
                false => ("NULL".to_owned(), String::new()),
            };
            let columns = DB::packed(&format!("{columns}, {user}"));
            format!("SELECT {columns} FROM {table}{join}")
        };
        let sessions = of(SESSIONS, session_row::COLUMNS);
        let access = of(SESSIONS, session_row::ACCESS);
        let key = of(KEYS, key_row::COLUMNS);
        let turn = format!("SELECT 'active' AS status FROM ({LOCK_OF_SESSION}) AS turn");
        let turn = if DB::IS_POSTGRES { &turn } else { "SELECT 'active' AS status" };
        let insert_session = session_row::insert(turn);
        Self {
            find_session: format!("{sessions} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_access: format!("{access} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_sessions: format!("{sessions} WHERE {}", DB::among("s.id")).into(),
            find_watched: None,
            find_key: format!("{key} WHERE k.hash = CAST($1 AS TEXT)").into(),
            insert_session: insert_session.into(),
            insert_credential: credential_row::INSERT.into(),
            insert_challenge: challenge_row::INSERT.into(),
            put_challenge: challenge_row::PUT.into(),
            read_locked: LockedRead {
                lock: DB::IS_POSTGRES.then(|| LOCK_NAME.into()),
                read: None,
                args: Vec::new(),
            },
            lock_owner: None,
            is_elsewhere: true,
            ..Self::own::<DB>()
        }
    }

    pub(in crate::store::sql) fn keeps_standing(&self) -> bool {
        self.unmapped.iter().any(|field| field.is_standing())
    }
}

/// Returns the condition that a column has the value of a parameter; both can be NULL.
pub(super) fn same(column: &str, parameter: &str) -> String {
    format!("{column} IS NOT DISTINCT FROM CAST({parameter} AS TEXT)")
}

/// Returns the new value of the skeleton. If the username does not change, the stored value is
/// retained if a process without usernames passes NULL, or if another user has the skeleton:
/// usernames of before there was an index may look alike, and their users can still be changed.
pub(super) fn skeleton(
    column: &str,
    parameter: &str,
    is_same_name: &str,
    is_held: Option<&str>,
) -> String {
    let given = format!("CAST({parameter} AS TEXT)");
    let mut unchanged = format!("COALESCE({given}, {column})");
    if let Some(is_held) = is_held {
        unchanged = format!("CASE WHEN {is_held} THEN {column} ELSE {unchanged} END");
    }
    format!("CASE WHEN {is_same_name} THEN {unchanged} ELSE {given} END")
}

/// Converts an id, given as a parameter or a column, to the type of the table.
pub(super) type Key = Box<dyn Fn(&str) -> String>;

/// Returns the conversion of an id to text. A column of this crate is compared in the collation of
/// the table, which its index has.
pub(super) fn text_key(collation: Option<String>) -> Key {
    Box::new(move |name| match &collation {
        _ if name.starts_with('$') => format!("CAST({name} AS TEXT)"),
        Some(collation) => format!("{name} COLLATE {collation}"),
        None => name.to_owned(),
    })
}

/// The parts from which the statements are built.
pub(super) struct Parts {
    /// The table, with the alias `u`.
    pub(super) table: String,
    /// The joined tables.
    pub(super) join: String,
    pub(super) columns: String,
    /// The columns that live connections need.
    pub(super) watched: String,
    pub(super) status: String,
    pub(super) by_email: String,
    pub(super) by_username: Option<String>,
    pub(super) by_skeleton: Option<String>,
    pub(super) id: String,
    pub(super) key: Key,
    pub(super) insert: String,
    pub(super) update: String,
    pub(super) delete: String,
}

/// The tables whose rows belong to users, and their columns of the user id.
const SESSIONS: (&str, &str) = ("auth_sessions s", "s.user_id");
const KEYS: (&str, &str) = ("auth_api_keys k", "k.user_id");

/// The columns of an external user after the id: the status that is stored here, and empty values.
const STANDING: &str = "t.email, t.email_verified_at, CAST(NULL AS TEXT),
    CAST(NULL AS BIGINT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT),
    CAST(NULL AS TEXT), COALESCE(t.is_anonymous, 0), '[]', '[]', '{}',
    COALESCE(t.status, 'active'), '{}', '{}', CAST(0 AS BIGINT), CAST(0 AS BIGINT),
    CAST(NULL AS TEXT)";

/// Makes the insert of a session wait for a transition of its user, and for other inserts, so that
/// a session limit is exact. Otherwise the transition would not see the session, and the password
/// check after the insert would not see the transition.
const LOCK_OF_SESSION: &str = "SELECT pg_advisory_xact_lock(hashtextextended($2, 7))";

/// Serializes the transitions of a user whose record is in another store.
const LOCK_NAME: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))";

impl Parts {
    pub(super) fn statements<DB: Db>(self, insert: Vec<Taken>, update: Vec<Taken>) -> Statements {
        let Self { table, join, columns, watched, status, by_email, id, key, .. } = self;
        let (by_username, by_skeleton) = (self.by_username, self.by_skeleton);
        let source = format!("{table}{join}");
        let lock = |strength| DB::pick("", strength);
        let one = key("$1");
        let owner = format!(
            "SELECT {status} AS status FROM {source} WHERE {id} = {}{}",
            key("$2"),
            lock(" FOR NO KEY UPDATE OF u")
        );
        let find = format!("SELECT {columns} FROM {source} WHERE {id} = {one}");
        let of = |(owned, owner): (&str, &str), row: &str, columns: &str| {
            format!(
                "SELECT {} FROM {owned} LEFT JOIN {table} ON {id} = {}{join}",
                DB::packed(&format!("{row}, {columns}")),
                key(owner),
            )
        };
        let by = |condition: String| -> Sql {
            format!("SELECT {columns} FROM {source} WHERE {condition}").into()
        };
        let sessions = of(SESSIONS, session_row::COLUMNS, &columns);
        let access = of(SESSIONS, session_row::ACCESS, &columns);
        let watched = of(SESSIONS, session_row::WATCHED, &watched);
        let api_key = of(KEYS, key_row::COLUMNS, &columns);
        let there = |parameter: &str| {
            format!(
                "SELECT 1 AS there FROM {table} WHERE {id} = {}{}",
                key(parameter),
                lock(" FOR KEY SHARE OF u")
            )
        };
        // After waiting for a lock, a statement sees the new version of the locked row, but not of
        // joined rows. These are read by a separate statement.
        let lock_alone = |strength| {
            (DB::IS_POSTGRES && !join.is_empty())
                .then(|| format!("SELECT 1 FROM {table} WHERE {id} = {one} {strength} OF u").into())
        };
        Statements {
            lock_owner: lock_alone("FOR NO KEY UPDATE"),
            read_locked: LockedRead {
                lock: lock_alone("FOR UPDATE"),
                read: Some(format!("{find}{}", lock(" FOR UPDATE OF u")).into()),
                args: Vec::new(),
            },
            insert_credential: credential_row::insert_owned(&there("$2")).into(),
            insert_challenge: challenge_row::insert_owned(challenge_row::INSERT, &there("$3"))
                .into(),
            put_challenge: challenge_row::insert_owned(challenge_row::PUT, &there("$3")).into(),
            find: find.into(),
            find_by_email: format!("SELECT {columns} FROM {source} WHERE {by_email}").into(),
            find_by_username: by_username.map(&by),
            find_by_skeleton: by_skeleton.map(&by),
            first: format!("SELECT {columns} FROM {source} ORDER BY {id} LIMIT $1").into(),
            next: format!(
                "SELECT {columns} FROM {source} WHERE {id} > {} ORDER BY {id} LIMIT $1",
                key("$2")
            )
            .into(),
            last: format!("SELECT {columns} FROM {source} ORDER BY {id} DESC LIMIT $1").into(),
            previous: format!(
                "SELECT {columns} FROM {source} WHERE {id} < {} ORDER BY {id} DESC LIMIT $1",
                key("$2")
            )
            .into(),
            find_session: format!("{sessions} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_access: format!("{access} WHERE s.id = CAST($1 AS TEXT)").into(),
            find_sessions: format!("{sessions} WHERE {}", DB::among("s.id")).into(),
            find_watched: Some(format!("{watched} WHERE {}", DB::among("s.id")).into()),
            find_key: format!("{api_key} WHERE k.hash = CAST($1 AS TEXT)").into(),
            insert_session: session_row::insert(&owner).into(),
            insert: Statement { sql: self.insert.into(), takes: insert },
            update: Statement { sql: self.update.into(), takes: update },
            delete: self.delete.into(),
            columns,
            unmapped: Vec::new(),
            makes_ids: false,
            needs_email: false,
            is_own: true,
            is_elsewhere: false,
            stray: None,
            lowers_otherwise: None,
        }
    }
}
