//! One query at a time for what several tasks want to know.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

/// How long a task waits for the query of another, which may hang.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The queries that are under way, by what they fetch.
pub(crate) struct Flights<K>(Mutex<HashMap<K, watch::Receiver<()>>>);

/// Which task sends a query that several want the result of.
pub(crate) enum Turn<'a, K: Hash + Eq> {
    /// This one. The others wait until the guard is dropped.
    Mine { _guard: Flight<'a, K> },
    /// Another one, which has finished or takes too long.
    Another,
}

/// Ends the wait of the others when it is dropped.
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
    /// Returns at once to the first task that asks for a key, and to the others when it is done.
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
        // Nothing is ever sent: the end of the sender is what is waited for.
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
