//! The keys that sign tokens, which all processes share.

use std::{fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::schedule::{self, Change};
use crate::{
    clock::{Clock, whole_millis},
    crypto::{
        es256::{Es256Key, PublicJwk},
        seal::Sealer,
    },
    error::{AuthError, ErrorKind, after_commit},
    store::{SigningKeyStore, StoredSigningKey},
};

/// The time for which the keys are cached.
const CACHED: SignedDuration = SignedDuration::from_mins(1);
/// The maximum number of changes for one request: more are only possible while other processes
/// delete what this one inserts.
const MAX_CHANGES: usize = 8;

pub(super) struct SigningKeys {
    store: Arc<dyn SigningKeyStore>,
    clock: Arc<dyn Clock>,
    sealer: Sealer,
    /// The lock is held while keys are read, so that concurrent callers share the result.
    cached: Mutex<Option<Arc<KeySet>>>,
}

/// The keys as of a time, in the order of their numbers.
struct KeySet {
    rows: Vec<StoredSigningKey>,
    /// The opened key of each row, or the reason why it cannot be used.
    opened: Vec<Result<OpenedKey, AuthError>>,
    read_at: Timestamp,
}

struct OpenedKey {
    key: Es256Key,
    public: PublicJwk,
}

impl SigningKeys {
    pub(super) fn new(
        store: Arc<dyn SigningKeyStore>,
        clock: Arc<dyn Clock>,
        sealer: Sealer,
    ) -> Self {
        Self { store, clock, sealer, cached: Mutex::new(None) }
    }

    /// Returns a token with these claims, signed with the current key.
    pub(super) async fn sign(&self, claims: &impl Serialize) -> Result<String, AuthError> {
        let (keys, now) = self.current().await?;
        let own = keys.signing(now)?;
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": own.public.kid });
        own.key.sign(&header, claims)
    }

    /// Returns the published keys.
    pub(super) async fn published(&self) -> Result<Vec<PublicJwk>, AuthError> {
        let (keys, now) = self.current().await?;
        keys.signing(now)?;
        let is_published = |at: &usize| schedule::is_published(&keys.rows, *at, now);
        let places = (0..keys.rows.len()).filter(is_published);
        let opened = places.filter_map(|at| keys.opened.get(at)?.as_ref().ok());
        Ok(opened.map(|own| own.public.clone()).collect())
    }

    /// Deletes all keys. The next one signs at once.
    pub(super) async fn replace(&self) -> Result<(), AuthError> {
        let mut cached = self.cached.lock().await;
        self.store.delete_signing_keys().await?;
        let now = whole_millis(self.clock.now());
        *cached = Some(Arc::new(self.read(now).await?));
        Ok(())
    }

    async fn current(&self) -> Result<(Arc<KeySet>, Timestamp), AuthError> {
        let now = whole_millis(self.clock.now());
        let mut cached = self.cached.lock().await;
        if let Some(keys) = cached.as_ref().filter(|keys| keys.is_current(now)) {
            return Ok((Arc::clone(keys), now));
        }
        let keys = cached.insert(Arc::new(self.read(now).await?));
        Ok((Arc::clone(keys), now))
    }

    /// Reads the keys, after those that are missing were created.
    async fn read(&self, now: Timestamp) -> Result<KeySet, AuthError> {
        let mut rows = self.store.list_signing_keys().await?;
        for _ in 0..MAX_CHANGES {
            let Some(change) = schedule::change(&rows, now) else { break };
            self.apply(change, now).await?;
            // Another process may have been first; its key is the one of all processes then.
            rows = self.store.list_signing_keys().await?;
        }
        let mut opened = Vec::with_capacity(rows.len());
        for row in &rows {
            opened.push(self.open(row).await);
        }
        Ok(KeySet { rows, opened, read_at: now })
    }

    async fn apply(&self, change: Change, now: Timestamp) -> Result<(), AuthError> {
        match change {
            Change::Insert { number, starts_at } => {
                let key = Es256Key::random()?;
                let id = key.public().kid;
                let sealed = self.sealer.seal(&id, &key.to_bytes())?;
                let row = StoredSigningKey { number, id, sealed, created_at: now, starts_at };
                self.store.insert_signing_key(&row).await?;
            }
            Change::Reschedule { number, from, to } => {
                self.store.reschedule_signing_key(number, from, to).await?;
            }
        }
        Ok(())
    }

    /// Opens a key, and seals it with the newest key of the application if it is not. The id is a
    /// hash of the public key, so a row that was not sealed here is no key.
    async fn open(&self, row: &StoredSigningKey) -> Result<OpenedKey, AuthError> {
        let plain = self.sealer.open(&row.id, &row.sealed)?;
        let key = Es256Key::from_bytes(&plain);
        let own = key.map(|key| OpenedKey { public: key.public(), key });
        let own = own.filter(|own| own.public.kid == row.id).ok_or_else(|| {
            AuthError::new(ErrorKind::Unavailable).with_source("a sealed signing key is invalid")
        })?;
        if !self.sealer.is_current(&row.sealed) {
            let again = async {
                let sealed = self.sealer.seal(&row.id, &plain)?;
                let number = row.number;
                let done = self.store.reseal_signing_key(number, &row.sealed, &sealed).await?;
                Ok::<_, AuthError>(done)
            };
            after_commit("a signing key is not sealed with the newest key", again).await;
        }
        Ok(own)
    }
}

impl KeySet {
    /// Returns whether the keys can be used without reading them again. A time in the future, after
    /// the clock was set back, is read again.
    fn is_current(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.read_at);
        let is_recent = !age.is_negative() && age < CACHED;
        is_recent && schedule::change(&self.rows, now).is_none()
    }

    /// Returns the key that signs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if it was sealed with a key that the application does not have.
    fn signing(&self, now: Timestamp) -> Result<&OpenedKey, AuthError> {
        match self.opened.get(schedule::signing(&self.rows, now)) {
            Some(Ok(own)) => Ok(own),
            Some(Err(error)) => {
                let cause = crate::error::with_sources(error);
                let cause = format!("the key that signs tokens cannot be used: {cause}");
                Err(AuthError::new(ErrorKind::Unavailable).with_source(cause))
            }
            None => Err(ErrorKind::Unavailable.into()),
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys")
    }
}
