//! Sessions in SQL.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::{
    Db, SqlStore, credentials,
    db::{Arg, Step},
    row::{Reader, json_text},
};
use crate::{
    crypto::digest::Digest,
    model::{Client, Session, SessionId, Transport, Upstream, UserId},
    store::{Found, Opening, SessionRow, SessionStore, StoreError},
};

#[async_trait]
impl<DB: Db> SessionStore for SqlStore<DB> {
    async fn insert(&self, row: &SessionRow, opening: &Opening) -> Result<bool, StoreError> {
        let sql = self.users.insert_session.clone();
        let Opening { at_most, using } = opening;
        if at_most.is_none() && using.is_none() {
            return Ok(self.execute(sql, args(row)?).await? == 1);
        }
        let mut steps = vec![Step::must(sql, args(row)?)];
        if let Some(using) = using {
            steps.push(credentials::use_step(using)?);
        }
        if let Some(at_most) = at_most {
            let others = i64::from(at_most.saturating_sub(1));
            let user = row.session.user_id.as_str().into();
            steps.push(Step::new(
                TRIM,
                vec![user, row.session.id.to_string().into(), others.into()],
            ));
        }
        match at_most {
            None => self.transact(steps).await,
            Some(_) => {
                let changing = self.changes.of_a_user(&row.session.user_id);
                changing.during(self.transact(steps)).await
            }
        }
    }

    async fn list(&self, user: &UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let rows = self.fetch_all(LIST, vec![user.as_str().into(), now.into()]).await?;
        let read = |row| read(&mut Reader::<DB>::new(row, "auth_sessions"));
        rows.iter().map(|row| Ok(read(row)?.session)).collect()
    }

    async fn find(&self, id: SessionId) -> Result<Option<Found>, StoreError> {
        let args = vec![id.to_string().into()];
        let row = self.fetch(self.users.find_session.clone(), args).await?;
        row.map(|row| self.found(&row)).transpose()
    }

    async fn find_many(&self, ids: &[SessionId]) -> Result<Vec<Found>, StoreError> {
        let args = vec![json_text(&ids)?.into()];
        let rows = self.fetch_background(self.users.find_sessions.clone(), args).await?;
        rows.iter().map(|row| self.found(row)).collect()
    }

    async fn touch(
        &self,
        ids: &[SessionId],
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError> {
        let args = vec![json_text(&ids)?.into(), now.into(), unless_after.into()];
        self.background(DB::pick(TOUCH, TOUCH_POSTGRES), args).await.map(drop)
    }

    async fn rotate(&self, from: &SessionRow, to: &SessionRow) -> Result<bool, StoreError> {
        let (previous, previous_until) = to.previous_access.unzip();
        let args = vec![
            URL_SAFE_NO_PAD.encode(to.salt).into(),
            i64::from(to.generation).into(),
            to.lineage_hash.to_text().into(),
            to.refresh_hash.to_text().into(),
            to.access_hash.to_text().into(),
            to.session.access_expires_at.into(),
            previous.map(Digest::to_text).into(),
            previous_until.into(),
            to.session.refresh_expires_at.into(),
            to.rotated_at.into(),
            to.confirmed_at.into(),
            to.session.last_seen_at.into(),
            from.session.id.to_string().into(),
            i64::from(from.generation).into(),
            URL_SAFE_NO_PAD.encode(from.salt).into(),
        ];
        Ok(self.changes.of_a_session(from.session.id).during(self.execute(ROTATE, args)).await?
            == 1)
    }

    async fn confirm(
        &self,
        id: SessionId,
        generation: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let args = vec![now.into(), id.to_string().into(), i64::from(generation).into()];
        self.background(CONFIRM, args).await.map(drop)
    }

    async fn delete(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self
            .changes
            .of_a_session(id)
            .during(self.execute(DELETE, vec![id.to_string().into()]))
            .await?
            == 1)
    }

    async fn delete_owned(&self, id: SessionId, user: &UserId) -> Result<bool, StoreError> {
        let args = vec![id.to_string().into(), user.as_str().into()];
        Ok(self.changes.of_a_session(id).during(self.execute(DELETE_OWNED, args)).await? == 1)
    }

    async fn delete_of_user(
        &self,
        user: &UserId,
        except: Option<SessionId>,
    ) -> Result<u64, StoreError> {
        let except = except.map(|id| id.to_string()).unwrap_or_default();
        self.changes
            .of_a_user(user)
            .during(self.execute(DELETE_OF_USER, vec![user.as_str().into(), except.into()]))
            .await
    }

