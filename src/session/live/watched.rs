//! The watched sessions, with the state of each and the time of its next query.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    owners::{Owner, Owners},
    slot::Slot,
    urgent::Urgent,
};
use crate::{
    model::{SessionId, Subject},
    store::Changed,
};

/// A session that could not be confirmed for this duration is ended.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// The same for a session that has not been queried since then, while queries of others succeed.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Every session is queried once in this number of ticks, even if nothing changes.
const TICKS: usize = 240;
/// Maximum sessions that are changed before the lock is released.
const AT_ONCE: usize = 1024;

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    /// The number of `SessionWatch` values.
    lives: usize,
    owner: Owner,
    expires_at: Timestamp,
    /// Whether the entry is in `expiries`.
    is_timed: bool,
    /// The last time at which the session is known to have been valid: that of the last query or,
    /// if later, of the lease when the session was invalidated.
    confirmed: Instant,
    /// The serial number of the last invalidation. An earlier query does not confirm the session.
    invalidated: u64,
    standing: TokenAge,
    is_asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenAge {
    /// Nothing has changed since the last query, while there is a lease.
    Confirmed,
    /// The session must be queried.
    Waiting,
    /// The last query of the session failed.
    Failed,
}

/// The start of a query.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    at: Instant,
    serial: u64,
}

/// All watched sessions. Each operation takes the time of a few map operations.
#[derive(Debug, Default)]
pub(super) struct Watched {
    entries: BTreeMap<SessionId, Entry>,
    owners: Owners,
    expiries: BTreeSet<(Timestamp, SessionId)>,
    waiting: BTreeSet<(Instant, SessionId)>,
    failed: BTreeSet<(Instant, SessionId)>,
    /// Invalidated individually: queried before all others.
    urgent: Urgent,
    /// Queried although nothing has changed.
    routine: Vec<SessionId>,
    /// The last session of a routine query, and the remaining ticks.
    cursor: Option<SessionId>,
    credit: usize,
    /// The last time at which all changes were known to be reported.
    leased_at: Option<Instant>,
    /// Whether all sessions must be queried.
    is_everything_due: bool,
    serial: u64,
    /// The start of the last successful query.
    answered: Option<Instant>,
    pub(super) is_running: bool,
}

impl Watched {
    /// Adds a `SessionWatch` handle of a session.
    pub(super) fn add(
        &mut self,
        id: SessionId,
        owner: Owner,
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
            owner,
            expires_at,
            is_timed: true,
            confirmed,
            invalidated: self.serial,
            standing: TokenAge::Waiting,
            is_asked: false,
        };
        self.owners.insert(id, owner);
        self.expiries.insert((expires_at, id));
        self.waiting.insert((confirmed, id));
        self.entries.insert(id, entry);
        slot
    }

    /// Counts another `SessionWatch` handle of a watched session.
    pub(super) fn retain(&mut self, id: SessionId, slot: &Arc<Slot>) {
        if let Some(entry) = self.entry(id).filter(|entry| Arc::ptr_eq(&entry.slot, slot)) {
            entry.lives += 1;
        }
    }

    /// Counts one `SessionWatch` handle less, and removes the session with the last one.
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
        self.owners.remove(id, entry.owner);
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
        self.require_impersonations(id);
    }

    /// Ends all sessions. Returns their number.
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

    /// Records that a query succeeded, with any result.
    pub(super) fn answered(&mut self, begun: Begun) {
        self.answered = self.answered.max(Some(begun.at));
    }

    /// Records that the user of a session is being fetched. Returns `false` if it already was.
    pub(super) fn ask(&mut self, id: SessionId) -> bool {
        self.entry(id).is_some_and(|entry| !std::mem::replace(&mut entry.is_asked, true))
    }

    /// Records that the user is no longer being fetched.
    pub(super) fn asked(&mut self, id: SessionId) {
        if let Some(entry) = self.entry(id) {
            entry.is_asked = false;
        }
    }

    /// Applies the result of a query: the subject and the expiry, or the end of the session.
    pub(super) fn record(
        &mut self,
        id: SessionId,
        begun: Begun,
        found: Option<(Subject, Timestamp)>,
    ) {
        // A query that took longer than a later one is outdated.
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
        if entry.standing != TokenAge::Confirmed {
            self.waiting.remove(&(entry.confirmed, id));
            self.failed.remove(&(entry.confirmed, id));
        }
        entry.confirmed = begun.at;
        entry.standing = TokenAge::Confirmed;
        if begun.serial < entry.invalidated {
            entry.standing = TokenAge::Waiting;
            self.waiting.insert((entry.confirmed, id));
        }
        entry.slot.update(subject);
    }

    /// Records that a query of a session failed.
    pub(super) fn fail(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.standing == TokenAge::Waiting
        {
            entry.standing = TokenAge::Failed;
            self.waiting.remove(&(entry.confirmed, id));
            self.failed.insert((entry.confirmed, id));
        }
    }

    /// Invalidates the changed sessions.
    pub(super) fn change(&mut self, changed: Changed) {
        match changed {
            Changed::Everything => self.is_everything_due = true,
            Changed::Session(id) => {
                self.require(id);
                self.require_impersonations(id);
            }
            Changed::User(user) => {
                self.owners.of_user(user).into_iter().for_each(|id| self.require(id));
            }
        }
    }

    /// Invalidates the impersonations that a session began.
    fn require_impersonations(&mut self, id: SessionId) {
        self.owners.of_administrator(id).into_iter().for_each(|id| self.require(id));
    }

    /// Invalidates a session, which is queried before all others.
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
        if entry.standing == TokenAge::Confirmed {
            entry.standing = TokenAge::Waiting;
            entry.confirmed = self.leased_at.map_or(entry.confirmed, |at| at.max(entry.confirmed));
            self.waiting.insert((entry.confirmed, id));
        }
    }

    /// Invalidates a batch of sessions after this id. Returns the last one.
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

    /// Records that at this time all changes were reported and passed to [`change`](Self::change)
    /// or, without a lease, that this is unknown.
    pub(super) fn lease(&mut self, at: Instant, is_leased: bool) {
        self.is_everything_due |= !is_leased;
        if !self.is_everything_due {
            self.leased_at = Some(at);
        }
    }

    /// Invalidates a batch of sessions whose expiry has passed, since it may have been extended.
    /// Returns whether more are left.
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

    /// Selects the sessions for a routine query in this tick.
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

    /// Returns the sessions that must be queried and are not [queued](Self::take_urgent) as
    /// changed: first those whose query failed, which end first, then the others, the least
    /// recently confirmed first.
    pub(super) fn invalid(&self) -> Vec<SessionId> {
        let all = self.failed.iter().chain(&self.waiting).map(|(_, id)| *id);
        all.filter(|id| !self.urgent.contains(*id)).collect()
    }

    /// Ends a batch of sessions that could not be confirmed in time. Returns the time at which the
    /// next one would end, which has passed if more are left.
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
