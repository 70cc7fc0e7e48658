//! Storage of rate limit counters in SQL: one statement counts and decides.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Db, SqlStore, db::Arg, row::Reader};
use crate::{
    clock::after,
    crypto::digest::Digest,
    store::{Allowance, Count, GrowingDelay, LimitRule, LimitStore, StoreError},
};

/// Maximum clock difference between nodes that is not treated as a clock that was set back.
const SKEW: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3600);
const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);
/// Maximum of the first delay, so that it can be doubled thirty times.
const MAX_DELAY: Duration = Duration::from_secs(86_400);

/// The delays of a rule that has none.
const NO_DELAY: GrowingDelay =
    GrowingDelay { free: u32::MAX, first: Duration::ZERO, longest: Duration::ZERO };

#[async_trait]
impl<DB: Db> LimitStore for SqlStore<DB> {
    async fn count(
        &self,
        key: &Digest,
        rule: &LimitRule,
        now: Timestamp,
    ) -> Result<Count, StoreError> {
        let end = now.as_millisecond().saturating_add(millis(rule.window));
        let GrowingDelay { free, first, longest } = rule.delays.unwrap_or(NO_DELAY);
        let delay = millis(first.min(longest).min(MAX_DELAY));
        let first = if free <= 1 { now.as_millisecond().saturating_add(delay) } else { 0 };
        // Otherwise the slower of two nodes would reset a window that restarts with each attempt.
        let latest = if rule.since_last { end.saturating_add(millis(SKEW)) } else { end };
        let args = vec![
            key.to_base64().into(),
            now.into(),
            end.into(),
            first.into(),
            i64::from(free).into(),
            i64::from(rule.most).into(),
            delay.into(),
            millis(longest).into(),
            i64::from(rule.since_last).into(),
            latest.into(),
        ];
        if let Some(count) = self.counted(COUNT, args).await? {
            return Ok(Count::Counted(count));
        }
        let Some((count, blocked_until, expires_at)) = self.read(key).await? else {
            return Ok(Count::Refused(now));
        };
        let (until, longest) = if count >= i64::from(rule.most) {
            (expires_at, rule.window)
        } else {
            (blocked_until, longest)
        };
        Ok(Count::Refused(until.min(after(now, longest))))
    }

    async fn take(
        &self,
        key: &Digest,
        allowance: &Allowance,
        now: Timestamp,
    ) -> Result<Count, StoreError> {
        let full = allowance.every.saturating_mul(allowance.at_once);
        let window = HOUR.max(full);
        let an_hour = allowance.an_hour.unwrap_or(u32::MAX);
        let args = vec![
            key.to_base64().into(),
            now.into(),
            now.as_millisecond().saturating_add(millis(window)).into(),
            millis(allowance.every).into(),
            now.as_millisecond().saturating_add(millis(full)).into(),
            i64::from(an_hour).into(),
        ];
        if let Some(count) = self.counted(TAKE, args).await? {
            return Ok(Count::Counted(count));
        }
        let Some((count, empty_until, expires_at)) = self.read(key).await? else {
            return Ok(Count::Refused(now));
        };
        let back = empty_until.checked_sub(full.saturating_sub(allowance.every)).unwrap_or(now);
        let back = back.min(after(now, allowance.every)).max(now);
        let all_taken = count >= i64::from(an_hour);
        Ok(Count::Refused(if all_taken {
            expires_at.min(after(now, window)).max(back)
        } else {
            back
        }))
    }

    async fn uncount(&self, key: &Digest) -> Result<(), StoreError> {
        self.execute(UNCOUNT, vec![key.to_base64().into()]).await.map(drop)
    }

    async fn forget(&self, key: &Digest) -> Result<(), StoreError> {
        self.execute(FORGET, vec![key.to_base64().into()]).await.map(drop)
    }

    async fn sweep_limits(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = DB::sweep("auth_limits", "key", ENDED);
        self.background(sql, vec![now.into(), i64::from(batch).into()]).await
    }
}

impl<DB: Db> SqlStore<DB> {
    async fn counted(&self, sql: &'static str, args: Vec<Arg>) -> Result<Option<u32>, StoreError> {
        let Some(row) = self.change(sql, args).await? else { return Ok(None) };
        let count = Reader::<DB>::new(&row, "auth_limits").int()?;
        Ok(Some(u32::try_from(count).unwrap_or(u32::MAX)))
    }

