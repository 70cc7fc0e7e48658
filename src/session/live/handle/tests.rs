//! The watcher of live connections, on a clock that the tests advance: failures of the store, and the
//! ends of sessions and connections.

mod changes;
mod fake;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use jiff::Timestamp;
use tokio::time::sleep;

use self::fake::{World, Wrong, id, session, user};
use super::*;
use crate::{
    model::User,
    store::{InvalidationClock, SessionStore},
};

fn stands(live: &SessionWatch) -> bool {
    live.subject().is_some()
}

#[tokio::test(start_paused = true)]
async fn unresponsive_store_closes_connections_after_ten_seconds() {
    let world = World::new();
    let mut live = world.watch(0);
    sleep(Duration::from_secs(60)).await;
    assert!(stands(&live));
    world.fake.is_silent.store(true, SeqCst);
    let after = world.ends_after(&mut live).await;
    assert!((9.0..=10.1).contains(&after), "{after}");
    // The store responds again, and new sessions are watched as before.
    world.fake.is_silent.store(false, SeqCst);
    let mut live = world.watch(1);
    sleep(Duration::from_secs(60)).await;
    assert!(stands(&live));
    world.sessions.revoke(id(1)).await.unwrap();
    assert!(world.ends_after(&mut live).await < 1.0);
}

#[tokio::test(start_paused = true)]
async fn silence_of_less_than_ten_seconds_closes_nothing() {
    let world = World::new();
    let lives: Vec<_> = (0..1200).map(|number| world.watch(number)).collect();
    for _ in 0..5 {
        sleep(Duration::from_secs(2)).await;
        world.fake.is_silent.store(true, SeqCst);
        sleep(Duration::from_secs(5)).await;
        world.fake.is_silent.store(false, SeqCst);
    }
    assert!(lives.iter().all(stands));
}

#[tokio::test(start_paused = true)]
async fn unreadable_row_closes_only_its_own_connections() {
    for wrong in [Wrong::Fails, Wrong::Panics] {
        let world = World::new();
        let mut lives: Vec<_> = (0..1200).map(|number| world.watch(number)).collect();
        let bad = [7, 8, 600];
        world.fake.rows.lock().unwrap().extend(bad.map(|number| (id(number), wrong)));
        for number in bad {
            let after = world.ends_after(&mut lives[usize::from(number)]).await;
            assert!(after <= 10.1, "{after}");
        }
        sleep(Duration::from_secs(12)).await;
        let standing = lives.iter().filter(|live| stands(live)).count();
        assert_eq!(standing, lives.len() - bad.len());
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_user_closes_only_their_own_connections() {
    for wrong in [Wrong::Fails, Wrong::Panics, Wrong::Hangs] {
        let world = World::new();
        let mut lives: Vec<_> = (0..600).map(|number| world.watch(number)).collect();
        sleep(Duration::from_secs(1)).await;
        world.fake.users.lock().unwrap().insert(user(id(7)), wrong);
        sleep(Duration::from_secs(2)).await;
        assert!(stands(&lives[7]));
        // The end of another session is detected without delay.
        world.fake.delete(id(8)).await.unwrap();
        assert!(world.ends_after(&mut lives[8]).await < 1.0);
        assert!(world.ends_after(&mut lives[7]).await <= 8.1);
        sleep(Duration::from_secs(12)).await;
        assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 2);
    }
}

#[tokio::test(start_paused = true)]
async fn panic_of_the_watcher_closes_only_current_connections() {
    let world = World::new();
    let mut live = world.watch(0);
    sleep(Duration::from_secs(1)).await;
    world.fake.is_broken.store(true, SeqCst);
    assert!(world.ends_after(&mut live).await < 1.0);
    world.fake.is_broken.store(false, SeqCst);
    watches(&world, 1).await;
}

#[test]
fn runtime_shutdown_closes_its_connections() {
    let world = World::new();
    assert!(!stands(&world.watch(0)), "sessions cannot be watched outside of a runtime");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    let mut live = first.block_on(async { world.watch(0) });
    assert!(stands(&live));
    drop(first);
    runtime().block_on(async {
        tokio::time::pause();
        assert!(world.ends_after(&mut live).await < 1.0);
        watches(&world, 1).await;
    });
}

/// A session is watched, and its end is detected.
async fn watches(world: &World, number: u16) {
    let mut live = world.watch(number);
    sleep(Duration::from_secs(60)).await;
    assert!(stands(&live));
    world.fake.delete(id(number)).await.unwrap();
    assert!(world.ends_after(&mut live).await < 1.0);
}

#[tokio::test(start_paused = true)]
async fn opening_and_closing_connections_checks_no_other_session() {
    let world = World::new();
    let lives: Vec<_> = (0..100).map(|number| world.watch(number)).collect();
    sleep(Duration::from_millis(1200)).await;
    let before = world.looks().len();
    for round in 0..1000 {
        let live = world.watch(100 + round);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        drop(live);
    }
    // No time has passed.
    assert_eq!(world.looks().len(), before);
    assert!(lives.iter().all(stands));
    world.fake.delete(id(5000)).await.unwrap();
    let mut late = world.watch(5000);
    assert!(world.ends_after(&mut late).await < 1.0, "it had ended before it was watched");
}

/// The sessions need 40 statements, each of which takes as long as the test specifies.
#[tokio::test(start_paused = true)]
async fn slow_database_closes_no_connection() {
    for (usual, slow) in [(200, 600), (200, 2500)] {
        let world = World::told_by(&InvalidationClock::unleased());
        world.fake.delay.store(usual, SeqCst);
        let lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
        sleep(Duration::from_secs(20)).await;
        world.fake.delay.store(slow, SeqCst);
        sleep(Duration::from_secs(60)).await;
        world.fake.delay.store(usual, SeqCst);
        sleep(Duration::from_secs(20)).await;
        let standing = lives.iter().filter(|live| stands(live)).count();
        assert_eq!(standing, lives.len(), "{slow} ms a statement");
    }
}

#[tokio::test(start_paused = true)]
async fn store_timeout_counts_as_silence() {
    let world = World::new();
    let lives: Vec<_> = (0..500).map(|number| world.watch(number)).collect();
    let all = (0..500).map(|number| (id(number), Wrong::TimesOut));
    world.fake.rows.lock().unwrap().extend(all);
    sleep(Duration::from_secs(5)).await;
    let looks = world.looks();
    assert!(looks.len() >= 5 && looks.iter().all(|look| look.len() == 500), "{}", looks.len());
    assert!(lives.iter().all(stands));
}

#[tokio::test(start_paused = true)]
async fn with_a_lease_a_silent_database_closes_only_changed_sessions() {
    let changes = InvalidationClock::unleased();
    changes.renew_lease(changes.now(), Duration::from_secs(3600));
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..600).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(2)).await;
    world.fake.is_silent.store(true, SeqCst);
    sleep(Duration::from_secs(90)).await;
    assert!(lives.iter().all(stands));
    changes.invalidate_user(&user(id(7)));
    let after = world.ends_after(&mut lives[7]).await;
    assert!((9.0..=10.4).contains(&after), "{after}");
    assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 1);
    changes.revoke_lease();
    let after = world.ends_after(&mut lives[8]).await;
    assert!((9.0..=10.4).contains(&after), "{after}");
    sleep(Duration::from_secs(1)).await;
    assert!(!lives.iter().any(stands));
}

