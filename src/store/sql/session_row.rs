//! The columns of a session.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Db,
    db::Arg,
    row::{Reader, json_text},
};
use crate::{
    crypto::digest::Digest,
    model::{
        BindingKind, ClientInfo, FactorProof, IdpSession, Impersonator, Session, SessionBinding,
        SessionId, Transport, UserId,
    },
    store::{
        AccessTokenRow, DeviceChallenges, FormerLineage, SessionRow, SessionTag, StoreError,
        WatchedRow,
    },
};

macro_rules! access_columns {
    () => {
        "s.id, s.user_id, s.generation, s.access_hash, s.access_expires_at,
        s.previous_access_hash, s.previous_access_expires_at, s.refresh_expires_at, s.expires_at,
        s.confirmed_at, s.created_at, s.last_seen_at, s.factors, s.ip, s.user_agent,
        s.transport, s.upstream_provider, s.upstream_subject, s.upstream_session, s.renewals,
        s.impersonator, s.binding"
    };
}

macro_rules! session_columns {
    () => {
        concat!(
            "s.nonce, s.salt, s.lineage_hash, s.refresh_hash, s.rotated_at, s.former, s.tags,
            s.has_impersonated, s.challenges, ",
            $crate::store::sql::session_row::access_columns!()
        )
    };
}

/// The columns of an [`AccessTokenRow`], in the table `s`.
pub(super) const ACCESS: &str = access_columns!();

/// The columns of a [`SessionRow`], in the table `s`.
pub(super) const COLUMNS: &str = session_columns!();

/// The number of [`COLUMNS`] before the id.
pub(super) const BEFORE_ID: usize = 9;

/// The columns of a [`WatchedRow`], in the table `s`. The id is the first of them.
pub(super) const WATCHED: &str = "s.id, s.user_id, s.refresh_expires_at, s.expires_at,
    s.impersonator";

pub(super) use access_columns;

pub(super) fn args(row: &SessionRow) -> Result<Vec<Arg>, StoreError> {
    let session = &row.session;
    let (previous, previous_until) = row.previous_access.unzip();
    let upstream = session.upstream.as_ref();
    Ok(vec![
        session.id.to_string().into(),
        session.user_id.as_str().into(),
        URL_SAFE_NO_PAD.encode(row.nonce).into(),
        URL_SAFE_NO_PAD.encode(row.salt).into(),
        i64::from(row.generation).into(),
        row.lineage_hash.to_base64().into(),
        row.refresh_hash.to_base64().into(),
        row.access_hash.to_base64().into(),
        session.access_expires_at.into(),
        previous.map(Digest::to_base64).into(),
        previous_until.into(),
        session.refresh_expires_at.into(),
        session.expires_at.into(),
        row.rotated_at.into(),
        row.confirmed_at.into(),
        session.created_at.into(),
        session.last_seen_at.into(),
        factors_text(session)?.into(),
        session.client.ip.clone().into(),
        session.client.user_agent.clone().into(),
        transport_name(session).into(),
        upstream.map(|from| from.provider.clone()).into(),
        upstream.map(|from| from.subject.clone()).into(),
        upstream.and_then(|from| from.session.clone()).into(),
        i64::from(session.renewals).into(),
        former_text(&row.former)?.into(),
        tags_text(&row.tags)?.into(),
        impersonator_text(session)?.into(),
        session.binding.as_ref().map(SessionBinding::to_text).into(),
    ])
}

/// Returns the id of a row that cannot be read completely, given the number of columns before it.
pub(super) fn read_id<DB: Db>(
    mut columns: Reader<'_, DB>,
    before_id: usize,
) -> Result<SessionId, StoreError> {
    columns.skip(before_id);
    columns.parsed(|text| text.parse().ok())
}

pub(super) fn read<DB: Db>(columns: &mut Reader<'_, DB>) -> Result<SessionRow, StoreError> {
    let nonce = columns.parsed(bytes)?;
    let salt = columns.parsed(bytes)?;
    let lineage_hash = columns.parsed(Digest::from_base64)?;
    let refresh_hash = columns.parsed(Digest::from_base64)?;
    let rotated_at = columns.optional_time()?;
    let former: Vec<(u32, String, String)> = columns.json()?;
    let former = former.iter().map(former_lineage).collect::<Option<Vec<_>>>();
    let former = former.ok_or_else(|| columns.corrupt())?;
    let tags = match columns.optional_text()? {
        Some(text) => serde_json::from_str(&text).map_err(|_| columns.corrupt())?,
        None => Vec::new(),
    };
    let has_impersonated = columns.optional_int()?.is_some();
    let challenges = match columns.optional_text()? {
        Some(text) => serde_json::from_str(&text).map_err(|_| columns.corrupt())?,
        None => DeviceChallenges::default(),
    };
    let row = read_access(columns)?;
    let AccessTokenRow { session, generation, access_hash, previous_access, confirmed_at } = row;
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
        former,
        tags,
        has_impersonated,
        challenges,
    })
}

