//! A cache of verified sessions.

use std::{
    hash::{BuildHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use quick_cache::{Weighter, sync};

use super::{
    AuthenticatedSession, CacheOptions,
    resolved::{Kept, Notes, Recognised},
    seen::SEEN_INTERVAL,
    size,
};
use crate::{
    crypto::token::AccessToken,
    measure,
    model::{Session, SessionId, User},
    store::{InvalidationClock, ReadStart},
};

/// The maximum time until the use of a cached session is recorded again, in milliseconds.
const NOTED_FOR: i64 = 2 * SEEN_INTERVAL.as_secs() * 1000;

/// A cache of sessions by id. It contains no tokens and no negative results.
///
/// A cache entry is valid until [`InvalidationClock`] invalidates it, for at most `max_age`. It is used
/// only for a token whose hash matches and which has not expired; both are checked for each request.
pub(super) struct Cache {
    kept: sync::Cache<SessionId, Who, Weight, ById>,
    changes: Arc<InvalidationClock>,
    max_age: Duration,
}

/// A cached session.
#[derive(Clone)]
pub(super) enum Who {
    /// The session with its user.
    Whole(Arc<AuthenticatedSession>),
    /// The session without its user.
    Session(Arc<Half>),
}

/// A session with the data that was fetched in the same statement. Its user is stored elsewhere and
/// is fetched for each request.
pub(super) struct Half {
    pub(super) session: Session,
    pub(super) joined: Option<User>,
    pub(super) kept: Kept,
}

impl Who {
    fn session(&self) -> &Session {
        match self {
            Self::Whole(resolved) => &resolved.session,
            Self::Session(half) => &half.session,
        }
    }

    fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Whole(resolved) => resolved.kept.as_ref(),
            Self::Session(half) => Some(&half.kept),
        }
    }
}

impl Cache {
    pub(super) fn new(options: &CacheOptions, changes: Arc<InvalidationClock>) -> Self {
        let entries = options.entries.max(1);
        let bytes = u64::try_from(options.bytes.max(1)).unwrap_or(u64::MAX);
        let least = bytes.div_ceil(u64::try_from(entries).unwrap_or(u64::MAX)).max(1);
        let kept = sync::Cache::with(
            entries,
            bytes,
            Weight { least },
            ById,
            sync::DefaultLifecycle::default(),
        );
        Self { kept, changes, max_age: options.max_age }
    }

    /// Returns the valid cache entry for a token, if any.
    pub(super) fn find(&self, token: &AccessToken, now: Timestamp) -> Option<Who> {
        let who = self.kept.get(&token.session)?;
        let kept = who.kept()?;
        let moment = self.changes.now();
        let stands = moment < kept.until && self.changes.is_current(&kept.reading, moment);
        let again = kept.notes.again;
        // After the clock was set back, the recorded time may be too far in the future.
        let is_noted = now.as_millisecond() < again
            && again.saturating_sub(now.as_millisecond()) <= NOTED_FOR
            && kept.notes.unconfirmed != Some(token.generation);
        (stands && is_noted && kept.recognised.judge(token, now).is_ok()).then_some(who)
    }

    /// Returns the state of changes before a session is fetched, or `None` if it must not be
    /// cached.
    pub(super) fn begin(&self) -> Option<ReadStart> {
        let is_leased = self.changes.is_leased(self.changes.now());
        measure::lease_held(is_leased);
        is_leased.then(|| self.changes.start_read())
    }

