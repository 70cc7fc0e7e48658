//! The sessions that are watched, with what is known of each and when it has to be looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{slot::Slot, urgent::Urgent};
use crate::{
    model::{SessionId, Subject},
    store::Changed,
};

/// A session that could not be confirmed for this duration is ended.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// The same for a session that has not been looked at since, while looks at others succeed.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// In this many ticks every session is looked at once, even if nothing changes.
const TICKS: usize = 240;
/// Sessions that are changed before the lock is released for others.
const AT_ONCE: usize = 1024;

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    /// The number of `Live` values.
    lives: usize,
    user: u64,
    expires_at: Timestamp,
    /// Whether the expiry is waited for.
    is_timed: bool,
    /// The last time at which the session is known to have been valid, as of the last look or, if
    /// that is later, of the lease when the session was invalidated.
    confirmed: Instant,
    /// The serial number of the last invalidation; an earlier look does not confirm the session.
    invalidated: u64,
    standing: Standing,
    is_asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing has changed since the last look, as long as there is a lease.
    Confirmed,
    /// It has to be looked at.
    Waiting,
    /// The last look at it failed.
    Failed,
}

/// The beginning of a look.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    at: Instant,
    serial: u64,
}

/// All sessions that are watched. Each operation takes the time of a few map operations.
#[derive(Debug, Default)]
pub(super) struct Watched {
    entries: BTreeMap<SessionId, Entry>,
    of_user: BTreeSet<(u64, SessionId)>,
    expiries: BTreeSet<(Timestamp, SessionId)>,
    waiting: BTreeSet<(Instant, SessionId)>,
    failed: BTreeSet<(Instant, SessionId)>,
    /// Invalidated one by one: looked at before all others.
    urgent: Urgent,
    /// Looked at although nothing has changed.
    routine: Vec<SessionId>,
    /// The last session that was due for a routine look, and the ticks that are left over.
    cursor: Option<SessionId>,
    credit: usize,
    /// The last time at which all changes were known to be reported.
    leased_at: Option<Instant>,
    /// Whether all sessions have to be looked at.
    is_everything_due: bool,
    serial: u64,
    /// When the last look began that succeeded.
    answered: Option<Instant>,
    pub(super) is_running: bool,
}