    async fn delete_of_upstream(
        &self,
        provider: &str,
        subject: Option<&str>,
        session: Option<&str>,
    ) -> Result<u64, StoreError> {
        if subject.is_none() && session.is_none() {
            return Ok(0);
        }
        let [subject, session] = [subject, session].map(Option::unwrap_or_default);
        let args = vec![provider.into(), subject.into(), session.into()];
        self.changes.of_anything().during(self.execute(DELETE_OF_UPSTREAM, args)).await
    }

    async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.background(SWEEP, vec![now.into(), i64::from(batch).into()]).await
    }
}

impl<DB: Db> SqlStore<DB> {
    fn found(&self, row: &DB::Row) -> Result<Found, StoreError> {
        let mut columns = Reader::<DB>::new(row, "auth_sessions");
        let row = read(&mut columns)?;
        let user = self.read_user(columns.joined("the table of users"))?;
        Ok(Found { row, user })
    }
}

fn args(row: &SessionRow) -> Result<Vec<Arg>, StoreError> {
    let session = &row.session;
    let (previous, previous_until) = row.previous_access.unzip();
    let upstream = session.upstream.as_ref();
    Ok(vec![
        session.id.to_string().into(),
        session.user_id.as_str().into(),
        URL_SAFE_NO_PAD.encode(row.nonce).into(),
        URL_SAFE_NO_PAD.encode(row.salt).into(),
        i64::from(row.generation).into(),
        row.lineage_hash.to_text().into(),
        row.refresh_hash.to_text().into(),
        row.access_hash.to_text().into(),
        session.access_expires_at.into(),
        previous.map(Digest::to_text).into(),
        previous_until.into(),
        session.refresh_expires_at.into(),
        session.expires_at.into(),
        row.rotated_at.into(),
        row.confirmed_at.into(),
        session.created_at.into(),
        session.last_seen_at.into(),
        json_text(&session.factors)?.into(),
        session.client.ip.clone().into(),
        session.client.user_agent.clone().into(),
        transport_name(session.transport).into(),
        upstream.map(|from| from.provider.clone()).into(),
        upstream.map(|from| from.subject.clone()).into(),
        upstream.and_then(|from| from.session.clone()).into(),
    ])
}

fn read<DB: Db>(columns: &mut Reader<'_, DB>) -> Result<SessionRow, StoreError> {
    let id = columns.parsed(|text| text.parse().ok())?;
    let user_id = UserId::new(columns.text()?);
    let nonce = columns.parsed(bytes)?;
    let salt = columns.parsed(bytes)?;
    let generation = columns.int()?.try_into().map_err(|_| columns.corrupt())?;
    let lineage_hash = columns.parsed(Digest::from_text)?;
    let refresh_hash = columns.parsed(Digest::from_text)?;
    let access_hash = columns.parsed(Digest::from_text)?;
    let access_expires_at = columns.time()?;
    let previous = match columns.optional_text()? {
        Some(text) => Some(Digest::from_text(&text).ok_or_else(|| columns.corrupt())?),
        None => None,
    };
    let previous_access = previous.zip(columns.optional_time()?);
    let refresh_expires_at = columns.time()?;
    let expires_at = columns.time()?;
    let rotated_at = columns.optional_time()?;
    let confirmed_at = columns.optional_time()?;
    let created_at = columns.time()?;
    let last_seen_at = columns.time()?;
    let factors = columns.json()?;
    let client = Client { ip: columns.optional_text()?, user_agent: columns.optional_text()? };
    let transport = columns.parsed(transport)?;
    let (provider, subject) = (columns.optional_text()?, columns.optional_text()?);
    let upstream_session = columns.optional_text()?;
    let upstream = provider.zip(subject).map(|(provider, subject)| Upstream {
        provider,
        subject,
        session: upstream_session,
    });
    let session = Session {
        upstream,
        created_at,
        last_seen_at,
        expires_at,
        access_expires_at,
        refresh_expires_at,
        factors,
        client,
        ..Session::new(id, user_id, transport, created_at)
    };
    Ok(SessionRow {
        session,
        nonce,
        salt,
        generation,
        lineage_hash,
        refresh_hash,
        access_hash,
        previous_access,
        rotated_at,
        confirmed_at,
    })
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Cookie => "cookie",
        Transport::Bearer => "bearer",
    }
}

fn transport(name: &str) -> Option<Transport> {
    match name {
        "cookie" => Some(Transport::Cookie),
        "bearer" => Some(Transport::Bearer),
        _ => None,
    }
}

