//! Events in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;

use super::{
    Db, SqlStore,
    row::{Reader, json_text},
};
use crate::{
    event::{Event, EventKind},
    model::UserId,
    store::{EventQuery, EventStore, KeptEvent, StoreError},
};

#[async_trait]
impl<DB: Db> EventStore for SqlStore<DB> {
    async fn insert_events(&self, events: &[KeptEvent]) -> Result<(), StoreError> {
        let rows: Vec<_> = events
            .iter()
            .map(|KeptEvent { id, event }| {
                json!({
                    "id": id,
                    "at": event.at.as_millisecond(),
                    "kind": event.kind.as_str(),
                    "user_id": event.user_id,
                    "session_id": event.session_id,
                    "ip": event.ip,
                    "detail": json!(event.detail).to_string(),
                })
            })
            .collect();
        let sql = DB::pick(INSERT_SQLITE, INSERT_POSTGRES);
        self.background(sql, vec![json_text(&rows)?.into()]).await.map(drop)
    }

    async fn list_events(
        &self,
        query: &EventQuery,
        at_most: u32,
    ) -> Result<Vec<KeptEvent>, StoreError> {
        // Later than every id.
        let before = query.before.clone().unwrap_or_else(|| "~".to_owned());
        let most = i64::from(at_most).into();
        let kind = query.kind.map(EventKind::as_str).map(str::to_owned);
        let user = query.user.as_ref().map(ToString::to_string);
        let (sql, args) = match (user, kind) {
            (None, None) => (ALL, vec![before.into(), most]),
            (Some(user), None) => (OF_USER, vec![before.into(), most, user.into()]),
            (None, Some(kind)) => (OF_KIND, vec![before.into(), most, kind.into()]),
            (Some(user), Some(kind)) => {
                (OF_BOTH, vec![before.into(), most, user.into(), kind.into()])
            }
        };
        let rows = self.fetch_background(sql, args).await?;
        rows.iter().filter_map(|row| read::<DB>(row).transpose()).collect()
    }

    async fn sweep_events(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = DB::sweep("auth_events", "id", ENDED);
        self.background(sql, vec![before.into(), i64::from(batch).into()]).await
    }
}

/// `None` for a kind that this version does not know.
fn read<DB: Db>(row: &DB::Row) -> Result<Option<KeptEvent>, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_events");
    let (id, at) = (columns.text()?, columns.time()?);
    let Some(kind) = EventKind::from_name(&columns.text()?) else { return Ok(None) };
    let mut event = Event::new(kind, at);
    event.user_id = columns.optional_text()?.map(UserId::new);
    event.session_id = columns.optional_text()?.and_then(|id| id.parse().ok());
    event.ip = columns.optional_text()?;
    event.detail = columns.json()?;
    Ok(Some(KeptEvent { id, event }))
}

const INSERT_SQLITE: &str = "INSERT INTO auth_events
    (id, at, kind, user_id, session_id, ip, detail)
    SELECT value ->> 'id', value ->> 'at', value ->> 'kind', value ->> 'user_id',
    value ->> 'session_id', value ->> 'ip', value ->> 'detail' FROM json_each($1)";

const INSERT_POSTGRES: &str = "INSERT INTO auth_events
    (id, at, kind, user_id, session_id, ip, detail)
    SELECT id, at, kind, user_id, session_id, ip, detail
    FROM jsonb_to_recordset(CAST($1 AS JSONB)) AS e(id TEXT, at BIGINT, kind TEXT,
    user_id TEXT, session_id TEXT, ip TEXT, detail TEXT)";

macro_rules! list {
    ($also:literal) => {
        concat!(
            "SELECT id, at, kind, user_id, session_id, ip, detail FROM auth_events
            WHERE id < CAST($1 AS TEXT)",
            $also,
            " ORDER BY id DESC LIMIT $2"
        )
    };
}

const ALL: &str = list!("");
const OF_USER: &str = list!(" AND user_id = CAST($3 AS TEXT)");
const OF_KIND: &str = list!(" AND kind = CAST($3 AS TEXT)");
const OF_BOTH: &str = list!(" AND user_id = CAST($3 AS TEXT) AND kind = CAST($4 AS TEXT)");

const ENDED: &str = "at < CAST($1 AS BIGINT)";
