//! Hashing off the async threads, a bounded number at a time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::Semaphore;

use super::{
    hasher::{HashError, PasswordHasher, Verified},
    text::PasswordText,
};

/// Hashes passwords on blocking threads: so many at once, so many in wait, and beyond
/// that an answer at once.
///
/// A caller that goes away does not free its place early: the work it began still runs.
#[derive(Clone)]
pub struct HashPool(Arc<Inner>);

struct Inner {
    hasher: PasswordHasher,
    workers: Arc<Semaphore>,
    places: Arc<Semaphore>,
    hashes: AtomicU64,
}

/// A password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Too many are waiting.
    #[error("too many passwords are waiting to be hashed")]
    Full,
    /// The hash failed.
    #[error(transparent)]
    Failed(#[from] HashError),
    /// The runtime is shutting down.
    #[error("the runtime is shutting down")]
    Closed,
}

impl HashPool {
    /// A pool of so many workers with room for so many in wait.
    pub fn new(hasher: PasswordHasher, workers: usize, queue: usize) -> Self {
        let workers = workers.clamp(1, 1024);
        Self(Arc::new(Inner {
            hasher,
            workers: Arc::new(Semaphore::new(workers)),
            places: Arc::new(Semaphore::new(workers + queue.min(1_000_000))),
            hashes: AtomicU64::new(0),
        }))
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    ///
    /// [`PoolError::Full`] at once when the queue is full.
    pub async fn hash(&self, password: PasswordText) -> Result<String, PoolError> {
        self.run(move |hasher| hasher.hash(&password)).await?.map_err(PoolError::from)
    }

    /// Compares a password with a stored hash. `None`, for a user who is unknown or has no
    /// password, and a hash that cannot be used cost one hash of current parameters and
    /// never match.
    ///
    /// # Errors
    ///
    /// [`PoolError::Full`] at once when the queue is full.
    pub async fn verify(
        &self,
        password: PasswordText,
        stored: Option<String>,
    ) -> Result<Verified, PoolError> {
        let verified = self
            .run(move |hasher| {
                let outcome = stored.as_ref().map(|stored| hasher.verify(&password, stored));
                match outcome {
                    Some(Ok(verified)) => Ok(verified),
                    None | Some(Err(HashError::Unknown | HashError::OutOfBounds)) => {
                        hasher.verify(&password, hasher.dummy())?;
                        Ok(Verified { unusable: stored.is_some(), ..Verified::default() })
                    }
                    Some(Err(error)) => Err(error),
                }
            })
            .await?;
        verified.map_err(PoolError::from)
    }

    /// How many hashes were computed.
    pub fn hashes(&self) -> u64 {
        self.0.hashes.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&PasswordHasher) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| PoolError::Full)?;
        let workers = Arc::clone(&self.0.workers);
        let worker = workers.acquire_owned().await.map_err(|_| PoolError::Closed)?;
        let inner = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            let _held = (place, worker);
            inner.hashes.fetch_add(1, Ordering::Relaxed);
            work(&inner.hasher)
        });
        task.await.map_err(|_| PoolError::Closed)
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").field("hasher", &self.0.hasher).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::password::Scheme;

    fn pool(workers: usize, queue: usize) -> HashPool {
        HashPool::new(PasswordHasher::new(Scheme::argon2id()).unwrap(), workers, queue)
    }

    fn text(raw: &str) -> PasswordText {
        PasswordText::for_check(raw).unwrap()
    }

    #[tokio::test]
    async fn every_outcome_costs_one_hash() {
        // PW-13
        let pool = pool(1, 1);
        let stored = pool.hash(text("right")).await.unwrap();
        for (stored, matches, unusable) in [
            (Some(stored.clone()), true, false),
            (None, false, false),
            (Some("$x$".to_owned()), false, true),
        ] {
            let before = pool.hashes();
            let verified = pool.verify(text("right"), stored).await.unwrap();
            assert_eq!((verified.matches, verified.unusable), (matches, unusable));
            assert_eq!(pool.hashes() - before, 1);
        }
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        // DS-02
        let pool = pool(1, 0);
        let (one, two) = tokio::join!(pool.hash(text("a")), pool.hash(text("b")));
        assert!(one.is_ok());
        assert!(matches!(two, Err(PoolError::Full)));
        assert!(pool.hash(text("c")).await.is_ok(), "the place is free again");
    }

    #[tokio::test]
    async fn a_caller_that_leaves_keeps_its_worker_busy() {
        // DS-02
        let pool = pool(1, 0);
        let task = tokio::spawn({
            let pool = pool.clone();
            async move { pool.hash(text("a")).await }
        });
        while pool.0.workers.available_permits() == 1 {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(matches!(pool.hash(text("b")).await, Err(PoolError::Full)));
    }
}
