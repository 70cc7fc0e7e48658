//! Counters in SQL: one statement counts and decides.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Db, SqlStore, row::Reader};
use crate::{
    crypto::digest::Digest,
    store::{LimitRule, LimitStore, StoreError},
};

#[async_trait]
impl<DB: Db> LimitStore for SqlStore<DB> {
    async fn count(
        &self,
        key: &Digest,
        rule: &LimitRule,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let end = now.as_millisecond().saturating_add(millis(rule.window));
        let first = if rule.free <= 1 { now.as_millisecond() + millis(rule.delay) } else { 0 };
        let args = vec![
            key.to_text().into(),
            now.into(),
            end.into(),
            first.into(),
            i64::from(rule.free).into(),
            i64::from(rule.most).into(),
            millis(rule.delay).into(),
            millis(rule.longest_delay).into(),
            i64::from(rule.since_last).into(),
        ];
        if self.change(COUNT, args).await?.is_some() {
            return Ok(None);
        }
        let Some(row) = self.change(READ, vec![key.to_text().into()]).await? else {
            return Ok(Some(now));
        };
        let mut columns = Reader::<DB>::new(&row, "auth_limits");
        let count = columns.int()?;
        let (blocked_until, expires_at) = (columns.time()?, columns.time()?);
        Ok(Some(if count >= i64::from(rule.most) { expires_at } else { blocked_until }))
    }

    async fn uncount(&self, key: &Digest) -> Result<(), StoreError> {
        self.execute(UNCOUNT, vec![key.to_text().into()]).await.map(drop)
    }

    async fn forget(&self, key: &Digest) -> Result<(), StoreError> {
        self.execute(FORGET, vec![key.to_text().into()]).await.map(drop)
    }

    async fn sweep_limits(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.background(SWEEP, vec![now.into(), i64::from(batch).into()]).await
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// $1 key, $2 now, $3 the end of a window that begins now, $4 the wait after the first,
/// $5 how many are free of delay, $6 how many there may be, $7 the first delay, $8 the longest,
/// $9 whether the window begins anew with each.
const COUNT: &str = "INSERT INTO auth_limits (key, count, blocked_until, expires_at)
    VALUES ($1, 1, $4, $3)
    ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN auth_limits.expires_at <= $2 THEN 1 ELSE auth_limits.count + 1 END,
    blocked_until = CASE
        WHEN auth_limits.expires_at <= $2 THEN $4
        WHEN auth_limits.count + 1 < $5 THEN 0
        WHEN auth_limits.count + 1 - $5 > 30 THEN $2 + $8
        WHEN $7 * (CAST(1 AS BIGINT) << CAST(auth_limits.count + 1 - $5 AS INTEGER)) > $8 THEN $2 + $8
        ELSE $2 + $7 * (CAST(1 AS BIGINT) << CAST(auth_limits.count + 1 - $5 AS INTEGER)) END,
    expires_at = CASE
        WHEN auth_limits.expires_at <= $2 OR $9 = 1 THEN $3 ELSE auth_limits.expires_at END
    WHERE auth_limits.expires_at <= $2
        OR (auth_limits.count < $6 AND auth_limits.blocked_until <= $2)
    RETURNING count";

const READ: &str = "SELECT count, blocked_until, expires_at FROM auth_limits
    WHERE key = CAST($1 AS TEXT)";

const UNCOUNT: &str =
    "UPDATE auth_limits SET count = count - 1, blocked_until = 0 WHERE key = CAST($1 AS TEXT)
    AND count > 0";

const FORGET: &str = "DELETE FROM auth_limits WHERE key = CAST($1 AS TEXT)";

const SWEEP: &str = "DELETE FROM auth_limits WHERE key IN (
    SELECT key FROM auth_limits WHERE expires_at <= CAST($1 AS BIGINT) LIMIT $2)";
