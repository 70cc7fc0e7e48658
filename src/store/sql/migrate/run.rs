//! Runs migrations, in one process at a time; other processes wait.
//!
//! A process does not wait for the lock inside of a statement. A waiting statement has a snapshot,
//! and `CREATE INDEX CONCURRENTLY` in the process with the lock waits for all snapshots.

use std::time::Duration;

use super::migration::{
    Applied, MigrateError, Migration, MigrationKind, pending, statements, table,
};
use crate::store::sql::{
    db::{Arg, Db},
    failure::{is_deadlock, is_forbidden, is_locked},
    pool::Connections,
};

/// Maximum attempts of a migration that does not get its locks.
const MAX_ATTEMPTS: u32 = 30;
/// The pause between two attempts. Between two checks of whether another process has finished, the
/// pause doubles up to `MAX_PAUSE`: on PostgreSQL each check may need a connection.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// The maximum time for which requests queue behind a migration that waits for a table. Outside of
/// transactions, a waiting statement does not block others.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";
const NO_TIMEOUT: &str = "SET statement_timeout = 0; SET lock_timeout = 0";
const NO_LOCAL_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";

/// Uses the search path; `IF NOT EXISTS` would require the privilege to create the table.
const EXISTS: &str = "SELECT CAST(to_regclass('auth_migrations') AS TEXT)";
const EXISTS_SQLITE: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'auth_migrations'";
const APPLIED: &str = "SELECT name, checksum, oldest_version FROM auth_migrations ORDER BY name";
const RECORD: &str = "INSERT INTO auth_migrations (name, checksum, applied_at, oldest_version)
    VALUES ($1, $2, $3, $4)";

macro_rules! try_lock {
    ($function:literal) => {
        concat!("SELECT CAST(CASE WHEN ", $function, "(7021850472195441512) THEN 1 END AS BIGINT)")
    };
}

const TRY_LOCK: &str = try_lock!("pg_try_advisory_xact_lock");
const TRY_SESSION_LOCK: &str = try_lock!("pg_try_advisory_lock");