impl Watched {
    /// Adds one more `Live` of a session.
    pub(super) fn add(
        &mut self,
        id: SessionId,
        user: u64,
        expires_at: Timestamp,
        subject: Subject,
    ) -> Arc<Slot> {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.lives += 1;
            return Arc::clone(&entry.slot);
        }
        let (slot, confirmed) = (Arc::new(Slot::new(subject)), Instant::now());
        let entry = Entry {
            slot: Arc::clone(&slot),
            lives: 1,
            user,
            expires_at,
            is_timed: true,
            confirmed,
            invalidated: self.serial,
            standing: Standing::Waiting,
            is_asked: false,
        };
        self.of_user.insert((user, id));
        self.expiries.insert((expires_at, id));
        self.waiting.insert((confirmed, id));
        self.entries.insert(id, entry);
        slot
    }

    /// Counts one more `Live` of a session that is watched.
    pub(super) fn retain(&mut self, id: SessionId, slot: &Arc<Slot>) {
        if let Some(entry) = self.entry(id).filter(|entry| Arc::ptr_eq(&entry.slot, slot)) {
            entry.lives += 1;
        }
    }

    /// Counts one less, and forgets the session with the last one.
    pub(super) fn release(&mut self, id: SessionId, slot: &Arc<Slot>) {
        let entry = self.entry(id).filter(|entry| Arc::ptr_eq(&entry.slot, slot));
        let Some(entry) = entry else { return };
        entry.lives -= 1;
        if entry.lives == 0 {
            self.remove(id);
        }
    }

    fn entry(&mut self, id: SessionId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    fn remove(&mut self, id: SessionId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.of_user.remove(&(entry.user, id));
        self.expiries.remove(&(entry.expires_at, id));
        self.waiting.remove(&(entry.confirmed, id));
        self.failed.remove(&(entry.confirmed, id));
        self.urgent.remove(id);
        Some(entry)
    }

    pub(super) fn end(&mut self, id: SessionId) {
        if let Some(entry) = self.remove(id) {
            entry.slot.end();
        }
    }

    /// Ends all sessions; returns how many there were.
    pub(super) fn end_all(&mut self) -> usize {
        let Self { entries, .. } = std::mem::take(self);
        entries.values().for_each(|entry| entry.slot.end());
        entries.len()
    }

    pub(super) fn is_watched(&self, id: SessionId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn begin(&self) -> Begun {
        Begun { at: Instant::now(), serial: self.serial }
    }

    /// Notes that a look succeeded, whatever it found.
    pub(super) fn answered(&mut self, begun: Begun) {
        self.answered = self.answered.max(Some(begun.at));
    }

    /// Notes that the user of a session is being fetched; returns whether nobody else does.
    pub(super) fn ask(&mut self, id: SessionId) -> bool {
        self.entry(id).is_some_and(|entry| !std::mem::replace(&mut entry.is_asked, true))
    }

    /// Notes that the user is no longer being fetched.
    pub(super) fn asked(&mut self, id: SessionId) {
        if let Some(entry) = self.entry(id) {
            entry.is_asked = false;
        }
    }

    /// Takes over what a look found: the subject and the expiry, or the end of the session.
    pub(super) fn record(
        &mut self,
        id: SessionId,
        begun: Begun,
        found: Option<(Subject, Timestamp)>,
    ) {
        // A look that took longer than a later one knows less.
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.confirmed <= begun.at)
        else {
            return;
        };
        let Some((subject, expires_at)) = found else { return self.end(id) };
        if entry.expires_at != expires_at || !entry.is_timed {
            self.expiries.remove(&(entry.expires_at, id));
            self.expiries.insert((expires_at, id));
            (entry.expires_at, entry.is_timed) = (expires_at, true);
        }
        if entry.standing != Standing::Confirmed {
            self.waiting.remove(&(entry.confirmed, id));
            self.failed.remove(&(entry.confirmed, id));
        }
        entry.confirmed = begun.at;
        entry.standing = Standing::Confirmed;
        if begun.serial < entry.invalidated {
            entry.standing = Standing::Waiting;
            self.waiting.insert((entry.confirmed, id));
        }
        entry.slot.update(subject);
    }

    /// Notes that a look at a session failed.
    pub(super) fn fail(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.standing == Standing::Waiting
        {
            entry.standing = Standing::Failed;
            self.waiting.remove(&(entry.confirmed, id));
            self.failed.insert((entry.confirmed, id));
        }
    }

    /// Invalidates what changed.
    pub(super) fn change(&mut self, changed: Changed) {
        match changed {
            Changed::Everything => self.is_everything_due = true,
            Changed::Session(id) => self.require(id),
            Changed::User(user) => {
                let all = (user, SessionId::MIN)..=(user, SessionId::MAX);
                let ids: Vec<_> = self.of_user.range(all).map(|(_, id)| *id).collect();
                ids.into_iter().for_each(|id| self.require(id));
            }
        }
    }

    /// Invalidates a session, which is to be looked at before all others.
    fn require(&mut self, id: SessionId) {
        if self.is_watched(id) {
            self.invalidate(id);
            self.urgent.insert(id);
        }
    }

    fn invalidate(&mut self, id: SessionId) {
        self.serial += 1;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.invalidated = self.serial;
        if entry.standing == Standing::Confirmed {
            entry.standing = Standing::Waiting;
            entry.confirmed = self.leased_at.map_or(entry.confirmed, |at| at.max(entry.confirmed));
            self.waiting.insert((entry.confirmed, id));
        }
    }

    /// Invalidates some sessions after the one of this id; returns the last one of them.
    pub(super) fn invalidate_after(&mut self, id: Option<SessionId>) -> Option<SessionId> {
        if id.is_none() {
            self.is_everything_due = false;
        }
        let some = self.after(id, AT_ONCE);
        some.iter().for_each(|id| self.invalidate(*id));
        some.last().copied()
    }

    fn after(&self, id: Option<SessionId>, at_most: usize) -> Vec<SessionId> {
        let range = (id.map_or(Unbounded, Excluded), Unbounded);
        self.entries.range(range).map(|(id, _)| *id).take(at_most).collect()
    }

    /// Notes that at this time all changes were reported and passed to [`change`](Self::change),
    /// or, without a lease, that nobody knows.
    pub(super) fn lease(&mut self, at: Instant, is_leased: bool) {
        self.is_everything_due |= !is_leased;
        if !self.is_everything_due {
            self.leased_at = Some(at);
        }
    }

    /// Invalidates some sessions whose expiry has passed, since it may have been put off; returns
    /// whether some are left.
    pub(super) fn expire(&mut self, now: Timestamp) -> bool {
        for _ in 0..AT_ONCE {
            let first = self.expiries.first().copied();
            let Some((_, id)) = first.filter(|(at, _)| *at <= now) else { return false };
            self.expiries.pop_first();
            if let Some(entry) = self.entry(id) {
                entry.is_timed = false;
            }
            self.require(id);
        }
        true
    }

    /// Picks the sessions of this tick for a look although nothing has changed.
    pub(super) fn tick(&mut self) {
        if !self.routine.is_empty() || self.is_everything_due {
            return;
        }
        let count = self.entries.len();
        self.credit += count;
        let due = (self.credit / TICKS).min(count);
        self.credit %= TICKS;
        self.routine = self.after(self.cursor, due);
        if self.routine.len() < due {
            self.routine.extend(self.after(None, due - self.routine.len()));
        }
        self.cursor = self.routine.last().copied().or(self.cursor);
    }

    pub(super) fn is_everything_due(&self) -> bool {
        self.is_everything_due
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.urgent.is_empty() || !self.routine.is_empty()
    }

    pub(super) fn has_invalid(&self) -> bool {
        self.is_everything_due || !self.waiting.is_empty() || !self.failed.is_empty()
    }

    pub(super) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    pub(super) fn take_urgent(&mut self, at_most: usize) -> Vec<SessionId> {
        self.urgent.take(at_most)
    }

    pub(super) fn take_routine(&mut self) -> Vec<SessionId> {
        std::mem::take(&mut self.routine)
    }

    /// Returns the sessions that have to be looked at and are not [taken](Self::take_urgent) as
    /// changed: those whose look failed, which are ended first, and then the others, those first
    /// that were confirmed the longest time ago.
    pub(super) fn invalid(&self) -> Vec<SessionId> {
        let all = self.failed.iter().chain(&self.waiting).map(|(_, id)| *id);
        all.filter(|id| !self.urgent.contains(*id)).collect()
    }

    /// Ends some sessions that could not be confirmed for too long; returns when the next one
    /// would be, which has passed if some are left.
    pub(super) fn end_silent(&mut self, now: Instant) -> Option<Instant> {
        for _ in 0..AT_ONCE {
            let failed = self.failed.first().map(|(at, id)| (*at + SILENCE, *id));
            let waiting = self.waiting.first().map(|(at, id)| {
                let silent = self.answered.map_or(*at, |answered| answered.max(*at)) + SILENCE;
                (silent.min(*at + MAX_WAIT), *id)
            });
            let next = match (failed, waiting) {
                (Some(failed), Some(waiting)) => Some(failed.min(waiting)),
                (failed, waiting) => failed.or(waiting),
            };
            match next {
                Some((deadline, id)) if deadline <= now => self.end(id),
                next => return next.map(|(deadline, _)| deadline),
            }
        }
        Some(now)
    }
}