/// A sign-in and a ban must not pass each other unseen, so `owner` reads the status. PostgreSQL
/// takes the user's row by `FOR NO KEY UPDATE`: a ban under way is waited for and then seen,
/// one that comes later waits and then deletes this session too; and two sign-ins of one user
/// come one after the other, so that a limit on sessions is exact. SQLite has one writer and
/// needs no lock. A user that is not in our database is the business of whoever keeps it.
pub(super) fn insert(owner: &str) -> String {
    format!("WITH owner AS ({owner}) {INSERT}")
}

const INSERT: &str = "INSERT INTO auth_sessions (id, user_id, nonce, salt, generation,
    lineage_hash, refresh_hash, access_hash, access_expires_at, previous_access_hash,
    previous_access_expires_at, refresh_expires_at, expires_at, rotated_at, confirmed_at,
    created_at, last_seen_at, factors, ip, user_agent, transport, upstream_provider,
    upstream_subject, upstream_session)
    SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT),
    CAST($5 AS BIGINT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT),
    CAST($9 AS BIGINT), CAST($10 AS TEXT), CAST($11 AS BIGINT), CAST($12 AS BIGINT),
    CAST($13 AS BIGINT), CAST($14 AS BIGINT), CAST($15 AS BIGINT), CAST($16 AS BIGINT),
    CAST($17 AS BIGINT), CAST($18 AS TEXT), CAST($19 AS TEXT), CAST($20 AS TEXT),
    CAST($21 AS TEXT), CAST($22 AS TEXT), CAST($23 AS TEXT), CAST($24 AS TEXT)
    WHERE NOT EXISTS (SELECT 1 FROM owner WHERE status <> 'active')";

macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.nonce, s.salt, s.generation, s.lineage_hash, s.refresh_hash,
        s.access_hash, s.access_expires_at, s.previous_access_hash,
        s.previous_access_expires_at, s.refresh_expires_at, s.expires_at, s.rotated_at,
        s.confirmed_at, s.created_at, s.last_seen_at, s.factors, s.ip, s.user_agent,
        s.transport, s.upstream_provider, s.upstream_subject, s.upstream_session"
    };
}

/// The columns of a session, of the table `s`.
pub(super) const COLUMNS: &str = session_columns!();

const TOUCH: &str = "UPDATE auth_sessions SET last_seen_at = $2
    WHERE id IN (SELECT value FROM json_each($1)) AND last_seen_at <= $3";

const TOUCH_POSTGRES: &str = "UPDATE auth_sessions SET last_seen_at = $2
    WHERE id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB))) AND last_seen_at <= $3";

const ROTATE: &str = "UPDATE auth_sessions SET salt = $1, generation = $2, lineage_hash = $3,
    refresh_hash = $4, access_hash = $5, access_expires_at = $6, previous_access_hash = $7,
    previous_access_expires_at = $8, refresh_expires_at = $9, rotated_at = $10,
    confirmed_at = $11, last_seen_at = $12
    WHERE id = $13 AND generation = $14 AND salt = $15";

const CONFIRM: &str = "UPDATE auth_sessions SET confirmed_at = $1
    WHERE id = $2 AND generation = $3 AND confirmed_at IS NULL";

const DELETE: &str = "DELETE FROM auth_sessions WHERE id = $1";

const DELETE_OWNED: &str = "DELETE FROM auth_sessions WHERE id = $1 AND user_id = $2";

const DELETE_OF_USER: &str = "DELETE FROM auth_sessions WHERE user_id = $1 AND id <> $2";

/// Those of one session there, or all of the person.
const DELETE_OF_UPSTREAM: &str = "DELETE FROM auth_sessions WHERE upstream_provider = $1
    AND (upstream_subject = $2 OR $2 = '') AND (upstream_session = $3 OR $3 = '')";

const LIST: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM auth_sessions s WHERE s.user_id = $1 AND s.refresh_expires_at > $2
    ORDER BY s.created_at DESC, s.id"
);

const TRIM: &str = "DELETE FROM auth_sessions WHERE user_id = $1 AND id <> $2 AND id NOT IN (
    SELECT id FROM auth_sessions WHERE user_id = $1 AND id <> $2
    ORDER BY created_at DESC, id LIMIT $3)";

const SWEEP: &str = "DELETE FROM auth_sessions WHERE id IN (
    SELECT id FROM auth_sessions WHERE refresh_expires_at <= $1 LIMIT $2)";
