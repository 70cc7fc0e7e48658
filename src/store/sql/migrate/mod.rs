//! Migrations of the tables of this crate, recorded in one of them.

mod migration;
mod run;

pub use migration::{MigrateError, Migration, MigrationKind};
use migration::{in_namespace, table};

use super::{Db, SqlStore, StoreError, pool::Connections};
use crate::clock::{Clock, SystemClock};

impl<DB: Db> SqlStore<DB> {
    /// Returns the migrations of this version, in the order in which they run.
    pub fn migrations() -> Vec<Migration> {
        all::<DB>()
    }

    /// Returns a script that creates the tables in an empty database and records the migrations,
    /// for a review or for a tool that applies all changes of a database.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use authlayer::SqliteStore;
    /// assert!(SqliteStore::migration_script().contains("CREATE TABLE auth_users"));
    /// # }
    /// ```
    pub fn migration_script() -> String {
        script::<DB>(&all::<DB>())
    }

    /// Returns a script that applies migrations to a database and records them, such as the pending
    /// ones of `pending_migrations`. On PostgreSQL, the indexes of a database that has tables already are
    /// built `CONCURRENTLY`, outside of a transaction.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use authlayer::SqliteStore;
    /// assert_eq!(SqliteStore::script_of(&[]), "");
    /// # }
    /// ```
    pub fn script_of(pending: &[Migration]) -> String {
        script::<DB>(pending)
    }

    /// Runs the pending migrations of a flow outside of this crate or of the application, in order,
    /// under the lock of this crate's own migrations. Each is recorded as `namespace/name` in
    /// `auth_migrations`; the text of a recorded migration must not change.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
    /// use authlayer::{SqliteStore, store::{Migration, MigrationKind::Transaction}};
    ///
    /// let store = SqliteStore::open("app.db").await?;
    /// let sql = "CREATE TABLE workspaces (owner_id TEXT NOT NULL, name TEXT)";
    /// store.migrate("app", &[Migration::new("0001_workspaces", Transaction, sql)]).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] with a [`MigrateError`]: the namespace is not made of lowercase letters,
    /// digits, `-` and `_`, a migration fails, or it was applied with another text.
    pub async fn migrate(
        &self,
        namespace: &'static str,
        migrations: &[Migration],
    ) -> Result<(), StoreError> {
        let all = in_namespace(namespace, migrations).map_err(StoreError::new)?;
        if !all.is_empty() {
            run_now(&self.writer, &all).await?;
        }
        Ok(())
    }

    /// Runs the migrations of a list, for tests.
    #[doc(hidden)]
    pub async fn run_migrations(&self, all: &[Migration]) -> Result<Vec<String>, StoreError> {
        run_now(&self.writer, all).await
    }
}

/// Returns the pending migrations of a database, which is not changed.
pub(super) async fn pending<DB: Db>(
    connections: &Connections<DB>,
) -> Result<Vec<Migration>, StoreError> {
    run::pending_there(connections, &all::<DB>()).await.map_err(StoreError::new)
}

/// Runs the pending migrations without a time limit, and returns their names.
pub(super) async fn run_now<DB: Db>(
    connections: &Connections<DB>,
    all: &[Migration],
) -> Result<Vec<String>, StoreError> {
    run::run(connections, all, SystemClock.now().as_millisecond()).await.map_err(StoreError::new)
}

macro_rules! migration {
    ($name:literal, $sqlite:literal, $postgres:literal) => {
        migration!(Transaction: $name, $sqlite, $postgres)
    };
    ($kind:ident: $name:literal, $sqlite:literal, $postgres:literal) => {
        (
            $name,
            MigrationKind::$kind,
            include_str!(concat!("../../../../migrations/", $sqlite, ".sql")),
            include_str!(concat!("../../../../migrations/", $postgres, ".sql")),
        )
    };
    ($name:literal) => {
        migration!($name, $name, $name)
    };
}

/// Each migration with its name and kind, and its text for SQLite and for PostgreSQL.
///
/// A published file must not change: see `migrations/SHA256SUMS`.
const ALL: &[(&str, MigrationKind, &str, &str)] = &[
    migration!("0001_core"),
    migration!("0002_proofs"),
    migration!("0003_identities"),
    migration!("0004_standing"),
    migration!("0005_api_keys"),
    migration!("0006_events"),
    migration!("0006_key_collation", "0006_key_collation_sqlite", "0006_key_collation_postgres"),
    migration!("0007_changes", "0007_changes_sqlite", "0007_changes_postgres"),
    migration!("0008_factor_names"),
    migration!("0009_begun", "0009_begun_sqlite", "0009_begun_postgres"),
    migration!("0010_deleted_users", "0010_deleted_users_sqlite", "0010_deleted_users_postgres"),
    migration!("0011_event_clients"),
    migration!("0012_usernames", "0012_usernames_sqlite", "0012_usernames_postgres"),
    migration!(
        Outside: "0013_username_index",
        "0013_username_index_sqlite",
        "0013_username_index_postgres"
    ),
    migration!("0014_event_actors", "0014_event_actors_sqlite", "0014_event_actors_postgres"),
    migration!("0015_outbox", "0015_outbox_sqlite", "0015_outbox_postgres"),
    migration!("0016_tags", "0016_tags_sqlite", "0016_tags_postgres"),
    migration!("0017_user_roles", "0017_user_roles_sqlite", "0017_user_roles_postgres"),
    migration!(
        Outside: "0018_user_search",
        "0018_user_search_sqlite",
        "0018_user_search_postgres"
    ),
    migration!("0019_impersonation", "0019_impersonation_sqlite", "0019_impersonation_postgres"),
    migration!("0020_signing_keys"),
    migration!("0021_device_grant", "0021_device_grant_sqlite", "0021_device_grant_postgres"),
    migration!("0022_bindings"),
];

/// Returns the migrations of an engine, in order.
pub(super) fn all<DB: Db>() -> Vec<Migration> {
    let all = ALL.iter().map(|&(name, kind, sqlite, postgres)| {
        Migration::new(name, kind, DB::pick(sqlite, postgres))
    });
    all.collect()
}

/// Returns migrations as one script, with the table that records them if these are all.
fn script<DB: Db>(migrations: &[Migration]) -> String {
    let is_empty = migrations.len() == ALL.len();
    let table = is_empty.then(|| format!("{};\n", table::<DB>()));
    let scripts = migrations.iter().map(|own| own.script::<DB>(is_empty));
    Vec::from_iter(table.into_iter().chain(scripts)).join("\n")
}

/// Returns `true` if this is a table of this crate.
pub(super) fn is_ours(table: &str) -> bool {
    let made = |text: &str| text.contains(&format!("CREATE TABLE {table} "));
    table == "auth_migrations" || ALL.iter().any(|(_, _, text, _)| made(text))
}
