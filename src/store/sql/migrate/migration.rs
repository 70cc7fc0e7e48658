//! Migrations, and which ones are pending.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::store::sql::Db;

/// A change of the tables of this crate, in the SQL dialect of one engine.
///
/// [`SqlStore::migrations`](crate::store::sql::SqlStore::migrations) lists the migrations in the
/// order in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The name, which is recorded in `auth_migrations`.
    pub name: Cow<'static, str>,
    /// The way it is executed.
    pub kind: MigrationKind,
    /// The statements. If the kind is not [`Transaction`](MigrationKind::Transaction), each ends
    /// with a `;` at the end of a line.
    pub sql: Cow<'static, str>,
    /// The oldest version of this crate that works on a database with this migration, such as
    /// `0.1.0`. Older ones fail to start.
    pub oldest_version: Cow<'static, str>,
}

/// The way a [`Migration`] is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationKind {
    /// One transaction, together with its record. PostgreSQL waits at most two seconds for a lock
    /// on a table and then starts the transaction again, so that requests do not queue behind it.
    Transaction,
    /// One statement at a time outside of a transaction, as `CREATE INDEX CONCURRENTLY` requires.
    /// After an interruption it runs again from its first statement. SQLite has no such statements
    /// and treats it like [`Transaction`](Self::Transaction), and so does PostgreSQL in an empty
    /// database, without `CONCURRENTLY`.
    Outside,
    /// A back-fill: each statement is repeated in separate transactions until it changes no row.
    Batches,
}

impl Migration {
    /// Creates a migration that is compatible with all versions of this crate.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: MigrationKind,
        sql: impl Into<Cow<'static, str>>,
    ) -> Self {
        let oldest_version = Cow::Borrowed("0.1.0");
        Self { name: name.into(), kind, sql: sql.into(), oldest_version }
    }

    /// Sets [`oldest_version`](Self::oldest_version).
    #[must_use]
    pub fn oldest_version(self, version: impl Into<Cow<'static, str>>) -> Self {
        Self { oldest_version: version.into(), ..self }
    }

    /// Returns the checksum that is recorded: SHA-256 of the SQL in base64url.
    pub fn checksum(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.sql.as_bytes()))
    }

    /// Returns the SQL for a transaction in an empty database: an index of an empty table is built
    /// at once.
    pub(super) fn sql_of_empty_database(&self) -> String {
        match self.kind {
            MigrationKind::Outside => self.sql.replace("INDEX CONCURRENTLY", "INDEX"),
            MigrationKind::Transaction | MigrationKind::Batches => self.sql.to_string(),
        }
    }

    /// Returns the SQL with the statement that records the migration, for `psql` or `sqlite3`. On
    /// SQLite, statements of [`Batches`](MigrationKind::Batches) have to be repeated until they change
    /// no row.
    pub(super) fn script<DB: Db>(&self, is_empty: bool) -> String {
        let is_outside = self.kind == MigrationKind::Outside && DB::IS_POSTGRES && !is_empty;
        let sql = match is_outside {
            true => self.sql.to_string(),
            false => self.sql_of_empty_database(),
        };
        let sql = sql.trim_end();
        let body = match self.kind {
            MigrationKind::Outside if is_outside => sql.to_owned(),
            MigrationKind::Transaction | MigrationKind::Outside => format!("BEGIN;\n{sql}"),
            MigrationKind::Batches if DB::IS_POSTGRES => {
                statements(sql).map(repeated).collect::<Vec<_>>().join("\n")
            }
            MigrationKind::Batches => sql.to_owned(),
        };
        let is_transaction = self.kind != MigrationKind::Batches && !is_outside;
        let end = if is_transaction { "\nCOMMIT;" } else { "" };
        let now =
            DB::pick("unixepoch() * 1000", "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)");
        let (name, checksum, oldest) = (&self.name, self.checksum(), &self.oldest_version);
        format!(
            "-- {name}\n{body}\nINSERT INTO auth_migrations \
            (name, checksum, applied_at, oldest_version)\n    \
            VALUES ('{name}', '{checksum}', {now}, '{oldest}');{end}\n"
        )
    }
}

/// Returns a statement of a back-fill in a loop, in PL/pgSQL.
fn repeated(statement: &str) -> String {
    format!(
        "DO $batch$ DECLARE changed BIGINT; BEGIN LOOP\n{statement}\n\
        GET DIAGNOSTICS changed = ROW_COUNT; EXIT WHEN changed = 0; COMMIT;\n\
        END LOOP; END $batch$;"
    )
}

/// Returns the statements of a text, each of which ends with a `;` at the end of a line.
pub(super) fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split_inclusive(";\n").map(str::trim).filter(|statement| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with("--"))
    })
}

macro_rules! table {
    ($collation:literal) => {
        concat!(
            "CREATE TABLE IF NOT EXISTS auth_migrations (name TEXT",
            $collation,
            " NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL,\n    \
            oldest_version TEXT NOT NULL)"
        )
    };
}