/// Runs the pending migrations, and returns their names.
pub(in crate::store::sql) async fn run<DB: Db>(
    connections: &Connections<DB>,
    all: &[Migration],
    now: i64,
) -> Result<Vec<String>, MigrateError> {
    // Migrations have no time limit, but the check for pending ones has.
    let unlimited = Connections { limit: None, ..connections.clone() };
    let mut done = Vec::new();
    let mut attempts = 0;
    let mut pause = PAUSE;
    loop {
        // A role with privileges only on data can start if no migration is pending.
        let next = if DB::IS_POSTGRES {
            let applied = applied_there(connections).await?;
            pending(all, &applied)?.first().map(|next| (*next).clone())
        } else {
            None
        };
        if DB::IS_POSTGRES && next.is_none() {
            return Ok(done);
        }
        let outcome = match next {
            Some(next) if next.kind != MigrationKind::Transaction => {
                outside(&unlimited, all, &next, now).await
            }
            _ => in_transaction(&unlimited, all, now).await,
        };
        match outcome {
            Ok(Outcome::Done) => return Ok(done),
            Ok(Outcome::Ran(names)) => {
                (attempts, pause) = (0, PAUSE);
                done.extend(names);
            }
            Ok(Outcome::Busy) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
            Err(MigrateError::Failed(name, error)) if is_locked(&error) || is_deadlock(&error) => {
                attempts += 1;
                if attempts == MAX_ATTEMPTS {
                    return Err(MigrateError::Locked(name, attempts, error));
                }
                tracing::warn!(
                    migration = name,
                    attempts,
                    cause = %error,
                    "the migration did not get its locks and will be retried"
                );
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

enum Outcome {
    /// No migration is pending.
    Done,
    /// These migrations ran; there may be more.
    Ran(Vec<String>),
    /// Another process runs migrations.
    Busy,
}

/// Runs migrations in a transaction. In an empty database, all of them, so that it is complete or
/// remains empty; otherwise one migration, so that its locks are released before the next one.
///
/// On SQLite other processes wait for the write lock of the transaction, so every kind runs here.
/// [`MigrationKind::Batches`] runs one batch at a time, so that others can write in between.
async fn in_transaction<DB: Db>(
    connections: &Connections<DB>,
    all: &[Migration],
    now: i64,
) -> Result<Outcome, MigrateError> {
    let mut connection = connections.access().connection().await?;
    let ran = try_in_transaction::<DB>(&mut connection, all, now).await;
    connection.release(ran.is_ok());
    ran
}

async fn try_in_transaction<DB: Db>(
    connection: &mut DB::Connection,
    all: &[Migration],
    now: i64,
) -> Result<Outcome, MigrateError> {
    let mut transaction = DB::begin(connection).await?;
    if DB::IS_POSTGRES {
        let locked = DB::rows(&mut transaction, TRY_LOCK.into(), Vec::new()).await?;
        if !has_number::<DB>(&locked)? {
            return Ok(Outcome::Busy);
        }
        DB::batch(&mut transaction, NO_LOCAL_TIMEOUT.to_owned()).await?;
    }
    let there = !DB::IS_POSTGRES || has_text::<DB>(&rows::<DB>(&mut transaction, EXISTS).await?)?;
    if !there || !DB::IS_POSTGRES {
        let made = DB::batch(&mut transaction, table::<DB>().to_owned()).await;
        made.map_err(|error| forbidden("create auth_migrations", error))?;
    }
    let applied = read::<DB>(&rows::<DB>(&mut transaction, APPLIED).await?)?;
    let pending = pending(all, &applied)?;
    let Some(first) = pending.first() else {
        transaction.commit().await?;
        return Ok(Outcome::Done);
    };
    if DB::IS_POSTGRES && first.kind != MigrationKind::Transaction {
        transaction.commit().await?;
        return Ok(Outcome::Busy);
    }
    if first.kind == MigrationKind::Batches {
        let is_done = !run_batch::<DB>(&mut transaction, first).await?;
        let mut names = Vec::new();
        if is_done {
            record::<DB>(&mut transaction, first, now).await?;
            names.push(first.name.clone().into_owned());
        }
        transaction.commit().await?;
        return Ok(Outcome::Ran(names));
    }
    let is_empty = applied.is_empty();
    let at_most = if is_empty { pending.len() } else { 1 };
    let mut names = Vec::new();
    if DB::IS_POSTGRES {
        DB::batch(&mut transaction, LOCK_TIMEOUT.to_owned()).await?;
    }
    for migration in pending.into_iter().take(at_most) {
        let is_separate = match migration.kind {
            MigrationKind::Transaction => false,
            MigrationKind::Outside => DB::IS_POSTGRES && !is_empty,
            MigrationKind::Batches => true,
        };
        if is_separate {
            break;
        }
        let sql = match is_empty {
            true => migration.sql_of_empty_database(),
            false => migration.sql.clone().into_owned(),
        };
        let ran = DB::batch(&mut transaction, sql).await;
        ran.map_err(|error| failed(migration, error))?;
        record::<DB>(&mut transaction, migration, now).await?;
        names.push(migration.name.clone().into_owned());
    }
    transaction.commit().await?;
    Ok(Outcome::Ran(names))
}

/// Runs the first statement of a back-fill that changes a row, once. Returns `false` if none does.
async fn run_batch<DB: Db>(
    connection: &mut DB::Connection,
    migration: &Migration,
) -> Result<bool, MigrateError> {
    for statement in statements(&migration.sql) {
        let ran = DB::batch(connection, statement.to_owned()).await;
        if ran.map_err(|error| failed(migration, error))? != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs one migration outside of a transaction, on PostgreSQL. The lock is released with the
/// connection, which is always closed afterwards.
async fn outside<DB: Db>(
    connections: &Connections<DB>,
    all: &[Migration],
    migration: &Migration,
    now: i64,
) -> Result<Outcome, MigrateError> {
    if connections.shares_sessions {
        return Err(MigrateError::Pooler(migration.name.clone().into_owned()));
    }
    let mut connection = connections.access().acquire().await?;
    connection.close_on_drop();
    if !has_number::<DB>(&rows::<DB>(&mut connection, TRY_SESSION_LOCK).await?)? {
        return Ok(Outcome::Busy);
    }
    let applied = read::<DB>(&rows::<DB>(&mut connection, APPLIED).await?)?;
    if pending(all, &applied)?.first().is_none_or(|next| next.name != migration.name) {
        return Ok(Outcome::Busy);
    }
    DB::batch(&mut connection, NO_TIMEOUT.to_owned()).await?;
    for statement in statements(&migration.sql) {
        loop {
            let ran = DB::batch(&mut connection, statement.to_owned()).await;
            let changed = ran.map_err(|error| failed(migration, error))?;
            if migration.kind != MigrationKind::Batches || changed == 0 {
                break;
            }
        }
    }
    record::<DB>(&mut connection, migration, now).await?;
    Ok(Outcome::Ran(vec![migration.name.clone().into_owned()]))
}

async fn record<DB: Db>(
    connection: &mut DB::Connection,
    migration: &Migration,
    now: i64,
) -> Result<(), MigrateError> {
    let args = vec![
        migration.name.clone().into_owned().into(),
        migration.checksum().into(),
        now.into(),
        migration.oldest_version.clone().into_owned().into(),
    ];
    let recorded = DB::rows(connection, RECORD.into(), args).await;
    recorded.map(drop).map_err(|error| failed(migration, error))
}

/// Returns the pending migrations, without a change of the database.
pub(super) async fn pending_there<DB: Db>(
    connections: &Connections<DB>,
    all: &[Migration],
) -> Result<Vec<Migration>, MigrateError> {
    let applied = applied_there(connections).await?;
    Ok(pending(all, &applied)?.into_iter().cloned().collect())
}

/// Returns the recorded migrations; empty if there is no such table.
async fn applied_there<DB: Db>(
    connections: &Connections<DB>,
) -> Result<Vec<Applied>, MigrateError> {
    let fetch = |sql: &'static str| DB::fetch_all(connections.access(), sql.into(), Vec::new());
    if !has_text::<DB>(&fetch(DB::pick(EXISTS_SQLITE, EXISTS)).await?)? {
        return Ok(Vec::new());
    }
    let rows = fetch(APPLIED).await;
    read::<DB>(&rows.map_err(|error| forbidden("read auth_migrations", error))?)
}

fn read<DB: Db>(rows: &[DB::Row]) -> Result<Vec<Applied>, MigrateError> {
    let read = |row: &DB::Row| {
        let text = |at| DB::text(row, at).map(|text| text.unwrap_or_default().to_owned());
        Ok(Applied { name: text(0)?, checksum: text(1)?, oldest_version: text(2)? })
    };
    rows.iter().map(read).collect()
}

async fn rows<DB: Db>(
    connection: &mut DB::Connection,
    sql: &'static str,
) -> Result<Vec<DB::Row>, sqlx::Error> {
    DB::rows(connection, sql.into(), Vec::<Arg>::new()).await
}

fn has_text<DB: Db>(rows: &[DB::Row]) -> Result<bool, sqlx::Error> {
    rows.first().map_or(Ok(false), |row| DB::text(row, 0).map(|text| text.is_some()))
}

fn has_number<DB: Db>(rows: &[DB::Row]) -> Result<bool, sqlx::Error> {
    rows.first().map_or(Ok(false), |row| DB::int(row, 0).map(|number| number.is_some()))
}

fn failed(migration: &Migration, error: sqlx::Error) -> MigrateError {
    match forbidden(&format!("run the migration {}", migration.name), error) {
        MigrateError::Sql(error) => {
            MigrateError::Failed(migration.name.clone().into_owned(), error)
        }
        forbidden => forbidden,
    }
}

/// Returns an error that names the missing privilege, for `insufficient_privilege` of PostgreSQL.
fn forbidden(what: &str, error: sqlx::Error) -> MigrateError {
    if is_forbidden(&error) {
        MigrateError::Forbidden(what.to_owned(), error)
    } else {
        MigrateError::Sql(error)
    }
}
