//! Hearing of changes that other nodes made: LISTEN on PostgreSQL.
//!
//! Triggers tell of every change of a session or a user in the transaction that makes it
//! (`migrations/0007_changes_postgres.sql`). One connection beside the pool listens. It is asked
//! whether it still stands four times a second; where it was not heard of for a second, or at
//! once when it breaks, nothing that is kept counts any more.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use sqlx::{
    Error, Row,
    postgres::{PgListener, PgPoolOptions, Postgres},
};
use tokio::{
    runtime::Handle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{Connections, Db, PgStore, StoreError, postgres::refuse_read_only};
use crate::store::Changes;

const EVERY: Duration = Duration::from_millis(250);
const LEASE: Duration = Duration::from_secs(1);
/// For an answer of the connection, and for the first message.
const PATIENCE: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(500);
/// For opening the connection that listens.
const CONNECT: Duration = Duration::from_secs(5);

pub(super) fn hear(store: &PgStore) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(keep_hearing(Arc::downgrade(&store.changes), store.writer.clone()));
    }
}

async fn keep_hearing(changes: Weak<Changes>, connections: Connections<Postgres>) {
    let pool = &connections.pool;
    let mut is_told = false;
    while changes.strong_count() > 0 && !pool.is_closed() {
        let ended = hear_on(&changes, &connections).await;
        let Some(changes) = changes.upgrade() else { return };
        changes.end_lease();
        if let (Err(error), false, false) = (&ended, pool.is_closed(), is_told) {
            is_told = true;
            tracing::warn!(cause = %error, "changes of other nodes are not heard of; each request asks the database");
        }
        drop(changes);
        sleep(AGAIN).await;
    }
}

/// Comes back when nobody wants to hear any more, or with what broke.
async fn hear_on(
    changes: &Weak<Changes>,
    connections: &Connections<Postgres>,
) -> Result<(), StoreError> {
    let pool = &connections.pool;
    let row =
        Postgres::fetch_optional(connections.access(), "SELECT auth_channel()".into(), Vec::new());
    let row = row.await.and_then(|row| row.ok_or(Error::RowNotFound)).map_err(StoreError::new)?;
    let channel: String = row.try_get(0).map_err(StoreError::new)?;
    let options = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT)
        .idle_timeout(None)
        .max_lifetime(None);
    let connect = pool.connect_options().as_ref().clone().application_name(&channel);
    let own = Connections::unlimited(options.connect_lazy_with(connect));
    let listener = PgListener::connect_with(&own.pool).await;
    let mut listener = match listener {
        Ok(listener) => listener,
        Err(error) => return Err(StoreError::new(own.access().explain(error).await)),
    };
    listener.eager_reconnect(false);
    let mut from = begin(changes, connections, &channel, &mut listener).await?;
    let mut due = interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(changes) = changes.upgrade() {
        changes.lease(from, LEASE);
        let ask = tokio::select! {
            message = listener.try_recv() => {
                let message = message.map_err(StoreError::new)?;
                tell(&changes, message.ok_or_else(|| StoreError::new(Error::WorkerCrashed))?.payload());
                false
            }
            _ = due.tick() => changes.was_asked(),
            () = changes.wanted() => true,
        };
        if pool.is_closed() {
            return Ok(());
        }
        if ask {
            from = changes.now();
            stands(&mut listener).await?;
            while let Some(message) = listener.next_buffered() {
                tell(&changes, message.payload());
            }
        }
    }
    Ok(())
}

/// Listens, and makes sure that what is said on one connection arrives on another: behind a
/// pooler that lends connections for a transaction it does not.
async fn begin(
    changes: &Weak<Changes>,
    connections: &Connections<Postgres>,
    channel: &str,
    listener: &mut PgListener,
) -> Result<u64, StoreError> {
    let listening = timeout(PATIENCE, listener.listen(channel)).await;
    listening.map_err(StoreError::new)?.map_err(StoreError::new)?;
    stands(listener).await?;
    let Some(changes) = changes.upgrade() else { return Ok(0) };
    let from = changes.now();
    let greeting = "SELECT pg_notify($1, '')";
    let args = vec![channel.into()];
    let greeted = Postgres::execute(connections.access(), greeting.into(), args).await;
    greeted.map_err(StoreError::new)?;
    let heard = timeout(PATIENCE, listener.try_recv()).await.map_err(StoreError::new)?;
    if heard.map_err(StoreError::new)?.is_none() {
        return Err(StoreError::new(Error::WorkerCrashed));
    }
    // What was changed before is not known.
    changes.everything();
    Ok(from)
}

/// Checks that the connection answers, and that its server still accepts writes: one that lost
/// its role in a failover is not notified of changes.
async fn stands(listener: &mut PgListener) -> Result<(), StoreError> {
    let checked = timeout(PATIENCE, refuse_read_only(listener)).await;
    checked.map_err(StoreError::new)?.map_err(StoreError::new)
}

fn tell(changes: &Changes, what: &str) {
    let session = |id: &str| id.parse().ok().map(|id| changes.session(id));
    match (what.strip_prefix('u'), what.strip_prefix('s')) {
        _ if what.is_empty() => {}
        (Some(id), _) => changes.user(&crate::model::UserId::new(id)),
        (None, Some(id)) if session(id).is_some() => {}
        _ => changes.everything(),
    }
}