pub(super) fn read_watched<DB: Db>(columns: &mut Reader<'_, DB>) -> Result<WatchedRow, StoreError> {
    let id = columns.parsed(|text| text.parse().ok())?;
    let user_id = UserId::new(columns.text()?);
    let expires_at = columns.time()?.min(columns.time()?);
    let impersonator = impersonator(columns)?;
    Ok(WatchedRow { id, user_id, expires_at, impersonator })
}

pub(super) fn read_access<DB: Db>(
    columns: &mut Reader<'_, DB>,
) -> Result<AccessTokenRow, StoreError> {
    let id = columns.parsed(|text| text.parse().ok())?;
    let user_id = UserId::new(columns.text()?);
    let generation = columns.int()?.try_into().map_err(|_| columns.corrupt())?;
    let access_hash = columns.parsed(Digest::from_base64)?;
    let access_expires_at = columns.time()?;
    let previous = match columns.optional_text()? {
        Some(text) => Some(Digest::from_base64(&text).ok_or_else(|| columns.corrupt())?),
        None => None,
    };
    let previous_access = previous.zip(columns.optional_time()?);
    let refresh_expires_at = columns.time()?;
    let expires_at = columns.time()?;
    let confirmed_at = columns.optional_time()?;
    let created_at = columns.time()?;
    let last_seen_at = columns.time()?;
    let (factors, is_persistent) = columns.parsed(factors)?;
    let (ip, user_agent) = (columns.optional_text()?, columns.optional_text()?);
    let client = ClientInfo { ip, user_agent, ..ClientInfo::default() };
    let (transport, bound) = transport(&columns.text()?);
    let (provider, subject) = (columns.optional_text()?, columns.optional_text()?);
    let upstream_session = columns.optional_text()?;
    let upstream = provider.zip(subject).map(|(provider, subject)| IdpSession {
        provider,
        subject,
        session: upstream_session,
        issuer: None,
    });
    let renewals = columns.int()?.try_into().map_err(|_| columns.corrupt())?;
    let impersonator = impersonator(columns)?;
    let key = columns.optional_text()?;
    let binding = match bound {
        Some(kind) => {
            let key = key.and_then(|text| SessionBinding::read(kind, &text));
            Some(key.ok_or_else(|| columns.corrupt())?)
        }
        None => None,
    };
    let session = Session {
        renewals,
        impersonator,
        binding,
        upstream,
        created_at,
        last_seen_at,
        expires_at,
        access_expires_at,
        refresh_expires_at,
        factors,
        is_persistent,
        client,
        ..Session::new(id, user_id, transport, created_at)
    };
    Ok(AccessTokenRow { session, generation, access_hash, previous_access, confirmed_at })
}

/// The last entry of `factors` of a session that is not persistent. Earlier versions read it as an
/// unknown factor, which verifies nothing.
const NOT_PERSISTENT: &str = r#"{"method":"not_persistent","at":"1970-01-01T00:00:00Z"}]"#;

/// Returns the column `factors`.
pub(super) fn factors_text(session: &Session) -> Result<String, StoreError> {
    let mut text = json_text(&session.factors)?;
    if !session.is_persistent {
        text.pop();
        text.push_str(if session.factors.is_empty() { "" } else { "," });
        text.push_str(NOT_PERSISTENT);
    }
    Ok(text)
}

/// Reads the column `factors`: the factors, and whether the session is persistent.
fn factors(text: &str) -> Option<(Vec<FactorProof>, bool)> {
    let Some(list) = text.strip_suffix(NOT_PERSISTENT) else {
        return Some((serde_json::from_str(text).ok()?, true));
    };
    let list = list.strip_suffix(',').unwrap_or(list);
    Some((serde_json::from_str(&format!("{list}]")).ok()?, false))
}

pub(super) fn former_text(former: &[FormerLineage]) -> Result<String, StoreError> {
    let former: Vec<_> = former
        .iter()
        .map(|own| (own.generation, own.lineage_hash.to_base64(), own.access_hash.to_base64()))
        .collect();
    json_text(&former)
}

