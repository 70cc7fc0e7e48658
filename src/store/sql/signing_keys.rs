//! Storage in SQL of the keys that sign tokens for other services.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Db, SqlStore, db::Arg, row::Reader};
use crate::store::{SigningKeyStore, StoreError, StoredSigningKey};

#[async_trait]
impl<DB: Db> SigningKeyStore for SqlStore<DB> {
    async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let rows = self.fetch_all(LIST, vec![Arg::from(0)]).await?;
        rows.iter().map(read::<DB>).collect()
    }

    async fn insert_signing_key(&self, key: &StoredSigningKey) -> Result<bool, StoreError> {
        let args = vec![
            i64::from(key.number).into(),
            key.id.as_str().into(),
            key.sealed.as_str().into(),
            key.created_at.into(),
            key.starts_at.into(),
        ];
        Ok(self.execute(INSERT, args).await? == 1)
    }

    async fn reschedule_signing_key(
        &self,
        number: u32,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError> {
        let args = vec![i64::from(number).into(), from.into(), to.into()];
        Ok(self.execute(RESCHEDULE, args).await? == 1)
    }

    async fn reseal_signing_key(
        &self,
        number: u32,
        from: &str,
        to: &str,
    ) -> Result<bool, StoreError> {
        let args = vec![i64::from(number).into(), from.into(), to.into()];
        Ok(self.execute(RESEAL, args).await? == 1)
    }

    async fn delete_signing_keys(&self) -> Result<(), StoreError> {
        self.execute(DELETE_ALL, vec![Arg::from(0)]).await.map(drop)
    }

    async fn sweep_signing_keys(&self, before: Timestamp) -> Result<(), StoreError> {
        self.background(SWEEP, vec![before.into(), Arg::from(0)]).await.map(drop)
    }
}

fn read<DB: Db>(row: &DB::Row) -> Result<StoredSigningKey, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_signing_keys");
    Ok(StoredSigningKey {
        number: u32::try_from(columns.int()?).map_err(|_| columns.corrupt())?,
        id: columns.text()?,
        sealed: columns.text()?,
        created_at: columns.time()?,
        starts_at: columns.time()?,
    })
}

/// The condition uses the index, which has the order.
const LIST: &str = "SELECT number, id, sealed, created_at, starts_at FROM auth_signing_keys
    WHERE number >= CAST($1 AS BIGINT) ORDER BY number";

const INSERT: &str = "INSERT INTO auth_signing_keys (number, id, sealed, created_at, starts_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (number) DO NOTHING";

const RESCHEDULE: &str = "UPDATE auth_signing_keys SET starts_at = $3
    WHERE number = CAST($1 AS BIGINT) AND starts_at = CAST($2 AS BIGINT)";

const RESEAL: &str = "UPDATE auth_signing_keys SET sealed = $3
    WHERE number = CAST($1 AS BIGINT) AND sealed = CAST($2 AS TEXT)";

const DELETE_ALL: &str = "DELETE FROM auth_signing_keys WHERE number >= CAST($1 AS BIGINT)";

const SWEEP: &str = "DELETE FROM auth_signing_keys WHERE number < (
    SELECT number FROM auth_signing_keys
    WHERE number >= CAST($2 AS BIGINT) AND starts_at <= CAST($1 AS BIGINT)
    ORDER BY number DESC LIMIT 1)";
