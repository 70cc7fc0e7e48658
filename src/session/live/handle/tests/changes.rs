//! The checks after a change, and how soon they run.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering::SeqCst,
    time::Duration,
};

use tokio::time::sleep;

use super::{
    fake::{World, Wrong, id, user},
    stands,
};
use crate::{
    model::SessionId,
    store::{InvalidationClock, SessionStore},
};

/// Returns the largest number of sessions in a query, and the largest number of queries for one
/// session.
fn most(looks: &[Vec<SessionId>]) -> (usize, usize) {
    let mut times = HashMap::<SessionId, usize>::new();
    looks.iter().flatten().for_each(|id| *times.entry(*id).or_default() += 1);
    let largest = looks.iter().map(Vec::len).max().unwrap_or_default();
    (largest, times.into_values().max().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn with_a_lease_each_session_is_checked_once_a_minute() {
    let world = World::told_by(&InvalidationClock::new());
    let lives: Vec<_> = (0..480).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(2)).await;
    let before = world.looks().len();
    sleep(Duration::from_secs(60)).await;
    let looks = world.looks().split_off(before);
    let (largest, times) = most(&looks);
    assert!(largest <= 4 && times <= 2, "{largest} at once, {times} times");
    let seen: HashSet<_> = looks.into_iter().flatten().collect();
    assert!(seen.len() >= 478, "{}", seen.len());
    // A revocation whose notification was lost is detected by then.
    world.fake.delete(id(7)).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    assert!(!stands(&lives[7]) && stands(&lives[8]));
}

#[tokio::test(start_paused = true)]
async fn change_of_a_session_checks_only_that_session() {
    let changes = InvalidationClock::new();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..300).map(|number| world.watch(number)).collect();
    sleep(Duration::from_millis(1200)).await;
    let before = world.looks().len();
    for _ in 0..300 {
        changes.invalidate_user(&user(id(7)));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(lives.iter().all(stands));
    let mut looks = world.looks().split_off(before);
    let own = looks.iter().filter(|look| look.contains(&id(7))).count();
    assert!((290..=310).contains(&own), "{own} looks");
    looks.iter_mut().for_each(|look| look.retain(|other| *other != id(7)));
    let (largest, times) = most(&looks);
    assert!(largest <= 4 && times <= 1, "{largest} at once, {times} times");
    world.fake.delete(id(7)).await.unwrap();
    changes.invalidate_session(id(7));
    assert!(world.ends_after(&mut lives[7]).await <= 0.1);
    world.sessions.revoke(id(8)).await.unwrap();
    assert!(!stands(&lives[8]), "what was ended here has ended at once");
}

#[tokio::test(start_paused = true)]
async fn unspecified_change_checks_all_sessions_at_once() {
    let changes = InvalidationClock::new();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(2)).await;
    world.fake.gone.lock().unwrap().extend((0..10_000).map(id));
    changes.invalidate_all();
    assert!(world.ends_after(&mut lives[9_999]).await <= 0.1);
    assert_eq!(lives.iter().filter(|live| stands(live)).count(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn change_does_not_wait_for_a_check_of_all_sessions() {
    let changes = InvalidationClock::unleased();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(1)).await;
    world.fake.delay.store(500, SeqCst);
    sleep(Duration::from_millis(1700)).await;
    // The position in the round does not matter: these sessions are at both of its ends.
    for number in [0, 19_999] {
        world.fake.delete(id(number)).await.unwrap();
        changes.invalidate_session(id(number));
        assert!(world.ends_after(&mut lives[usize::from(number)]).await <= 1.1);
    }
    assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 2);
}

/// The session of one user changes a hundred times a second, and a statement takes longer than
/// four of these changes.
#[tokio::test(start_paused = true)]
async fn frequent_changes_do_not_starve_other_sessions() {
    let changes = InvalidationClock::new();
    let world = World::told_by(&changes);
    world.fake.delay.store(100, SeqCst);
    let (changing, other) = (world.watch(0), world.watch(1));
    for round in 0..4000 {
        if round == 3000 {
            world.fake.delete(id(1)).await.unwrap();
            changes.invalidate_all();
        }
        changes.invalidate_user(&user(id(0)));
        sleep(Duration::from_millis(10)).await;
        assert!(stands(&other) == (round < 3000) || round < 3100, "round {round}");
    }
    assert!(stands(&changing));
    // Changes that were reported together cause one query, and none is left over.
    sleep(Duration::from_millis(200)).await;
    let looks = world.looks().len();
    assert!(looks <= 4000, "{looks}");
    sleep(Duration::from_secs(1)).await;
    assert!(world.looks().len() <= looks + 1, "changes were left over");
}

#[tokio::test(start_paused = true)]
async fn changed_sessions_keep_their_precedence_after_an_error() {
    let changes = InvalidationClock::unleased();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(1)).await;
    world.fake.delay.store(500, SeqCst);
    sleep(Duration::from_millis(1700)).await;
    world.fake.rows.lock().unwrap().insert(id(1), Wrong::Fails);
    for number in [0, 19_999] {
        world.fake.delete(id(number)).await.unwrap();
    }
    // In one statement with a row that cannot be decoded.
    for number in [0, 1, 19_999] {
        changes.invalidate_session(id(number));
    }
    for number in [0_u16, 19_999] {
        let after = world.ends_after(&mut lives[usize::from(number)]).await;
        assert!(after <= 2.1, "{number}: {after}");
    }
}