/// Returns the statement that creates the table that records migrations.
pub(super) fn table<DB: Db>() -> &'static str {
    DB::pick(table!(""), table!(r#" COLLATE "C""#))
}

/// A record in `auth_migrations`.
pub(super) struct Applied {
    pub(super) name: String,
    pub(super) checksum: String,
    pub(super) oldest_version: String,
}

/// The error of running the migrations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A database query failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A migration failed.
    #[error("the migration {0} failed: {1}")]
    Failed(String, #[source] sqlx::Error),
    /// A migration was applied with a different text than this version has.
    #[error("the migration {0} was applied with a different text than this version has")]
    Changed(String),
    /// The namespace of [`SqlStore::migrate`](crate::store::SqlStore::migrate) is invalid.
    #[error("the namespace {0:?} is invalid: use 1 to 64 lowercase letters, digits, - and _")]
    Namespace(&'static str),
    /// A newer version migrated the database to a state that this version cannot work with.
    #[error(
        "the database has the migration {name}, which needs authlayer {oldest_version} or newer, \
        and this is {version}: upgrade authlayer",
        version = env!("CARGO_PKG_VERSION")
    )]
    Unknown {
        /// The name of the migration.
        name: String,
        /// The oldest version that works with it.
        oldest_version: String,
    },
    /// The role of the connection lacks a privilege.
    #[error(
        "the database role has no permission to {0}: run `PgStore::upgrade` once as the owner of the \
        tables, and grant this role SELECT, INSERT, UPDATE and DELETE on them, auth_migrations included: {1}"
    )]
    Forbidden(String, #[source] sqlx::Error),
    /// A migration did not get its lock on a table in time.
    #[error(
        "the migration {0} did not get its locks in {1} attempts of two seconds: end the long \
        transactions of the database (pg_stat_activity) and start again: {2}"
    )]
    Locked(String, u32, #[source] sqlx::Error),
    /// A migration runs outside of a transaction, but a pooler in transaction mode is between this
    /// process and the server.
    #[error(
        "the migration {0} needs one session of the server, and a pooler in transaction mode changes \
         it: run `PgStore::upgrade` with the URL of the server itself or of a pooler in session mode"
    )]
    Pooler(String),
}

/// Returns migrations with names in a namespace, such as `app/0001_workspaces`.
pub(super) fn in_namespace(
    namespace: &'static str,
    migrations: &[Migration],
) -> Result<Vec<Migration>, MigrateError> {
    let is_valid = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
    if namespace.is_empty() || namespace.len() > 64 || !namespace.bytes().all(is_valid) {
        return Err(MigrateError::Namespace(namespace));
    }
    let named = |own: &Migration| Migration {
        name: format!("{namespace}/{}", own.name).into(),
        ..own.clone()
    };
    Ok(migrations.iter().map(named).collect())
}

/// Returns the namespace of a name; `None` for the migrations of this crate.
fn namespace(name: &str) -> Option<&str> {
    name.split_once('/').map(|(namespace, _)| namespace)
}

/// Returns the pending migrations, given the applied ones of all namespaces.
pub(super) fn pending<'m>(
    all: &'m [Migration],
    applied: &[Applied],
) -> Result<Vec<&'m Migration>, MigrateError> {
    let own = all.first().and_then(|first| namespace(&first.name));
    for Applied { name, checksum, oldest_version } in applied {
        if namespace(name) != own {
            continue;
        }
        match all.iter().find(|known| known.name == **name) {
            Some(known) if known.checksum() != *checksum => {
                return Err(MigrateError::Changed(name.clone()));
            }
            Some(_) => {}
            None if is_at_least(env!("CARGO_PKG_VERSION"), oldest_version) => {
                tracing::info!(
                    migration = name,
                    oldest_version,
                    "the database has a compatible migration of a newer version"
                );
            }
            None => {
                let (name, oldest_version) = (name.clone(), oldest_version.clone());
                return Err(MigrateError::Unknown { name, oldest_version });
            }
        }
    }
    let is_applied = |name: &str| applied.iter().any(|done| done.name == name);
    Ok(all.iter().filter(|migration| !is_applied(&migration.name)).collect())
}

/// Returns `true` if a version is `oldest` or newer; `false` if one of them is not a version.
fn is_at_least(version: &str, oldest: &str) -> bool {
    let read = |version: &str| -> Option<[u64; 3]> {
        let core = version.split(['-', '+']).next()?;
        let parts: Result<Vec<u64>, _> = core.split('.').map(str::parse).collect();
        parts.ok()?.try_into().ok()
    };
    read(version).zip(read(oldest)).is_some_and(|(version, oldest)| version >= oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (version, oldest, is) in [
            ("0.1.0", "0.1.0", true),
            ("0.10.0", "0.9.1", true),
            ("0.1.0", "0.2.0", false),
            ("1.0.0-rc.1", "1.0.0", true),
            ("0.1.0", "", false),
            ("0.1.0", "0.1", false),
        ] {
            assert_eq!(is_at_least(version, oldest), is, "{version} {oldest}");
        }
    }

    #[test]
    fn statements_end_at_a_semicolon_at_the_end_of_a_line() {
        let text = "-- One; two.\nSELECT ';';\n\nSELECT\n    2;\n-- The end.\n";
        let found: Vec<_> = statements(text).collect();
        assert_eq!(found, ["-- One; two.\nSELECT ';';", "SELECT\n    2;"]);
    }
}
