//! Which key signs, and which are published.
//!
//! Keys sign one after another, 30 days each. The key that signs always has a successor, so the set
//! that services fetch has each key a day before it signs, whether or not tokens are requested then.
//! A key that was replaced is published for another day.

use jiff::{SignedDuration, Timestamp};

use crate::store::StoredSigningKey;

/// The time for which a key signs.
const PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The time for which a key is published before and after it signs.
const MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// A change that makes the schedule complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A key is missing.
    Insert { number: u32, starts_at: Timestamp },
    /// A key begins too late, because a clock was ahead when it was created.
    Reschedule { number: u32, from: Timestamp, to: Timestamp },
}

/// Returns the change that keys, in the order of their numbers, require.
///
/// The first key signs at once. Any other signs after its predecessor, and a day from now at the
/// earliest.
pub(super) fn change(keys: &[StoredSigningKey], now: Timestamp) -> Option<Change> {
    let Some(last) = keys.last() else {
        return Some(Change::Insert { number: 1, starts_at: now });
    };
    if last.starts_at <= now {
        let starts_at = (last.starts_at + PERIOD).max(now + MARGIN);
        return Some(Change::Insert { number: last.number.saturating_add(1), starts_at });
    }
    let former = keys.iter().rev().nth(1);
    let to = former.map_or(now, |former| (former.starts_at + PERIOD).max(now + MARGIN));
    let is_too_late = last.starts_at > now + PERIOD && to < last.starts_at;
    is_too_late.then_some(Change::Reschedule { number: last.number, from: last.starts_at, to })
}

/// Returns the place of the key that signs: the last that has begun, or the first one if the clock
/// was set back.
pub(super) fn signing(keys: &[StoredSigningKey], now: Timestamp) -> usize {
    keys.iter().rposition(|key| key.starts_at <= now).unwrap_or_default()
}

/// Returns whether the key at a place is published.
pub(super) fn is_published(keys: &[StoredSigningKey], at: usize, now: Timestamp) -> bool {
    let begins = |key: &StoredSigningKey| key.starts_at <= now + MARGIN;
    let is_replaced = |next: &StoredSigningKey| next.starts_at + MARGIN <= now;
    let next = keys.get(at.saturating_add(1));
    let is_current = at == signing(keys, now);
    is_current || keys.get(at).is_some_and(begins) && !next.is_some_and(is_replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn day(days: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + days * DAY).unwrap()
    }

    fn key(number: u32, starts_at: Timestamp) -> StoredSigningKey {
        let (id, sealed) = (number.to_string(), String::new());
        StoredSigningKey { number, id, sealed, created_at: starts_at, starts_at }
    }

    /// Applies the changes of one time.
    fn complete(keys: &mut Vec<StoredSigningKey>, now: Timestamp) {
        while let Some(change) = change(keys, now) {
            match change {
                Change::Insert { number, starts_at } => keys.push(key(number, starts_at)),
                Change::Reschedule { number, from, to } => {
                    let own = keys.iter_mut().find(|own| own.number == number).unwrap();
                    assert_eq!(own.starts_at, from);
                    own.starts_at = to;
                }
            }
        }
    }

    fn published(keys: &[StoredSigningKey], now: Timestamp) -> Vec<u32> {
        let places = (0..keys.len()).filter(|at| is_published(keys, *at, now));
        places.map(|at| keys[at].number).collect()
    }

    fn signs(keys: &[StoredSigningKey], now: Timestamp) -> u32 {
        keys[signing(keys, now)].number
    }

    #[test]
    fn keys_are_published_a_day_before_and_after_they_sign() {
        let mut keys = Vec::new();
        complete(&mut keys, day(0));
        let second = SignedDuration::from_secs(1);
        for (now, signing, all) in [
            (day(0), 1, vec![1]),
            (day(29) - second, 1, vec![1]),
            (day(29), 1, vec![1, 2]),
            (day(30) - second, 1, vec![1, 2]),
            (day(30), 2, vec![1, 2]),
            (day(31) - second, 2, vec![1, 2]),
            (day(31), 2, vec![2]),
            (day(59), 2, vec![2, 3]),
            (day(60), 3, vec![2, 3]),
            (day(61), 3, vec![3]),
        ] {
            complete(&mut keys, now);
            assert_eq!((signs(&keys, now), published(&keys, now)), (signing, all), "{now}");
        }
    }

    #[test]
    fn key_after_a_pause_is_published_for_a_day_first() {
        let mut keys = Vec::new();
        complete(&mut keys, day(0));
        complete(&mut keys, day(100));
        assert_eq!((signs(&keys, day(100)), published(&keys, day(100))), (2, vec![2, 3]));
        assert_eq!((signs(&keys, day(101)), published(&keys, day(101))), (3, vec![2, 3]));
    }

    #[test]
    fn clock_that_was_ahead_delays_no_rotation() {
        let mut keys = Vec::new();
        complete(&mut keys, day(0));
        complete(&mut keys, day(400));
        assert_eq!(keys.last().unwrap().starts_at, day(401));
        complete(&mut keys, day(40));
        assert_eq!((signs(&keys, day(40)), keys.last().unwrap().starts_at), (2, day(60)));
        let mut keys = vec![key(1, day(400))];
        complete(&mut keys, day(0));
        assert_eq!((keys[0].starts_at, keys[1].starts_at), (day(0), day(30)));
    }

    #[test]
    fn clock_that_was_set_back_finds_a_key() {
        let mut keys = Vec::new();
        complete(&mut keys, day(1));
        complete(&mut keys, day(0));
        assert_eq!((signs(&keys, day(0)), published(&keys, day(0))), (1, vec![1]));
    }
}
