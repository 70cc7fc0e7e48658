//! Polls the table of changes on PostgreSQL.
//!
//! Triggers insert a row for every change of a session or a user, in the transaction that makes it
//! (`migrations/0007_changes_postgres.sql`). Transactions commit in a different order than they
//! start, so the position of a poll is a snapshot: the next poll reads the rows that were not
//! visible to it.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, Error, PgConnection, Postgres, Row};
use tokio::time::timeout;

use super::{News, Source};
use crate::store::{
    InvalidationClock,
    sql::{
        Db, StoreError,
        pool::{Access, Connections},
    },
};

const PAUSE: Duration = Duration::from_millis(40);
const LEASE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A poll with more rows than this counts as a change of everything.
const MAX_CHANGES: usize = 10_000;
/// Returns the schema of the tables, which is the same for all connections of the pool. The
/// connection that polls does not belong to the pool, and may have another search path.
const SCHEMA: &str = "SELECT quote_ident(nspname) FROM pg_namespace WHERE oid = (
    SELECT relnamespace FROM pg_class WHERE oid = CAST('auth_changes' AS regclass))";

pub(in crate::store::sql) fn spawn(
    changes: &Arc<InvalidationClock>,
    writer: Access<'_, Postgres>,
    _is_beside: bool,
) {
    super::spawn(changes, ChangeTable::new(writer.connections.clone()));
}

/// Reads the table on a connection outside of the pool, so that a poll never waits for requests.
struct ChangeTable {
    pool: Connections<Postgres>,
    own: Option<Own>,
}

/// A connection, and the position of its last poll.
struct Own {
    connection: PgConnection,
    /// Begins each poll through a pooler that changes the session of the server.
    begin: Option<Arc<str>>,
    position: Position,
}

struct Position {
    poll: Arc<str>,
    begin_epoch: Arc<str>,
    epoch: String,
    snapshot: String,
    is_named: bool,
}

impl ChangeTable {
    fn new(pool: Connections<Postgres>) -> Self {
        Self { pool, own: None }
    }

    async fn open(&self) -> Result<Own, Error> {
        let row = Postgres::fetch_optional(self.pool.access(), SCHEMA.into(), Vec::new()).await?;
        let schema: String = row.ok_or(Error::RowNotFound)?.try_get(0)?;
        let options = self.pool.pool.connect_options().as_ref().clone();
        let options = options.application_name(&format!("authlayer: changes in {schema}"));
        let connection = PgConnection::connect_with(&options).await?;
        Ok(Own {
            connection,
            begin: self.pool.pooled.clone(),
            position: Position {
                poll: poll_sql(&schema).into(),
                begin_epoch: begin_epoch_sql(&schema).into(),
                // An epoch is never empty, so the first poll finds a different one.
                epoch: String::new(),
                snapshot: "1:1:".to_owned(),
                is_named: self.pool.pooled.is_none(),
            },
        })
    }
}

impl Source for ChangeTable {
    const PAUSE: Duration = PAUSE;
    const LEASE: Duration = LEASE;

    fn is_closed(&self) -> bool {
        self.pool.pool.is_closed()
    }

    async fn poll(&mut self) -> Result<News, StoreError> {
        // A connection whose poll fails or times out is closed, since its position is not known.
        let mut own = match self.own.take() {
            Some(own) => own,
            None => within(CONNECT_TIMEOUT, self.open()).await?,
        };
        let news = within(TIMEOUT, own.poll()).await?;
        self.own = Some(own);
        Ok(news)
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    timeout(limit, work).await.map_err(StoreError::new)?.map_err(StoreError::new)
}

impl Own {
    async fn poll(&mut self) -> Result<News, Error> {
        let Some(begin) = &self.begin else {
            return self.position.poll(&mut self.connection).await;
        };
        let begin = sqlx::AssertSqlSafe(Arc::clone(begin));
        let mut transaction = self.connection.begin_with(begin).await?;
        let news = self.position.poll(&mut transaction).await?;
        transaction.commit().await?;
        Ok(news)
    }
}

impl Position {
    async fn poll(&mut self, connection: &mut PgConnection) -> Result<News, Error> {
        loop {
            let query = sqlx::query(sqlx::AssertSqlSafe(Arc::clone(&self.poll)));
            let query = query.bind(&*self.epoch).bind(&*self.snapshot);
            let row = query.persistent(self.is_named).fetch_one(&mut *connection).await?;
            if row.try_get("is_read_only")? {
                return Err(Error::Configuration("the server is read-only".into()));
            }
            let Some(epoch) = row.try_get::<Option<String>, _>("epoch")? else {
                let begin = sqlx::query(sqlx::AssertSqlSafe(Arc::clone(&self.begin_epoch)));
                begin.persistent(self.is_named).execute(&mut *connection).await?;
                continue;
            };
            (self.epoch, self.snapshot) = (epoch, row.try_get("snapshot")?);
            return Ok(match row.try_get::<Option<Vec<String>>, _>("changed")? {
                Some(changed) if changed.len() <= MAX_CHANGES => News::InvalidationClock(changed),
                _ => News::Everything,
            });
        }
    }
}

/// Returns the query of a poll. `changed` is `NULL` if rows may be missing: the epoch is not `$1`,
/// or rows that were not visible to the snapshot `$2` may have been deleted.
fn poll_sql(schema: &str) -> String {
    let last = "CAST($2 AS pg_snapshot)";
    format!(
        "SELECT CAST(pg_current_snapshot() AS TEXT) AS snapshot, e.epoch,
            pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
            CASE WHEN e.epoch = $1 AND e.removed_below <= pg_snapshot_xmin({last}) THEN ARRAY(
                (SELECT changed FROM {schema}.auth_changes WHERE xact >= pg_snapshot_xmax({last})
                    ORDER BY xact LIMIT {MAX_CHANGES} + 1)
                UNION ALL
                (SELECT changed FROM {schema}.auth_changes
                    WHERE xact = ANY(ARRAY(SELECT pg_snapshot_xip({last})))
                    ORDER BY xact LIMIT {MAX_CHANGES} + 1)) END AS changed
        FROM (SELECT 1) AS one LEFT JOIN {schema}.auth_change_epoch e ON e.is_only"
    )
}

/// Returns the insert of the epoch, which is missing after a crash or a failover, because they
/// empty the table.
fn begin_epoch_sql(schema: &str) -> String {
    format!("INSERT INTO {schema}.auth_change_epoch DEFAULT VALUES ON CONFLICT DO NOTHING")
}
