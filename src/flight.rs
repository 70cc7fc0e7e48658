//! Deduplicates concurrent queries: one task sends the query, the others wait for it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

/// Maximum time that a task waits for the query of another task, which may hang.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The queries in progress, by key.
pub(crate) struct Flights<K>(Mutex<HashMap<K, watch::Receiver<()>>>);

/// The role of a task in a query whose result several tasks need.
pub(crate) enum Turn<'a, K: Hash + Eq> {
    /// This task sends the query. The other tasks wait until the guard is dropped.
    Mine { _guard: Flight<'a, K> },
    /// Another task sent the query, and has finished or takes longer than `MAX_WAIT`.
    Another,
}

/// A guard that ends the wait of the other tasks when it is dropped.
pub(crate) struct Flight<'a, K: Hash + Eq> {
    flights: &'a Flights<K>,
    key: K,
    _ends: watch::Sender<()>,
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq + Clone> Flights<K> {
    /// Returns immediately to the first task that requests a key. The other tasks wait until the
    /// first one is done, for at most `MAX_WAIT`.
    pub(crate) async fn turn(&self, key: &K) -> Turn<'_, K> {
        let mut other = {
            let mut flights = self.lock();
            match flights.get(key) {
                Some(other) => other.clone(),
                None => {
                    let (ends, other) = watch::channel(());
                    flights.insert(key.clone(), other);
                    let guard = Flight { flights: self, key: key.clone(), _ends: ends };
                    return Turn::Mine { _guard: guard };
                }
            }
        };
        // No value is ever sent: `changed` returns when the sender is dropped.
        let _ended = timeout(MAX_WAIT, other.changed()).await;
        Turn::Another
    }
}

impl<K: Hash + Eq> Flights<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Flight<'_, K> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_task_queries_and_the_others_wait() {
        let flights = Flights::default();
        let first = flights.turn(&1).await;
        assert!(matches!(first, Turn::Mine { .. }));
        assert!(matches!(flights.turn(&2).await, Turn::Mine { .. }), "another key");
        let waiting = async { matches!(flights.turn(&1).await, Turn::Another) };
        let (waited, ()) = tokio::join!(waiting, async { drop(first) });
        assert!(waited);
        assert!(matches!(flights.turn(&1).await, Turn::Mine { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_hung_query_times_out() {
        let flights = Flights::default();
        let _hangs = flights.turn(&1).await;
        assert!(matches!(flights.turn(&1).await, Turn::Another));
    }
}