    async fn read(&self, key: &Digest) -> Result<Option<(i64, Timestamp, Timestamp)>, StoreError> {
        let Some(row) = self.change(READ, vec![key.to_base64().into()]).await? else {
            return Ok(None);
        };
        let mut columns = Reader::<DB>::new(&row, "auth_limits");
        Ok(Some((columns.int()?, columns.time()?, columns.time()?)))
    }
}

/// Limits a duration to a century, so that adding it to any time does not overflow.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.min(CENTURY).as_millis()).unwrap_or_default()
}

/// The condition that a counter has expired at `$2`, or was created before the clock was set back:
/// it would expire later than one that starts now, at `$latest`.
macro_rules! is_void {
    ($latest:literal) => {
        concat!("(auth_limits.expires_at <= $2 OR auth_limits.expires_at > ", $latest, ")")
    };
}

/// $1 key, $2 now, $3 end of a window that starts now, $4 end of the delay after the first attempt,
/// $5 attempts without delay, $6 maximum attempts, $7 first delay, $8 maximum delay, $9 whether the
/// window restarts with each attempt, $10 latest possible end.
const COUNT: &str = concat!(
    "INSERT INTO auth_limits (key, count, blocked_until, expires_at)
    VALUES ($1, 1, $4, $3)
    ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN ",
    is_void!("$10"),
    " THEN 1 ELSE auth_limits.count + 1 END,
    blocked_until = CASE
        WHEN ",
    is_void!("$10"),
    " THEN $4
        WHEN auth_limits.count + 1 < $5 THEN 0
        WHEN auth_limits.count + 1 - $5 > 30 THEN $2 + $8
        WHEN $7 * (CAST(1 AS BIGINT) << CAST(auth_limits.count + 1 - $5 AS INTEGER)) > $8 THEN $2 + $8
        ELSE $2 + $7 * (CAST(1 AS BIGINT) << CAST(auth_limits.count + 1 - $5 AS INTEGER)) END,
    expires_at = CASE
        WHEN $9 = 1 OR ",
    is_void!("$10"),
    " THEN $3 ELSE auth_limits.expires_at END
    WHERE ",
    is_void!("$10"),
    " OR (auth_limits.count < $6 AND auth_limits.blocked_until <= $2)
    RETURNING count"
);

/// The bucket is full again at `blocked_until` (generic cell rate algorithm, ITU-T I.371). $1 key,
/// $2 now, $3 end of a window that starts now, $4 refill interval of one, $5 now plus the time to
/// refill the whole bucket, $6 maximum per hour.
const TAKE: &str = concat!(
    "INSERT INTO auth_limits (key, count, blocked_until, expires_at)
    VALUES ($1, 1, CAST($2 AS BIGINT) + CAST($4 AS BIGINT), $3)
    ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN ",
    is_void!("$3"),
    " THEN 1 ELSE auth_limits.count + 1 END,
    blocked_until = CASE
        WHEN auth_limits.blocked_until <= $2 OR auth_limits.blocked_until > $5 THEN CAST($2 AS BIGINT) + CAST($4 AS BIGINT)
        ELSE auth_limits.blocked_until + $4 END,
    expires_at = CASE WHEN ",
    is_void!("$3"),
    " THEN $3 ELSE auth_limits.expires_at END
    WHERE (auth_limits.count < $6 OR ",
    is_void!("$3"),
    ")
    AND (auth_limits.blocked_until <= $2 OR auth_limits.blocked_until > $5
        OR auth_limits.blocked_until + $4 <= $5)
    RETURNING count"
);

const READ: &str = "SELECT count, blocked_until, expires_at FROM auth_limits
    WHERE key = CAST($1 AS TEXT)";

const UNCOUNT: &str =
    "UPDATE auth_limits SET count = count - 1, blocked_until = 0 WHERE key = CAST($1 AS TEXT)
    AND count > 0";

const FORGET: &str = "DELETE FROM auth_limits WHERE key = CAST($1 AS TEXT)";

const ENDED: &str = "expires_at <= CAST($1 AS BIGINT)";
