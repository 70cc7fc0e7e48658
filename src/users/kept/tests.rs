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
    assert_eq!(kept.or_ask(&ada(), fails()).await.unwrap(), Some(3), "the entry may be current");
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
