//! Checks at startup whether a pooler between this process and PostgreSQL supports what the store
//! requires: prepared statements and transactions.
//!
//! sqlx prepares a statement with one message to the server and executes it with a later one. In
//! transaction mode, a pooler may send each to another session of the server, in which the name of
//! the statement is unknown or refers to another statement. PgBouncer prepares it there first,
//! since version 1.21 and if `max_prepared_statements` is above 0. Other poolers fail, and only
//! under load.

use std::{pin::pin, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, Error, PgConnection, PgPool, Postgres, Row, SqlSafeStr, SqlStr,
    postgres::PgRow,
};
use tokio::time::timeout;

use super::{connections::Checkout, failure::has_code};
use crate::crypto::random;

/// The time limit of the whole check.
const LIMIT: Duration = Duration::from_secs(2);
/// With a pooler that has one connection to the server, the first connection waits for the second;
/// after this time the second one ends its transaction.
const WAIT: Duration = Duration::from_millis(250);
/// The number of transactions that the second connection starts, if there is a pooler.
const ATTEMPTS: u32 = 5;

macro_rules! advice {
    () => {
        ": set the database URL to the server itself, set the pooler to session mode with \
        `DISCARD ALL`, or use PgBouncer 1.21 or newer in transaction mode with \
        `max_prepared_statements` above 0; or open the store by `PgStore::pooled`, which takes four \
        round trips for each statement"
    };
}

const LOSES_STATEMENTS: &str = concat!(
    "a pooler distributes the statements of one connection among several sessions of the server, \
    and loses prepared statements",
    advice!()
);
const LOSES_TRANSACTIONS: &str =
    concat!("the pooler is in statement mode, which has no transactions", advice!());

/// The reason why a check ended early.
enum Stop {
    /// The pooler is not suitable for the store, for this reason.
    Unsuitable(&'static str),
    /// The check failed.
    Failed(Error),
}

/// Returns `true` if a pooler may run each transaction of a connection in another session of the
/// server; `false` if this cannot be determined, after a warning in the log.
///
/// The check opens and closes a second connection outside of the pool. Without a pooler, it takes
/// nine round trips and the time to connect.
///
/// # Errors
///
/// [`Error::Configuration`] if the pooler loses prepared statements or has no transactions.
pub(super) async fn shares_sessions(
    mut first: Checkout<Postgres>,
    pool: &PgPool,
) -> Result<bool, Error> {
    let checked = timeout(LIMIT, check(&mut first, pool)).await;
    let is_usable = !matches!(checked, Err(_) | Ok(Err(Stop::Failed(Error::Io(_)))));
    first.release(is_usable);
    let cause = match checked {
        Ok(Ok(is_shared)) => return Ok(is_shared),
        Ok(Err(Stop::Unsuitable(why))) => return Err(Error::Configuration(why.into())),
        Ok(Err(Stop::Failed(error))) => error.to_string(),
        Err(_) => format!("no response within {LIMIT:?}"),
    };
    tracing::warn!(
        cause,
        "cannot check whether a pooler in front of PostgreSQL supports prepared statements"
    );
    Ok(false)
}

/// Checks that the pooler has transactions, which is all that `PgStore::pooled` requires.
///
/// # Errors
///
/// [`Error::Configuration`] if it has none.
pub(super) async fn check_transactions(mut first: Checkout<Postgres>) -> Result<(), Error> {
    let checked = timeout(LIMIT, async {
        begin(&mut first).await?;
        sqlx::raw_sql("ROLLBACK").execute(&mut **first).await.map_err(Stop::Failed)
    });
    let checked = checked.await;
    first.release(matches!(checked, Ok(Ok(_))));
    match checked {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Stop::Unsuitable(why))) => Err(Error::Configuration(why.into())),
        Ok(Err(Stop::Failed(error))) => Err(error),
        Err(elapsed) => Err(Error::Io(elapsed.into())),
    }
}

async fn check(first: &mut PgConnection, pool: &PgPool) -> Result<bool, Stop> {
    let bytes = random::bytes().map_err(|error| Stop::Failed(Error::Configuration(error.into())));
    let mut probe = Probe::new(u64::from_ne_bytes(bytes?));
    probe.first = probe.prepared(first).await?;
    let second = PgConnection::connect_with(&pool.connect_options()).await;
    let mut second = second.map_err(Stop::Failed)?;
    let checked = probe.run(first, &mut second).await;
    let _ = second.close().await;
    checked
}

/// While the second connection is in a transaction, it has a session of the server to itself. If it
/// is the session in which the first connection prepared a statement, the first connection gets
/// another one.
struct Probe {
    nonce: String,
    /// Unique, since another process may use the same name for its statement.
    sql: SqlStr,
    /// The last session of the first connection.
    first: Session,
}

/// A session of the server. All times are in microseconds of the clock of the server.
#[derive(Clone, Copy, Default)]
struct Session {
    pid: i64,
    /// 0 if the role is not permitted to see it.
    started: i64,
    now: i64,
}

