//! Storage of events in SQL.

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
    store::{DeletedUser, EventQuery, EventStore, StoreError, StoredEvent, first_id_at},
};

#[async_trait]
impl<DB: Db> EventStore for SqlStore<DB> {
    async fn insert_events(&self, events: &[StoredEvent]) -> Result<(), StoreError> {
        let rows: Vec<_> = events
            .iter()
            .map(|StoredEvent { id, event }| {
                json!({
                    "id": id,
                    "at": event.at.as_millisecond(),
                    "kind": event.kind.as_str(),
                    "user_id": event.user_id,
                    "session_id": event.session_id,
                    "actor_id": event.actor_id,
                    "ip": event.ip,
                    "user_agent": event.user_agent,
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
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM auth_events");
        let mut args = vec![i64::from(at_most).into()];
        let user = query.user.as_ref().map(ToString::to_string);
        let kind = query.kind.map(EventKind::as_str).map(str::to_owned);
        let conditions = [
            ("id <", query.before.clone()),
            ("id >=", query.since.map(first_id_at)),
            ("id <", query.until.map(first_id_at)),
            ("user_id =", user),
            ("kind =", kind),
        ];
        for (condition, value) in conditions {
            if let Some(value) = value {
                let word = if args.len() == 1 { "WHERE" } else { "AND" };
                args.push(value.into());
                sql += &format!(" {word} {condition} CAST(${} AS TEXT)", args.len());
            }
        }
        sql += " ORDER BY id DESC LIMIT $1";
        let rows = self.fetch_background(sql, args).await?;
        rows.iter().map(read::<DB>).collect()
    }

    async fn sweep_events(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = DB::sweep("auth_events", "id", ENDED);
        self.background(sql, vec![before.into(), i64::from(batch).into()]).await
    }

    async fn list_deleted_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<DeletedUser>, StoreError> {
        let after = after.map_or("", UserId::as_str);
        let args = vec![after.into(), i64::from(at_most).into()];
        let rows = self.fetch_background(LIST_DELETED, args).await?;
        let read = |row: &DB::Row| {
            let mut columns = Reader::<DB>::new(row, "auth_deleted_users");
            Ok(DeletedUser {
                user: UserId::new(columns.text()?),
                at: columns.optional_time()?,
                checked_to: columns.text()?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn date_deletion(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.background(DATE_DELETION, vec![user.as_str().into(), at.into()]).await.map(drop)
    }

    async fn anonymize_events(
        &self,
        user: &UserId,
        until: Timestamp,
        after: &str,
        batch: u32,
    ) -> Result<Option<String>, StoreError> {
        let offset = i64::from(batch.saturating_sub(1));
        // One statement for each index, since one for both would sort all events of the user.
        let mut last: Option<String> = None;
        for sql in [LAST_ABOUT_USER, LAST_BY_USER] {
            let args = vec![user.as_str().into(), after.into(), offset.into()];
            let rows = self.fetch_background(sql, args).await?;
            if let Some(row) = rows.first() {
                let id = Reader::<DB>::new(row, "auth_events").text()?;
                last = last.into_iter().chain([id]).min();
            }
        }
        let end = last.as_deref().unwrap_or(BEYOND);
        let args = vec![user.as_str().into(), after.into(), end.into(), until.into()];
        self.background(ANONYMIZE, args).await?;
        Ok(last)
    }

    async fn note_checked(
        &self,
        user: &UserId,
        at: Timestamp,
        checked_to: &str,
    ) -> Result<(), StoreError> {
        let args = vec![user.as_str().into(), at.into(), checked_to.into()];
        self.background(NOTE_CHECKED, args).await.map(drop)
    }

    async fn remove_deleted_user(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.background(REMOVE_DELETED, vec![user.as_str().into(), at.into()]).await.map(drop)
    }
}

fn read<DB: Db>(row: &DB::Row) -> Result<StoredEvent, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_events");
    let (id, at) = (columns.text()?, columns.time()?);
    let name = columns.text()?;
    let kind = EventKind::from_name(&name);
    let mut event = Event::new(kind.unwrap_or(EventKind::Other), at);
    event.user_id = columns.optional_text()?.map(UserId::new);
    event.session_id = columns.optional_text()?.and_then(|id| id.parse().ok());
    event.actor_id = columns.optional_text()?.map(UserId::new);
    event.ip = columns.optional_text()?;
    event.user_agent = columns.optional_text()?;
    event.detail = columns.json()?;
    if kind.is_none() {
        event.detail.insert("kind".to_owned(), name.into());
    }
    Ok(StoredEvent { id, event })
}

const INSERT_SQLITE: &str = "INSERT INTO auth_events
    (id, at, kind, user_id, session_id, actor_id, ip, user_agent, detail)
    SELECT value ->> 'id', value ->> 'at', value ->> 'kind', value ->> 'user_id',
    value ->> 'session_id', value ->> 'actor_id', value ->> 'ip', value ->> 'user_agent',
    value ->> 'detail' FROM json_each($1) WHERE TRUE
    ON CONFLICT (id) DO NOTHING";

const INSERT_POSTGRES: &str = "INSERT INTO auth_events
    (id, at, kind, user_id, session_id, actor_id, ip, user_agent, detail)
    SELECT id, at, kind, user_id, session_id, actor_id, ip, user_agent, detail
    FROM jsonb_to_recordset(CAST($1 AS JSONB)) AS e(id TEXT, at BIGINT, kind TEXT, user_id TEXT,
    session_id TEXT, actor_id TEXT, ip TEXT, user_agent TEXT, detail TEXT)
    ON CONFLICT (id) DO NOTHING";

const COLUMNS: &str = "id, at, kind, user_id, session_id, actor_id, ip, user_agent, detail";

const ENDED: &str = "at < CAST($1 AS BIGINT)";

/// Greater than every event id, which starts with a hexadecimal digit.
const BEYOND: &str = "~";

const LIST_DELETED: &str = "SELECT user_id, deleted_at, checked_to FROM auth_deleted_users
    WHERE user_id > CAST($1 AS TEXT) ORDER BY user_id LIMIT $2";

const DATE_DELETION: &str = "UPDATE auth_deleted_users SET deleted_at = $2
    WHERE user_id = CAST($1 AS TEXT) AND deleted_at IS NULL";

const LAST_ABOUT_USER: &str = "SELECT id FROM auth_events
    WHERE user_id = CAST($1 AS TEXT) AND id > CAST($2 AS TEXT) ORDER BY id LIMIT 1 OFFSET $3";

const LAST_BY_USER: &str = "SELECT id FROM auth_events
    WHERE actor_id = CAST($1 AS TEXT) AND id > CAST($2 AS TEXT) ORDER BY id LIMIT 1 OFFSET $3";

const ANONYMIZE: &str = "UPDATE auth_events SET ip = NULL, user_agent = NULL
    WHERE (user_id = CAST($1 AS TEXT) OR actor_id = CAST($1 AS TEXT))
    AND id > CAST($2 AS TEXT) AND id <= CAST($3 AS TEXT)
    AND at <= CAST($4 AS BIGINT) AND (ip IS NOT NULL OR user_agent IS NOT NULL)";

const NOTE_CHECKED: &str = "UPDATE auth_deleted_users SET checked_to = $3
    WHERE user_id = CAST($1 AS TEXT) AND deleted_at = CAST($2 AS BIGINT)";

const REMOVE_DELETED: &str = "DELETE FROM auth_deleted_users
    WHERE user_id = CAST($1 AS TEXT) AND deleted_at = CAST($2 AS BIGINT)";