/// Returns the column `impersonator`: the user id and the session of the administrator.
fn impersonator_text(session: &Session) -> Result<Option<String>, StoreError> {
    let own = session.impersonator.as_ref().and_then(|own| Some((&own.id, own.session?)));
    own.map(|own| json_text(&own)).transpose()
}

fn impersonator<DB: Db>(columns: &mut Reader<'_, DB>) -> Result<Option<Impersonator>, StoreError> {
    let Some(text) = columns.optional_text()? else { return Ok(None) };
    let own = serde_json::from_str(&text).map_err(|_| columns.corrupt())?;
    let (id, session): (UserId, SessionId) = own;
    Ok(Some(Impersonator::new(id, session)))
}

/// Returns the column `tags`, from which a trigger writes the table of tags.
fn tags_text(tags: &[SessionTag]) -> Result<Option<String>, StoreError> {
    (!tags.is_empty()).then(|| json_text(&tags)).transpose()
}

fn former_lineage((generation, lineage, access): &(u32, String, String)) -> Option<FormerLineage> {
    Some(FormerLineage {
        generation: *generation,
        lineage_hash: Digest::from_base64(lineage)?,
        access_hash: Digest::from_base64(access)?,
    })
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Returns the column `transport`. That of a bound session is one that earlier versions, which would
/// accept its tokens without a proof, do not know and reject.
pub(super) fn transport_name(session: &Session) -> &'static str {
    match (session.transport, session.bound()) {
        (Transport::Other, _) => "other",
        (_, Some(kind)) => bound_name(kind),
        (Transport::Cookie, None) => "cookie",
        (Transport::Bearer, None) => "bearer",
    }
}

/// Returns the column `transport` of a session that is bound to a key.
pub(super) fn bound_name(kind: BindingKind) -> &'static str {
    match kind {
        BindingKind::Device => "device",
        BindingKind::Dpop => "dpop",
    }
}

fn transport(name: &str) -> (Transport, Option<BindingKind>) {
    match name {
        "cookie" => (Transport::Cookie, None),
        "bearer" => (Transport::Bearer, None),
        "device" => (Transport::Cookie, Some(BindingKind::Device)),
        "dpop" => (Transport::Bearer, Some(BindingKind::Dpop)),
        _ => (Transport::Other, None),
    }
}

/// Extends the insert of a session to run only if the status of the user in `owner` is active.
///
/// A sign-in must not race a ban. On PostgreSQL `owner` locks the row of the user with
/// `FOR NO KEY UPDATE`: the insert waits for a ban in progress and sees it, and a later ban waits
/// for the insert and deletes the session too. Concurrent sign-ins of one user are serialized as
/// well, so a session limit is exact. SQLite has one writer and needs no lock. For users in another
/// store, that store is responsible.
pub(super) fn insert(owner: &str) -> String {
    format!("WITH owner AS ({owner}) {INSERT}")
}

const INSERT: &str = "INSERT INTO auth_sessions (id, user_id, nonce, salt, generation,
    lineage_hash, refresh_hash, access_hash, access_expires_at, previous_access_hash,
    previous_access_expires_at, refresh_expires_at, expires_at, rotated_at, confirmed_at,
    created_at, last_seen_at, factors, ip, user_agent, transport, upstream_provider,
    upstream_subject, upstream_session, renewals, former, tags, impersonator, binding)
    SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT),
    CAST($5 AS BIGINT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT),
    CAST($9 AS BIGINT), CAST($10 AS TEXT), CAST($11 AS BIGINT), CAST($12 AS BIGINT),
    CAST($13 AS BIGINT), CAST($14 AS BIGINT), CAST($15 AS BIGINT), CAST($16 AS BIGINT),
    CAST($17 AS BIGINT), CAST($18 AS TEXT), CAST($19 AS TEXT), CAST($20 AS TEXT),
    CAST($21 AS TEXT), CAST($22 AS TEXT), CAST($23 AS TEXT), CAST($24 AS TEXT),
    CAST($25 AS BIGINT), CAST($26 AS TEXT), CAST($27 AS TEXT), CAST($28 AS TEXT),
    CAST($29 AS TEXT)
    WHERE EXISTS (SELECT 1 FROM owner WHERE status = 'active')
    RETURNING (SELECT COUNT(*) FROM (SELECT 1 FROM auth_sessions o
    WHERE o.user_id = CAST($2 AS TEXT) AND o.id <> CAST($1 AS TEXT)
    AND o.refresh_expires_at > CAST($16 AS BIGINT) LIMIT CAST($30 AS BIGINT)) AS others)";