impl Probe {
    fn new(nonce: u64) -> Self {
        let nonce = nonce.to_string();
        let sql = AssertSqlSafe(identify(&format!("CAST($1 AS TEXT) = '{nonce}'")));
        Self { nonce, sql: sql.into_sql_str(), first: Session::default() }
    }

    async fn run(
        &mut self,
        first: &mut PgConnection,
        second: &mut PgConnection,
    ) -> Result<bool, Stop> {
        let before = self.first.now;
        let mut last: Option<Session> = None;
        let mut is_shared = false;
        for attempt in 0..ATTEMPTS {
            let held = begin(second).await?;
            is_shared |= last.is_some_and(|last| !last.is(held));
            let mut is_decided = false;
            if held.is(self.first) {
                // Statement names are the same on all connections: those that the pooler does not
                // replace exist already.
                is_shared = true;
                is_decided = true;
                if !self.prepared(second).await?.is(held) {
                    return Err(Stop::Unsuitable(LOSES_TRANSACTIONS));
                }
            }
            let again = self.prepared_beside(first, second).await?;
            if !again.is(self.first) {
                is_shared = true;
                is_decided = true;
                self.first = again;
            }
            // Otherwise two sessions that are used in turns look like those of two connections: the
            // pooler takes the one that was released last, and this time the first connection asks.
            if !is_decided && attempt % 2 == 1 {
                let after = self.prepared(first).await?;
                if !after.is(self.first) {
                    is_shared = true;
                    is_decided = true;
                    self.first = after;
                }
            }
            // Without a pooler, the session starts with its connection.
            let is_direct = !is_shared && last.is_some() && held.started > before;
            if is_decided || is_direct {
                break;
            }
            last = Some(held);
        }
        Ok(is_shared)
    }

    /// Executes the statement on the first connection while the second one is in a transaction,
    /// which then ends.
    async fn prepared_beside(
        &self,
        first: &mut PgConnection,
        second: &mut PgConnection,
    ) -> Result<Session, Stop> {
        let mut again = pin!(self.prepared(first));
        let done = timeout(WAIT, again.as_mut()).await;
        let ended = sqlx::raw_sql("ROLLBACK").execute(second).await;
        let session = match done {
            Ok(done) => done?,
            Err(_) => again.await?,
        };
        ended.map_err(Stop::Failed)?;
        Ok(session)
    }

    /// Executes the statement, after preparing it if the connection has not done so.
    async fn prepared(&self, connection: &mut PgConnection) -> Result<Session, Stop> {
        let query = sqlx::query(self.sql.clone()).bind(&self.nonce);
        let row = query.fetch_one(connection).await.map_err(|error| match error {
            error if is_lost(&error) => Stop::Unsuitable(LOSES_STATEMENTS),
            Error::RowNotFound => Stop::Unsuitable(LOSES_STATEMENTS),
            error => Stop::Failed(error),
        })?;
        // A statement of another connection has other columns or another nonce.
        match (row.try_get::<bool, _>(0), Session::read(&row)) {
            (Ok(true), Ok(session)) => Ok(session),
            _ => Err(Stop::Unsuitable(LOSES_STATEMENTS)),
        }
    }
}

impl Session {
    fn read(row: &PgRow) -> Result<Self, Error> {
        Ok(Self { pid: row.try_get(1)?, started: row.try_get(2)?, now: row.try_get(3)? })
    }

    /// Compares the start times too: two servers behind one address may have equal process ids.
    fn is(self, other: Self) -> bool {
        (self.pid, self.started) == (other.pid, other.started)
    }
}

/// Starts a transaction, without a prepared statement.
async fn begin(connection: &mut PgConnection) -> Result<Session, Stop> {
    let sql = sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {}", identify("true"))));
    let rows = sql.fetch_all(connection).await.map_err(|error| match error {
        error if rejects_transactions(&error) => Stop::Unsuitable(LOSES_TRANSACTIONS),
        error => Stop::Failed(error),
    })?;
    let row = rows.first().ok_or(Stop::Failed(Error::RowNotFound))?;
    Session::read(row).map_err(Stop::Failed)
}

fn identify(first: &str) -> String {
    let microseconds = |time: &str| format!("CAST(EXTRACT(EPOCH FROM {time}) * 1000000 AS BIGINT)");
    format!(
        "SELECT {first}, CAST(own AS BIGINT), COALESCE({}, 0), {} \
        FROM (SELECT pg_backend_pid() AS own) o LEFT JOIN pg_stat_activity a ON a.pid = own",
        microseconds("backend_start"),
        microseconds("clock_timestamp()"),
    )
}

/// Returns `true` for `invalid_sql_statement_name`, `duplicate_prepared_statement`, and a statement
/// of the same name with other columns, parameters or types.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Database(reported) => {
            has_code(error, &["26000", "42P05", "22P03"])
                || has_code(error, &["08P01"]) && reported.message().contains("\"sqlx_s_")
        }
        _ => false,
    }
}

/// PgBouncer has a single code for all of its errors.
fn rejects_transactions(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().contains("statement pooling"))
}
