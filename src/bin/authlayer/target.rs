//! The database of the command.

use std::{env, path::PathBuf};

use authlayer::{
    PgStore, PgStoreOptions, SqliteStore,
    sqlx::{self, Row},
    store::{Migration, StoreError},
};
use percent_encoding::percent_decode_str;

use crate::{args::Global, failure::Failure};

/// The database that an URL names.
pub(crate) enum Target {
    Sqlite(PathBuf),
    Postgres { url: String, is_pooled: bool },
}

/// An open database.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(SqliteStore),
    Postgres(PgStore),
}

/// Returns an option, or the value of an environment variable.
pub(crate) fn option(given: Option<&String>, variable: &str) -> Option<String> {
    let set = || env::var(variable).ok().filter(|value| !value.is_empty());
    given.cloned().or_else(set)
}

impl Target {
    /// Returns the database of the options. No error contains the URL, which may contain a password.
    pub(crate) fn of(global: &Global) -> Result<Self, Failure> {
        let forms = "expected sqlite:FILE or postgres://user:password@host/name";
        let url = option(global.database.as_ref(), "DATABASE_URL").ok_or_else(|| {
            Failure::usage(format!("no database: set DATABASE_URL or pass --database; {forms}"))
        })?;
        match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => {
                Ok(Self::Postgres { url, is_pooled: global.pooled })
            }
            Some(("sqlite", rest)) => {
                let rest = rest.strip_prefix("//").unwrap_or(rest);
                let path = rest.split_once('?').map_or(rest, |(path, _)| path);
                let path = percent_decode_str(path).decode_utf8();
                match path {
                    Ok(path) if !path.is_empty() && path != ":memory:" => {
                        Ok(Self::Sqlite(PathBuf::from(path.as_ref())))
                    }
                    _ => Err(Failure::usage(format!("the database URL names no file: {forms}"))),
                }
            }
            _ => Err(Failure::usage(format!("the database URL has another form: {forms}"))),
        }
    }

    /// Returns the migrations that the database lacks.
    pub(crate) async fn pending(&self) -> Result<Vec<Migration>, StoreError> {
        match self {
            Self::Sqlite(path) => SqliteStore::pending_migrations(path).await,
            Self::Postgres { url, .. } => PgStore::pending_migrations(url).await,
        }
    }

    /// Runs the migrations that the database lacks, and returns their names.
    pub(crate) async fn upgrade(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(path) => SqliteStore::upgrade(path).await,
            Self::Postgres { url, .. } => PgStore::upgrade(url).await,
        }
    }

    /// Returns migrations as a script.
    pub(crate) fn script(&self, migrations: &[Migration]) -> String {
        match self {
            Self::Sqlite(_) => SqliteStore::script_of(migrations),
            Self::Postgres { .. } => PgStore::script_of(migrations),
        }
    }

    /// Opens the database if it has all migrations of this version.
    pub(crate) async fn open(&self) -> Result<Database, Failure> {
        let pending = self.pending().await?;
        if let Some(first) = pending.first() {
            return Err(Failure::unavailable(
                "migrations_pending",
                format!(
                    "the database is older than this command: {} migrations are pending, the first one is \
                    {}. Run `authlayer migrate`, or use the version of the application",
                    pending.len(),
                    first.name
                ),
            ));
        }
        self.connect().await.map_err(Failure::from)
    }

    /// Opens the database. The caller has checked that no migration is pending.
    pub(crate) async fn connect(&self) -> Result<Database, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Database::Sqlite(SqliteStore::open(path).await?),
            Self::Postgres { url, is_pooled } => {
                let options = PgStoreOptions::new().max_connections(4);
                let options = if *is_pooled { options.pooled() } else { options };
                Database::Postgres(options.connect(url).await?)
            }
        })
    }
}

impl Database {
    /// Returns the number in the only row of a query.
    pub(crate) async fn number(&self, sql: &'static str) -> Result<i64, StoreError> {
        let query = sqlx::raw_sql(sql);
        match self {
            Self::Sqlite(store) => {
                query.fetch_one(store.pool()).await.and_then(|row| row.try_get(0))
            }
            Self::Postgres(store) => {
                query.fetch_one(store.pool()).await.and_then(|row| row.try_get(0))
            }
        }
        .map_err(StoreError::new)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}
