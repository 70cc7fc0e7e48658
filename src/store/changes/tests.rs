use tokio::time::timeout;

use super::*;

const ID: SessionId = SessionId::from_bytes([1; 16]);
const OTHER: SessionId = SessionId::from_bytes([2; 16]);

#[test]
fn change_invalidates_earlier_and_concurrent_reads() {
    let (changes, user) = (InvalidationClock::new(), UserId::new("ada"));
    let read = || changes.version_of(changes.start_read(), ID, &user);
    let before = read();
    assert!(changes.is_current(&before, 0));
    let began = changes.start_read();
    changes.invalidate_session(ID);
    assert!(!changes.is_current(&before, 0));
    assert!(!changes.is_current(&changes.version_of(began, ID, &user), 0), "read in between");
    for change in [
        |changes: &InvalidationClock| changes.invalidate_user(&UserId::new("ada")),
        InvalidationClock::invalidate_all,
    ] {
        let after = read();
        assert!(changes.is_current(&after, 0));
        change(&changes);
        assert!(!changes.is_current(&after, 0));
    }
    let after = read();
    changes.invalidate_session(OTHER);
    changes.invalidate_user(&UserId::new("bob"));
    let shared = [changes.mark(ID.as_bytes()), changes.of_user(&user)];
    let others = [changes.mark(OTHER.as_bytes()), changes.of_user(&UserId::new("bob"))];
    if !shared.iter().any(|mark| others.contains(mark)) {
        assert!(changes.is_current(&after, 0), "somebody else's change");
    }
}

#[test]
fn no_reading_is_valid_without_a_lease() {
    let (changes, user) = (InvalidationClock::unleased(), UserId::new("ada"));
    let reading = changes.version_of(changes.start_read(), ID, &user);
    assert!(!changes.is_current(&reading, 0));
    changes.renew_lease(10, Duration::from_nanos(5));
    assert!(changes.is_current(&reading, 14) && !changes.is_current(&reading, 15));
    changes.revoke_lease();
    assert!(!changes.is_current(&reading, 0));
}

/// Measures the share of cached sessions that unrelated changes invalidate during the `max_age`
/// of a cache entry.
#[test]
fn foreign_changes_invalidate_less_than_a_tenth_of_cached_sessions() {
    const CACHED: u32 = 10_000;
    const CHANGES: u32 = 5 * 500;
    let changes = InvalidationClock::new();
    let id = |number: u32| SessionId::from_bytes(u128::from(number).to_le_bytes());
    let cached: Vec<_> = (0..CACHED)
        .map(|number| {
            changes.version_of(changes.start_read(), id(number), &UserId::new(format!("u{number}")))
        })
        .collect();
    (CACHED..CACHED + CHANGES).for_each(|other| changes.invalidate_session(id(other)));
    let invalid = cached.iter().filter(|reading| changes.may_be_stale(reading)).count();
    assert!(invalid < cached.len() / 10, "{invalid} of {CACHED}");
}

#[test]
fn first_subscriber_creates_the_channel() {
    let changes = InvalidationClock::new();
    changes.invalidate_session(ID);
    assert!(changes.subscribers.get().is_none());
    let mut subscription = changes.subscribe();
    assert_eq!(subscription.try_changed(), None, "reported before");
    changes.invalidate_session(OTHER);
    assert_eq!(subscription.try_changed(), Some(Changed::Session(OTHER)));
}

/// Requires that the last change is reported once more after a pause, because it may be committed
/// late, and waits until it is not reported any longer.
async fn expect_later_report(changes: &InvalidationClock, user: &UserId) {
    let reading = changes.version_of(changes.start_read(), ID, user);
    tokio::time::sleep(FIRST_REPEAT * 2).await;
    assert!(!changes.is_current(&reading, 0), "it may have been committed in the meantime");
    tokio::time::sleep(Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn abandoned_change_is_reported_again() {
    let (changes, user) = (InvalidationClock::new(), UserId::new("ada"));
    let read = || changes.version_of(changes.start_read(), ID, &user);
    let reading = read();
    drop(changes.begin_user_change(&user));
    assert!(!changes.is_current(&reading, 0));
    expect_later_report(&changes, &user).await;

    let reading = read();
    let fails =
        changes.reporting(Changed::Everything, async { Err::<(), _>("no response") }, |()| {
            [Changed::Session(ID)]
        });
    fails.await.unwrap_err();
    assert!(!changes.is_current(&reading, 0), "a change that failed may have been made");
    expect_later_report(&changes, &user).await;

    let reading = read();
    let fails = changes.begin_user_change(&user).run(async { Err::<(), _>("no response") });
    fails.await.unwrap_err();
    assert!(!changes.is_current(&reading, 0), "a change that failed may have been made");
    expect_later_report(&changes, &user).await;
}

#[tokio::test(start_paused = true)]
async fn completed_change_is_reported_once() {
    let (changes, user) = (InvalidationClock::new(), UserId::new("ada"));
    let read = || changes.version_of(changes.start_read(), ID, &user);
    let reading = read();
    let ends = async { Ok::<_, ()>([]) };
    changes.reporting(Changed::Everything, ends, |ended: &[Changed; 0]| *ended).await.unwrap();
    assert!(changes.is_current(&reading, 0), "nothing has changed");
    let ends = async { Ok::<_, ()>([Changed::Session(ID)]) };
    changes.reporting(Changed::Everything, ends, |ended: &[Changed; 1]| *ended).await.unwrap();
    assert!(!changes.is_current(&reading, 0), "the session has changed");
    let reading = read();
    changes.begin_session_change(OTHER).run(async { Ok::<_, ()>(()) }).await.unwrap();
    tokio::time::sleep(FIRST_REPEAT * 2).await;
    let shared = [changes.mark(ID.as_bytes()), changes.of_user(&user)];
    assert!(changes.is_current(&reading, 0) || shared.contains(&changes.mark(OTHER.as_bytes())));
}

/// A commit is reported late by at most the time that it took, plus a quarter of a second.
#[tokio::test(start_paused = true)]
async fn abandoned_change_is_reported_at_growing_intervals() {
    let (changes, began) = (InvalidationClock::new(), tokio::time::Instant::now());
    let mut subscription = changes.subscribe();
    drop(changes.begin_session_change(ID));
    let mut reported = Vec::new();
    while timeout(Duration::from_secs(60), subscription.changed()).await.is_ok() {
        reported.push(began.elapsed());
    }
    assert!(reported.len() <= 7, "reported {} times", reported.len());
    assert!(reported.last().is_some_and(|last| *last >= Duration::from_secs(15)));
    let late = Duration::from_millis(260);
    assert!(reported.windows(2).all(|pair| pair[1] <= pair[0] * 2 + late), "{reported:?}");
}