#[tokio::test(start_paused = true)]
async fn connection_closes_at_expiry_unless_the_session_is_refreshed() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let world = World::told_by(&InvalidationClock::new());
    let watch = |number| {
        let (id, user) = (id(number), User::new(user(id(number)), Timestamp::MIN));
        world.fake.expiry.lock().unwrap().insert(id, at(100));
        let mut session = session(id);
        session.expires_at = at(100);
        world.sessions.watch(&Arc::new(AuthenticatedSession::new(session, user)))
    };
    let (mut one, mut two) = (watch(1), watch(2));
    sleep(Duration::from_secs(2)).await;
    // A refresh is not reported as a change.
    world.fake.expiry.lock().unwrap().insert(id(2), at(200));
    world.fake.now.store(99, SeqCst);
    sleep(Duration::from_secs(2)).await;
    assert!(stands(&one) && stands(&two));
    world.fake.now.store(100, SeqCst);
    assert!(world.ends_after(&mut one).await <= 0.5);
    sleep(Duration::from_secs(2)).await;
    assert!(stands(&two));
    world.fake.now.store(200, SeqCst);
    assert!(world.ends_after(&mut two).await <= 0.5);
}

#[tokio::test(start_paused = true)]
async fn session_is_watched_until_its_last_connection_closes() {
    let world = World::new();
    let first = world.watch(1);
    let (second, third) = (first.clone(), world.watch(1));
    drop(first);
    drop(third);
    let before = world.looks().len();
    sleep(Duration::from_secs(2)).await;
    assert!(stands(&second) && world.looks().len() > before);
    drop(second);
    let before = world.looks().len();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.looks().len(), before);
}

/// The number of statements is bounded if the store fails entirely.
#[tokio::test(start_paused = true)]
async fn failing_store_is_not_queried_for_each_session() {
    let world = World::new();
    let mut lives: Vec<_> = (0..500).map(|number| world.watch(number)).collect();
    let all = (0..500).map(|number| (id(number), Wrong::Fails));
    world.fake.rows.lock().unwrap().extend(all);
    assert!(world.ends_after(&mut lives[0]).await <= 10.1);
    let looks = world.looks().len();
    assert!(looks < 1000, "{looks}");
}
