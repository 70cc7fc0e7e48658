//! The columns of an API key.

use super::{db::Db, row::Reader};
use crate::{
    model::{ApiKey, KeyOwner, UserId},
    store::StoreError,
};

pub(super) fn read<DB: Db>(columns: &mut Reader<'_, DB>) -> Result<ApiKey, StoreError> {
    let id = columns.parsed(|text| text.parse().ok())?;
    let (user, service) = (columns.optional_text()?, columns.optional_text()?);
    let owner = match (user, service) {
        (Some(user), None) => KeyOwner::User(UserId::new(user)),
        (None, Some(service)) => KeyOwner::Service(service),
        _ => return Err(columns.corrupt()),
    };
    Ok(ApiKey {
        id,
        owner,
        name: columns.text()?,
        hint: columns.text()?,
        scopes: columns.json()?,
        created_at: columns.time()?,
        expires_at: columns.optional_time()?,
        last_used_at: columns.optional_time()?,
    })
}

macro_rules! columns {
    () => {
        "k.id, k.user_id, k.service, k.name, k.hint, k.scopes, k.created_at, k.expires_at,
        k.last_used_at"
    };
}

pub(super) use columns;

/// The columns of a key, in the table `k`.
pub(super) const COLUMNS: &str = columns!();
