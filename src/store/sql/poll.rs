//! Hearing of changes that other connections made: `PRAGMA data_version` on SQLite.
//!
//! The number on a connection changes when another one, of this process or of another, has
//! written to the file. While requests come it is read every few hundredths of a second; where
//! it was not, nothing that is kept counts any more.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Error, Row, SqliteConnection, SqlitePool, sqlite::SqliteConnectOptions,
};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{Hearing, SqliteStore};
use crate::store::Changes;

const EVERY: Duration = Duration::from_millis(40);
const LEASE: Duration = Duration::from_millis(100);
/// After so many reads that nobody asked for, one waits to be asked.
const IDLE: u32 = 25;
const AGAIN: Duration = Duration::from_secs(1);
const VERSION: &str = "PRAGMA data_version";

pub(super) fn hear(store: &SqliteStore) {
    let Ok(runtime) = Handle::try_current() else { return };
    let (changes, pool) = (Arc::downgrade(&store.changes), store.writer.clone());
    let beside =
        (store.hearing == Hearing::Beside).then(|| store.writer.connect_options().as_ref().clone());
    runtime.spawn(keep_hearing(changes, pool, beside));
}

async fn keep_hearing(
    changes: Weak<Changes>,
    pool: SqlitePool,
    beside: Option<SqliteConnectOptions>,
) {
    let mut own = None;
    let mut last = None;
    let mut idle = 0;
    while let Some(changes) = changes.upgrade() {
        if pool.is_closed() {
            return changes.end_lease();
        }
        idle = if changes.was_asked() { 0 } else { idle + 1 };
        if idle > IDLE && timeout(AGAIN, changes.wanted()).await.is_err() {
            continue;
        }
        let from = changes.now();
        let version = match &beside {
            None => of_pool(&pool).await,
            Some(options) => of_own(&mut own, options).await,
        };
        match version {
            Ok(version) => {
                if last.replace(version) != Some(version) {
                    changes.everything();
                }
                changes.lease(from, LEASE);
            }
            Err(error) => {
                changes.end_lease();
                own = None;
                if !pool.is_closed() {
                    tracing::warn!(cause = %error, "changes of other processes are not seen; each request asks the database");
                }
                sleep(AGAIN).await;
            }
        }
        drop(changes);
        sleep(EVERY).await;
    }
}

async fn of_pool(pool: &SqlitePool) -> Result<i64, Error> {
    sqlx::query(VERSION).fetch_one(pool).await?.try_get(0)
}

async fn of_own(
    own: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
) -> Result<i64, Error> {
    let connection = match own {
        Some(connection) => connection,
        None => own.insert(options.connect().await?),
    };
    sqlx::query(VERSION).fetch_one(connection).await?.try_get(0)
}
