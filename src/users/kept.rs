//! A cache of users and claims that are fetched from the application.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;

use super::ports::CachePolicy;
use crate::{
    flight::{Flights, Turn},
    model::UserId,
    store::{InvalidationClock, ReadVersion, StoreError},
};

/// Maximum age of a cache entry while changes by other processes are not reported. It is as long as
/// a revoked session may stay cached, and avoids a query per request.
const UNHEARD: Duration = Duration::from_secs(1);

/// A cache whose entries are valid for the time in [`CachePolicy`] until [`InvalidationClock`] invalidate
/// them. The age of an entry is measured on the monotonic clock of `InvalidationClock`.
pub(super) struct Kept<T> {
    answers: Cache<UserId, Answer<T>>,
    rules: CachePolicy,
    changes: Arc<InvalidationClock>,
    unheard: Duration,
    /// Users that are being fetched.
    flights: Flights<UserId>,
}

#[derive(Clone)]
struct Answer<T> {
    moment: u64,
    reading: ReadVersion,
    value: T,
}

impl<T: Clone> Kept<T> {
    /// Creates a cache whose entries are invalidated by these changes.
    pub(super) fn new(rules: CachePolicy, changes: Arc<InvalidationClock>) -> Self {
        let answers = Cache::new(rules.users.max(1));
        Self { answers, rules, changes, unheard: UNHEARD, flights: Flights::default() }
    }

    /// Returns the cached value of a user, or fetches it with `ask`. "Not found" is not cached.
    pub(super) async fn or_ask(
        &self,
        user: &UserId,
        ask: impl Future<Output = Result<Option<T>, StoreError>> + Send,
    ) -> Result<Option<T>, StoreError> {
        let began = self.changes.start_read();
        let kept = self.answers.get(user);
        if let Some(kept) = &kept
            && self.still_counts(kept).await
        {
            return Ok(Some(kept.value.clone()));
        }
        let turn = match self.rules.fresh.is_zero() {
            true => None,
            false => Some(self.flights.turn(user).await),
        };
        if let Some(Turn::Another) = turn
            && let Some(kept) = self.answers.get(user)
            && self.still_counts(&kept).await
        {
            return Ok(Some(kept.value));
        }
        match ask.await {
            Ok(Some(value)) => {
                let (moment, reading) =
                    (began.started_at(), self.changes.version_of_user(began, user));
                // A value that was changed while it was fetched is not cached.
                if !self.changes.may_be_stale(&reading) {
                    let answer = Answer { moment, reading, value: value.clone() };
                    self.answers.insert(user.clone(), answer);
                }
                Ok(Some(value))
            }
            Ok(None) => {
                self.answers.remove(user);
                Ok(None)
            }
            Err(error) => {
                // The query may have taken long.
                let now = self.changes.now();
                let longest = self.rules.fresh.max(self.rules.stale);
                match kept.filter(|kept| self.stands_in(kept, longest, now)) {
                    Some(kept) => {
                        tracing::warn!(
                            user = %user, cause = %error,
                            "a user could not be fetched; a stale cache entry is used"
                        );
                        Ok(Some(kept.value))
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// Invalidates the entry of a user.
    pub(super) fn change(&self, user: &UserId) {
        self.changes.invalidate_user(user);
    }

    async fn still_counts(&self, kept: &Answer<T>) -> bool {
        let (fresh, now) = (self.rules.fresh, self.changes.now());
        let counts = |at_most, now| self.counts(kept, at_most, now);
        if !counts(fresh, now) || self.changes.is_leased(now) {
            return counts(fresh, now);
        }
        counts(fresh.min(self.unheard), now)
            || self.changes.is_leased_soon().await && counts(fresh, self.changes.now())
    }

    fn counts(&self, kept: &Answer<T>, at_most: Duration, now: u64) -> bool {
        is_younger(kept, at_most, now) && !self.changes.may_be_stale(&kept.reading)
    }

    /// Returns whether an entry can be used while the source fails. An entry that may have changed
    /// because changes were not reported can; an entry that is known to have changed cannot.
    fn stands_in(&self, kept: &Answer<T>, at_most: Duration, now: u64) -> bool {
        is_younger(kept, at_most, now) && !self.changes.is_stale(&kept.reading)
    }
}

fn is_younger<T>(kept: &Answer<T>, than: Duration, now: u64) -> bool {
    u128::from(now.saturating_sub(kept.moment)) < than.as_nanos()
}

#[cfg(test)]
mod tests;
