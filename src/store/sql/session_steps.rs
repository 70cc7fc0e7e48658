//! Steps of transactions that write sessions.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    db::{Arg, Sql, Statement},
    session_limit,
    session_row::{args, factors_text, former_text, transport_name},
    standing::DELETE_SESSIONS,
};
use crate::{
    model::{SessionBinding, SessionId},
    store::{EndSessions, EndedSessions, SessionLimit, SessionRow, StoreError, Unmet},
};

/// Inserts a session. The returned row is the number of other sessions, for
/// [`Trim`](super::session_limit::Trim).
pub(super) fn inserted(
    sql: Sql,
    row: &SessionRow,
    at_most: Option<&SessionLimit>,
) -> Result<Statement, StoreError> {
    let mut args = args(row)?;
    args.push(at_most.map_or(0, session_limit::counted).into());
    Ok(Statement { unmet: Some(Unmet::Session), ..Statement::answers(sql, args) })
}

/// Requires that a session exists and its tokens were renewed `renewals` times, and locks it.
pub(super) fn stands(id: SessionId, user: &Arg, renewals: u32) -> Statement {
    let args = vec![id.to_string().into(), user.clone(), i64::from(renewals).into()];
    Statement::requires(Unmet::Session, STANDS, args)
}

/// Deletes sessions of a user. If they are collected, a step that returns a row is added before,
/// since rows are collected only after such a step.
pub(super) fn end(user: &Arg, end: &EndSessions, ended: Option<&EndedSessions>) -> Vec<Statement> {
    let mut args = vec![user.clone()];
    let sql = match end {
        EndSessions::Nothing => return Vec::new(),
        EndSessions::All => DELETE_SESSIONS,
        EndSessions::Others(kept) => {
            args.push(kept.to_string().into());
            DELETE_OF_USER
        }
        EndSessions::Tagged { tag, except } => {
            args.extend([except.to_string(), tag.as_str().to_owned()].map(Arg::from));
            DELETE_TAGGED
        }
        EndSessions::OfCredential { factor, tag, except } => {
            // Proofs of earlier versions do not identify their credential.
            let of_credential = format!("%\"by\":\"{tag}\"%");
            let of_factor = format!("%\"method\":\"{factor}\"%");
            let except = except.map(|id| id.to_string()).unwrap_or_default();
            args.extend([except, of_credential, of_factor].map(Arg::from));
            DELETE_OF_CREDENTIAL
        }
    };
    let Some(ended) = ended else { return vec![Statement::new(sql, args)] };
    args.push(ended.now().into());
    let now = args.len();
    let valid = format!("refresh_expires_at > CAST(${now} AS BIGINT)");
    let sql = format!("{sql} RETURNING CASE WHEN {valid} THEN id END");
    let count = Statement::answers(COUNT_OF_USER, vec![user.clone()]);
    vec![count, Statement::collects(0, ended.ids(), sql, args)]
}

/// Replaces the tokens of a session if they have not changed since `from` was read.
pub(super) fn renew(from: &SessionRow, to: &SessionRow) -> Result<Statement, StoreError> {
    let session = &to.session;
    let args = vec![
        session.id.to_string().into(),
        session.user_id.as_str().into(),
        URL_SAFE_NO_PAD.encode(to.salt).into(),
        i64::from(to.generation).into(),
        to.lineage_hash.to_base64().into(),
        to.refresh_hash.to_base64().into(),
        to.access_hash.to_base64().into(),
        session.access_expires_at.into(),
        session.refresh_expires_at.into(),
        session.last_seen_at.into(),
        factors_text(session)?.into(),
        i64::from(session.renewals).into(),
        former_text(&to.former)?.into(),
        i64::from(from.generation).into(),
        URL_SAFE_NO_PAD.encode(from.salt).into(),
        i64::from(from.session.renewals).into(),
        transport_name(session).into(),
        session.binding.as_ref().map(SessionBinding::to_text).into(),
        transport_name(&from.session).into(),
    ];
    Ok(Statement::requires(Unmet::Session, RENEW, args))
}

const STANDS: &str = "UPDATE auth_sessions SET user_id = user_id WHERE id = CAST($1 AS TEXT)
    AND user_id = CAST($2 AS TEXT) AND renewals = $3";

const RENEW: &str = "UPDATE auth_sessions SET salt = $3, generation = $4, lineage_hash = $5,
    refresh_hash = $6, access_hash = $7, access_expires_at = $8, previous_access_hash = NULL,
    previous_access_expires_at = NULL, refresh_expires_at = $9, rotated_at = NULL,
    confirmed_at = NULL, last_seen_at = $10, factors = $11, renewals = $12, former = $13,
    transport = $17, binding = $18
    WHERE id = CAST($1 AS TEXT) AND user_id = CAST($2 AS TEXT) AND generation = $14 AND salt = $15
    AND renewals = $16 AND transport = CAST($19 AS TEXT)";

const COUNT_OF_USER: &str = "SELECT COUNT(*) FROM auth_sessions WHERE user_id = CAST($1 AS TEXT)";

const DELETE_TAGGED: &str = "DELETE FROM auth_sessions WHERE user_id = CAST($1 AS TEXT)
    AND id <> $2 AND EXISTS (SELECT 1 FROM auth_tags own
        WHERE own.tag = CAST($3 AS TEXT) AND own.owner = auth_sessions.id)";

const DELETE_OF_CREDENTIAL: &str = "DELETE FROM auth_sessions WHERE user_id = CAST($1 AS TEXT)
    AND id <> $2 AND (factors LIKE $3 OR (factors LIKE $4 AND factors NOT LIKE '%\"by\":%'
        AND factors NOT LIKE '%\"enrolled\"%'))";

pub(super) const DELETE_OF_USER: &str = "DELETE FROM auth_sessions WHERE user_id = CAST($1 AS TEXT)
    AND id <> $2";
