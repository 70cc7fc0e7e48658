//! A bounded thread pool for password hashing.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    hasher::{PasswordHasher, Verification},
    memory::Memory,
    scheme::HashError,
    text::NormalizedPassword,
    workers::{Handle, Job, Workers},
};

/// Idle time after which a worker thread ends and frees its memory.
const IDLE: Duration = Duration::from_secs(10);

/// A thread pool that hashes passwords with bounded concurrency and a bounded queue.
///
/// If the queue is full, calls fail immediately. Threads start on demand, reuse their memory while
/// there is work, and end after 10 idle seconds. On Linux they run with a lower priority.
///
/// The queue is fair: callers take turns, so one caller with a hundred jobs does not delay a caller
/// with one. A queued job is discarded when its caller is dropped; a running hash is not
/// interrupted.
#[derive(Clone)]
pub struct HashPool(Arc<Inner>);

struct Inner {
    hasher: PasswordHasher,
    workers: Handle,
    turns: RandomState,
    hashes: Arc<AtomicU64>,
}

/// The error of a call to [`HashPool`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The queue is full.
    #[error("too many passwords are waiting to be hashed")]
    Full,
    /// The hash failed.
    #[error(transparent)]
    Failed(#[from] HashError),
    /// The worker panicked.
    #[error("the worker panicked")]
    Closed,
}

impl HashPool {
    /// Creates a pool of at most `workers` threads, with room for `queue` waiting jobs.
    pub fn new(hasher: PasswordHasher, workers: usize, queue: usize) -> Self {
        Self::idle_after(hasher, workers, queue, IDLE)
    }

    fn idle_after(hasher: PasswordHasher, workers: usize, queue: usize, idle: Duration) -> Self {
        let (workers, queue) = (workers.clamp(1, 1024), queue.min(1_000_000));
        let workers = Handle(Workers::new(workers, queue, hasher.blocks(), idle));
        let (turns, hashes) = (RandomState::new(), Arc::default());
        Self(Arc::new(Inner { hasher, workers, turns, hashes }))
    }

    /// Returns the PHC string of a password. Jobs with different values of `whose`, such as an IP
    /// address, take turns.
    ///
    /// # Errors
    ///
    /// [`PoolError::Full`] immediately if the queue is full.
    pub async fn hash(
        &self,
        whose: &str,
        password: NormalizedPassword,
    ) -> Result<String, PoolError> {
        let work =
            move |hasher: &PasswordHasher, memory: &mut Memory| hasher.hash_with(&password, memory);
        self.run(whose, work).await?.map_err(PoolError::from)
    }

    /// Verifies a password against a stored hash.
    ///
    /// Without a stored hash (`None`: the user does not exist or has no password), or with one that
    /// cannot be used, the password never matches, and one hash with the current parameters is
    /// computed. A hash with weaker parameters or another scheme that does not match costs an
    /// additional one, so that the response time reveals less about which accounts exist.
    ///
    /// # Errors
    ///
    /// [`PoolError::Full`] immediately if the queue is full.
    pub async fn verify(
        &self,
        whose: &str,
        password: NormalizedPassword,
        stored: Option<String>,
    ) -> Result<Verification, PoolError> {
        let hashes = Arc::clone(&self.0.hashes);
        let work = move |hasher: &PasswordHasher, memory: &mut Memory| {
            let outcome =
                stored.as_ref().map(|stored| hasher.verify_with(&password, stored, memory));
            match outcome {
                Some(Ok(verified)) => {
                    let is_weaker = stored.as_ref().is_some_and(|own| hasher.is_weaker(own));
                    if !verified.matches && is_weaker {
                        hashes.fetch_add(1, Ordering::Relaxed);
                        hasher.verify_with(&password, hasher.dummy(), memory)?;
                    }
                    Ok(verified)
                }
                None
                | Some(Err(
                    HashError::Unknown | HashError::OutOfBounds | HashError::MissingSecret,
                )) => {
                    hasher.verify_with(&password, hasher.dummy(), memory)?;
                    Ok(Verification { unusable: stored.is_some(), ..Verification::default() })
                }
                Some(Err(error)) => Err(error),
            }
        };
        self.run(whose, work).await?.map_err(PoolError::from)
    }

    /// Returns the number of hashes computed so far.
    pub fn hash_count(&self) -> u64 {
        self.0.hashes.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        whose: &str,
        work: impl FnOnce(&PasswordHasher, &mut Memory) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (answer, outcome) = oneshot::channel();
        let hasher = self.0.hasher.clone();
        let hashes = Arc::clone(&self.0.hashes);
        let work = move |memory: &mut Memory| {
            hashes.fetch_add(1, Ordering::Relaxed);
            work(&hasher, memory)
        };
        let work = Box::new(Work { work, answer });
        if !self.0.workers.0.push(self.0.turns.hash_one(whose), work) {
            return Err(PoolError::Full);
        }
        outcome.await.map_err(|_| PoolError::Closed)
    }
}

struct Work<F, T> {
    work: F,
    answer: oneshot::Sender<T>,
}

impl<F, T> Job for Work<F, T>
where
    F: FnOnce(&mut Memory) -> T + Send,
    T: Send,
{
    fn run(self: Box<Self>, memory: &mut Memory) {
        let outcome = (self.work)(memory);
        // The receiver may have been dropped.
        let _gone = self.answer.send(outcome);
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").field("hasher", &self.0.hasher).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
