//! The cache of API keys, by the hash of the key.

use std::{sync::Arc, time::Duration};

use quick_cache::sync;

use crate::{
    crypto::digest::Digest,
    measure,
    model::{ApiKey, KeyOwner, UserId},
    session::SessionOptions,
    store::{AccountStore, CacheScope, InvalidationClock, ReadStart, ReadVersion, WithUser},
};

/// There are far fewer keys than sessions.
const MAX_ENTRIES: usize = 10_000;

/// Caches keys with the users that were fetched together with them, under the same rules as
/// sessions: an entry is valid until [`InvalidationClock`] reports a change of the key or its user, for at
/// most `max_age`. Rejected keys are not cached.
pub(crate) struct KeyCache {
    entries: sync::Cache<[u8; 32], Arc<Entry>>,
    changes: Arc<InvalidationClock>,
    max_age: Duration,
}

struct Entry {
    found: WithUser<ApiKey>,
    reading: ReadVersion,
    until: u64,
}

impl KeyCache {
    /// Creates the cache, or returns `None` if sessions are not cached, or their users can change
    /// without a notification.
    pub(crate) fn new(
        options: &SessionOptions,
        users: &dyn AccountStore,
        changes: Arc<InvalidationClock>,
    ) -> Option<Self> {
        let options = options.cache.as_ref().filter(|_| users.keeping() != CacheScope::Nothing)?;
        let entries = sync::Cache::new(options.entries.clamp(1, MAX_ENTRIES));
        Some(Self { entries, changes, max_age: options.max_age })
    }

    /// Returns the key of this hash with its user, if it is cached and valid.
    pub(super) fn find(&self, hash: &Digest) -> Option<WithUser<ApiKey>> {
        let now = self.changes.now();
        let entry = self.entries.get(hash.as_bytes());
        let entry =
            entry.filter(|entry| now < entry.until && self.changes.is_current(&entry.reading, now));
        measure::cache_lookup("api_key", entry.is_some());
        entry.map(|entry| entry.found.clone())
    }

    /// Starts to fetch a key that is to be cached; `None` if it cannot be cached now.
    pub(super) fn begin(&self) -> Option<ReadStart> {
        self.changes.is_leased(self.changes.now()).then(|| self.changes.start_read())
    }

    /// Caches a key that was fetched, unless it or its user has changed in the meantime.
    pub(super) fn insert(&self, hash: &Digest, began: ReadStart, found: &WithUser<ApiKey>) {
        let id = found.row.id.as_session();
        let reading = match &found.row.owner {
            KeyOwner::User(user) => self.changes.version_of(began, id, user),
            KeyOwner::Service(name) => self.changes.version_of(began, id, &UserId::new(name)),
        };
        if self.changes.is_current(&reading, self.changes.now()) {
            let entry = Entry { found: found.clone(), reading, until: began.until(self.max_age) };
            self.entries.insert(*hash.as_bytes(), Arc::new(entry));
        }
    }
}
