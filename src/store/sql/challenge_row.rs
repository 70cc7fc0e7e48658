//! The columns of a challenge.

use super::{
    db::{Arg, Db},
    row::{Reader, json_text},
};
use crate::{
    crypto::digest::Digest,
    model::{Email, UserId},
    store::{Challenge, ChallengeKind, StoreError},
};

pub(super) fn args(challenge: &Challenge) -> Result<Vec<Arg>, StoreError> {
    Ok(vec![
        challenge.id.to_base64().into(),
        challenge.kind.as_str().into(),
        challenge.user_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        challenge.address.as_ref().map(ToString::to_string).into(),
        challenge.code.map(Digest::to_base64).into(),
        i64::from(challenge.tries).into(),
        json_text(&challenge.data)?.into(),
        challenge.created_at.into(),
        challenge.expires_at.into(),
    ])
}

pub(super) fn read<DB: Db>(row: &DB::Row) -> Result<Challenge, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_challenges");
    Ok(Challenge {
        id: columns.parsed(Digest::from_base64)?,
        kind: ChallengeKind::from_name(&columns.text()?).unwrap_or(ChallengeKind::Other),
        user_id: columns.optional_text()?.map(UserId::new),
        address: match columns.optional_text()? {
            Some(text) => Some(Email::parse(&text).map_err(|_| columns.corrupt())?),
            None => None,
        },
        code: match columns.optional_text()? {
            Some(text) => Some(Digest::from_base64(&text).ok_or_else(|| columns.corrupt())?),
            None => None,
        },
        tries: u32::try_from(columns.int()?).map_err(|_| columns.corrupt())?,
        data: columns.json()?,
        created_at: columns.time()?,
        expires_at: columns.time()?,
    })
}

macro_rules! columns {
    () => {
        "id, kind, user_id, address, code, tries, data, created_at, expires_at"
    };
}

pub(super) use columns;

macro_rules! insert {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO auth_challenges (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT ",
            $conflict
        )
    };
}

pub(super) const INSERT: &str = insert!("DO NOTHING");
pub(super) const PUT: &str = insert!(
    "(id) DO UPDATE SET tries = excluded.tries, data = excluded.data, code = excluded.code,
    created_at = excluded.created_at, expires_at = excluded.expires_at"
);

/// Extends an insert to run only if the query for the user returns a row.
pub(super) fn insert_owned(insert: &str, owner: &str) -> String {
    let values = "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let selected = "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM owner WHERE there = 1";
    format!("WITH owner AS ({owner}) {}", insert.replace(values, selected))
}