    /// Returns the validity and the memory size of a cache entry.
    pub(super) fn for_how_long(
        &self,
        began: ReadStart,
        resolved: &AuthenticatedSession,
        recognised: Recognised,
        notes: Notes,
    ) -> Kept {
        let session = &resolved.session;
        let bytes = size_of::<AuthenticatedSession>()
            + size::of_session(session)
            + size::of_user(&resolved.user);
        Kept {
            recognised,
            notes,
            reading: self.changes.version_of(began, session.id, &session.user_id),
            until: began.until(self.max_age),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }

    /// Inserts a session, unless it has changed since it was fetched.
    pub(super) fn keep(&self, who: Who) {
        let now = self.changes.now();
        if who.kept().is_some_and(|kept| self.changes.is_current(&kept.reading, now)) {
            self.kept.insert(who.session().id, who);
        }
    }
}

/// The minimum weight of an entry, which limits the number of entries too.
#[derive(Clone)]
struct Weight {
    least: u64,
}

impl Weighter<SessionId, Who> for Weight {
    fn weight(&self, _: &SessionId, who: &Who) -> u64 {
        who.kept().map_or(0, |kept| kept.bytes).max(self.least)
    }
}

/// A hash function for ids, which are random. Only ids that this server created are cached, so that
/// clients cannot cause collisions.
#[derive(Clone)]
struct ById;

struct Folded(u64);

impl BuildHasher for ById {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded(0)
    }
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(part) {
                *to = *from;
            }
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    /// All ids have the same length.
    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::{
            digest::{Digest, Domain},
            secret::Secret,
        },
        model::{Transport, UserId},
        store::AccessTokenRow,
    };

    fn cache(entries: usize, bytes: usize) -> Cache {
        let options = CacheOptions::default().max_entries(entries).max_bytes(bytes);
        Cache::new(&options, InvalidationClock::new())
    }

    /// Inserts the session of a number for its token.
    fn keep(cache: &Cache, number: u8, name: &str) -> AccessToken {
        let (id, far) = (SessionId::from_bytes([number; 16]), Timestamp::MAX);
        let mut session = Session::new(id, UserId::new("ada"), Transport::Bearer, Timestamp::MIN);
        (session.access_expires_at, session.expires_at) = (far, far);
        let mut user = User::new(UserId::new("ada"), Timestamp::MIN);
        user.display_name = Some(name.to_owned());
        let secret = [number; 32];
        let row = AccessTokenRow {
            session: session.clone(),
            generation: 0,
            access_hash: Digest::hash(Domain::ACCESS, &secret),
            previous_access: None,
            confirmed_at: None,
        };
        let notes = Notes { unconfirmed: None, again: NOTED_FOR };
        let mut resolved = AuthenticatedSession::new(session, user);
        let began = cache.begin().unwrap();
        let kept = cache.for_how_long(began, &resolved, Recognised::of(&row), notes);
        resolved.kept = Some(kept);
        cache.keep(Who::Whole(Arc::new(resolved)));
        AccessToken { session: id, generation: 0, secret: Secret::from_bytes(secret) }
    }

    #[test]
    fn cache_is_bounded_in_number_and_size() {
        let now = Timestamp::UNIX_EPOCH;
        let few = cache(10, 1 << 30);
        (0..100).for_each(|number| drop(keep(&few, number, "")));
        assert!((1..=10).contains(&few.kept.len()), "{}", few.kept.len());
        let small = cache(100_000, 200_000);
        let long = "x".repeat(10_000);
        (0..100).for_each(|number| drop(keep(&small, number, &long)));
        assert!((1..20).contains(&small.kept.len()), "{}", small.kept.len());
        let enough = cache(1000, 1 << 20);
        let all: Vec<_> = (0..20).map(|number| keep(&enough, number, "")).collect();
        assert!(all.iter().all(|token| enough.find(token, now).is_some()));
    }

    #[test]
    fn cache_entry_is_valid_only_for_its_token() {
        let (cache, now) = (cache(10, 1 << 20), Timestamp::UNIX_EPOCH);
        let token = keep(&cache, 1, "");
        let other = AccessToken { secret: Secret::from_bytes([2; 32]), ..keep(&cache, 1, "") };
        assert!(cache.find(&token, now).is_some() && cache.find(&other, now).is_none());
        assert!(cache.find(&token, Timestamp::MAX).is_none(), "it has expired");
        cache.changes.invalidate_session(token.session);
        assert!(cache.find(&token, now).is_none());
    }
}
