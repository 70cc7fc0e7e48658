//! Limits of flows outside this crate.

use std::time::Duration;

use super::{Counted, Guess, HOUR, Limits, key, window};
use crate::error::{AuthError, ErrorKind};

/// The maximum numbers of a limit of a flow outside this crate, per window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowLimit {
    pub(crate) name: &'static str,
    pub(crate) window: Duration,
    pub(crate) per_key: Option<u32>,
    pub(crate) per_network: Option<u32>,
}

impl Limits {
    /// Counts one use of a limit of a flow outside this crate, for the network of a client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn of_network(
        &self,
        name: &str,
        most: u32,
        time: Duration,
        ip: Option<&str>,
    ) -> Result<(), AuthError> {
        let network = self.network(ip);
        self.volume_in(&format!("flow {name} from"), network.as_deref(), most, time, ip).await
    }

    /// Counts one use of a limit of a flow outside this crate, for a key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn of_key(
        &self,
        name: &str,
        of: &str,
        most: u32,
        time: Duration,
        ip: Option<&str>,
    ) -> Result<(), AuthError> {
        self.volume_in(&format!("flow {name} of"), Some(of), most, time, ip).await
    }

    /// Counts an attempt for the network of a client and for a key, before any work is done for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`] with `retry_after`; no counter is changed then.
    pub(crate) async fn attempt(
        &self,
        limit: FlowLimit,
        of: &str,
        ip: Option<&str>,
    ) -> Result<Counted, AuthError> {
        let FlowLimit { name, window: time, per_key, per_network } = limit;
        let mut counted = Counted::default();
        if !self.options.enabled {
            return Ok(counted);
        }
        let from = self.network(ip).map(|network| key(&format!("flow {name} from"), &network));
        let of = key(&format!("flow {name} of"), of);
        for (key, most) in [from.zip(per_network), Some(of).zip(per_key)].into_iter().flatten() {
            let Some(until) = self.refused(&key, &window(most, time)).await? else {
                counted.shared.push(key);
                continue;
            };
            self.uncount(counted).await?;
            return Err(self.refuse(ErrorKind::TooManyAttempts, until, ip));
        }
        Ok(counted)
    }

    /// Counts an attempt to guess a handle that people type, by the network of the client.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`] with `retry_after`.
    pub(crate) async fn typed_handle(&self, ip: Option<&str>) -> Result<Counted, AuthError> {
        let mut counted = Counted::default();
        let Some(network) = self.network(ip).filter(|_| self.options.enabled) else {
            return Ok(counted);
        };
        let key = key("failures from", &network);
        match self.refused(&key, &window(self.options.network_failures, HOUR)).await? {
            Some(until) => Err(self.refuse(ErrorKind::TooManyAttempts, until, ip)),
            None => {
                counted.shared.push(key);
                Ok(counted)
            }
        }
    }

    /// Deletes the attempts that were counted for a key.
    pub(crate) async fn reset(&self, name: &'static str, of: &str) -> Result<(), AuthError> {
        for key in [key(&format!("flow {name} of"), of), Guess::Flow(name).key(of)] {
            self.store.forget(&key).await?;
        }
        Ok(())
    }
}
