//! API keys that were fetched, cached by the hash of the key.

use std::{sync::Arc, time::Duration};

use quick_cache::sync;

use crate::{
    crypto::digest::Digest,
    model::{ApiKey, KeyOwner, UserId},
    session::SessionOptions,
    store::{AccountStore, Began, Changes, Found, Keeping, Reading},
};

/// Keys are few beside sessions, so this many suffice.
const MAX_ENTRIES: usize = 10_000;

/// Caches keys with the users that were fetched together with them, under the rules of cached
/// sessions: an entry is valid while [`Changes`] report none of the key or its user, no longer than
/// `max_age`. What was rejected is not cached.
pub(crate) struct KeyCache {
    entries: sync::Cache<[u8; 32], Arc<Entry>>,
    changes: Arc<Changes>,
    max_age: Duration,
}

struct Entry {
    found: Found<ApiKey>,
    reading: Reading,
    until: u64,
}

impl KeyCache {
    /// Returns `None` if sessions are not cached, or their users may change unreported.
    pub(crate) fn new(
        options: &SessionOptions,
        users: &dyn AccountStore,
        changes: Arc<Changes>,
    ) -> Option<Self> {
        let options = options.cache.as_ref().filter(|_| users.keeping() != Keeping::Nothing)?;
        let entries = sync::Cache::new(options.entries.clamp(1, MAX_ENTRIES));
        Some(Self { entries, changes, max_age: options.max_age })
    }

    /// Returns the key of this hash with its user, if it is cached and valid.
    pub(super) fn find(&self, hash: &Digest) -> Option<Found<ApiKey>> {
        let entry = self.entries.get(hash.as_bytes())?;
        let now = self.changes.now();
        let is_valid = now < entry.until && self.changes.stand(&entry.reading, now);
        is_valid.then(|| entry.found.clone())
    }

    /// Begins to fetch a key that is to be cached; `None` while none may be.
    pub(super) fn begin(&self) -> Option<Began> {
        self.changes.is_leased(self.changes.now()).then(|| self.changes.begin())
    }

    /// Caches a key that was fetched, unless it or its user has changed since.
    pub(super) fn insert(&self, hash: &Digest, began: Began, found: &Found<ApiKey>) {
        let reading = match &found.row.owner {
            KeyOwner::User(user) => self.changes.reading(began, found.row.id, user),
            KeyOwner::Service(name) => {
                self.changes.reading(began, found.row.id, &UserId::new(name))
            }
        };
        if self.changes.stand(&reading, self.changes.now()) {
            let entry = Entry { found: found.clone(), reading, until: began.until(self.max_age) };
            self.entries.insert(*hash.as_bytes(), Arc::new(entry));
        }
    }
}
