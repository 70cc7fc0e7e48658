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
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn kept(fresh: Duration, stale: Duration, changes: &Arc<InvalidationClock>) -> Kept<u8> {
        Kept::new(CachePolicy { fresh, stale, users: 10 }, Arc::clone(changes))
    }

    async fn says(value: u8) -> Result<Option<u8>, StoreError> {
        Ok(Some(value))
    }

    async fn fails() -> Result<Option<u8>, StoreError> {
        Err(StoreError::new("the source fails"))
    }

    fn ada() -> UserId {
        UserId::new("ada")
    }

    #[tokio::test]
    async fn entry_is_valid_until_its_user_changes() {
        let changes = InvalidationClock::new();
        let kept = kept(HOUR, HOUR, &changes);
        assert_eq!(kept.or_ask(&ada(), says(1)).await.unwrap(), Some(1));
        assert_eq!(kept.or_ask(&ada(), says(2)).await.unwrap(), Some(1));
        kept.change(&ada());
        assert!(kept.or_ask(&ada(), fails()).await.is_err(), "the entry is known to have changed");
        assert_eq!(kept.or_ask(&ada(), says(3)).await.unwrap(), Some(3));
        assert_eq!(kept.or_ask(&ada(), says(4)).await.unwrap(), Some(3));
        changes.invalidate_all();
        assert_eq!(
            kept.or_ask(&ada(), fails()).await.unwrap(),
            Some(3),
            "the entry may be current"
        );
        assert_eq!(kept.or_ask(&ada(), async { Ok(None) }).await.unwrap(), None);
        assert!(kept.or_ask(&ada(), fails()).await.is_err(), "a missing user is not cached");
    }

    #[tokio::test]
    async fn user_changed_while_it_is_fetched_is_not_cached() {
        let changes = InvalidationClock::new();
        let kept = kept(HOUR, HOUR, &changes);
        let changed_meanwhile = async {
            kept.change(&ada());
            Ok(Some(1))
        };
        assert_eq!(kept.or_ask(&ada(), changed_meanwhile).await.unwrap(), Some(1));
        assert_eq!(kept.or_ask(&ada(), says(2)).await.unwrap(), Some(2));
        let stale = Kept { rules: CachePolicy { fresh: Duration::ZERO, ..kept.rules }, ..kept };
        assert_eq!(stale.or_ask(&ada(), fails()).await.unwrap(), Some(2));
        let fails_and_is_changed = async {
            stale.change(&ada());
            fails().await
        };
        assert!(stale.or_ask(&ada(), fails_and_is_changed).await.is_err());
    }

    #[tokio::test]
    async fn entry_is_fetched_again_after_a_second_without_a_lease() {
        let changes = InvalidationClock::unleased();
        let long = kept(HOUR, Duration::ZERO, &changes);
        assert_eq!(long.unheard, Duration::from_secs(1));
        assert_eq!(long.or_ask(&ada(), says(1)).await.unwrap(), Some(1));
        assert_eq!(long.or_ask(&ada(), says(2)).await.unwrap(), Some(1), "for a second");
        let long = Kept { unheard: Duration::ZERO, ..long };
        assert_eq!(long.or_ask(&ada(), says(3)).await.unwrap(), Some(3), "no longer");
        changes.renew_lease(changes.now(), HOUR);
        assert_eq!(long.or_ask(&ada(), says(4)).await.unwrap(), Some(3), "for an hour");
        changes.invalidate_user(&ada());
        changes.revoke_lease();
        assert_eq!(long.or_ask(&ada(), says(5)).await.unwrap(), Some(5), "a change that is known");
    }

    #[tokio::test(start_paused = true)]
    async fn lease_is_renewed_before_an_entry_is_used_after_an_idle_time() {
        let changes = InvalidationClock::unleased();
        let long = Kept { unheard: Duration::ZERO, ..kept(HOUR, Duration::ZERO, &changes) };
        assert_eq!(long.or_ask(&ada(), says(1)).await.unwrap(), Some(1));
        let renews = async {
            changes.wait_for_demand().await;
            changes.renew_lease(changes.now(), HOUR);
        };
        changes.renew_lease(1, Duration::ZERO);
        let ada = ada();
        let (answer, ()) = tokio::join!(long.or_ask(&ada, says(2)), renews);
        assert_eq!(answer.unwrap(), Some(1), "nothing has changed");
        changes.renew_lease(1, Duration::ZERO);
        let changed = async {
            changes.wait_for_demand().await;
            changes.invalidate_user(&ada);
            changes.renew_lease(changes.now(), HOUR);
        };
        let (answer, ()) = tokio::join!(long.or_ask(&ada, says(3)), changed);
        assert_eq!(answer.unwrap(), Some(3), "it has");
        changes.renew_lease(1, Duration::ZERO);
        assert_eq!(long.or_ask(&ada, says(4)).await.unwrap(), Some(4), "the source fails");
    }

    #[tokio::test]
    async fn concurrent_tasks_share_one_query() {
        let kept = kept(HOUR, HOUR, &InvalidationClock::new());
        let queries = std::sync::atomic::AtomicU32::new(0);
        let fetch = || async {
            let count = queries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Some(u8::try_from(count).unwrap()))
        };
        let ada = ada();
        let all = std::iter::repeat_with(|| kept.or_ask(&ada, fetch())).take(20);
        for found in futures_util::future::join_all(all).await {
            assert_eq!(found.unwrap(), Some(0));
        }
    }

    #[tokio::test]
    async fn entry_expires_with_its_age() {
        let minute = Duration::from_secs(60);
        let never = kept(Duration::ZERO, minute, &InvalidationClock::new());
        for value in 1..4 {
            assert_eq!(never.or_ask(&ada(), says(value)).await.unwrap(), Some(value));
        }
        assert_eq!(never.or_ask(&ada(), fails()).await.unwrap(), Some(3), "stale");
        let answer = never.answers.get(&ada()).unwrap();
        let at = |second: u64| answer.moment + second * 1_000_000_000;
        for (second, counts) in [(0, true), (59, true), (60, false), (3600, false)] {
            assert_eq!(never.counts(&answer, minute, at(second)), counts, "{second}");
        }
        let none = kept(Duration::ZERO, Duration::ZERO, &InvalidationClock::new());
        none.or_ask(&ada(), says(1)).await.unwrap();
        assert!(none.or_ask(&ada(), fails()).await.is_err());
    }
}
