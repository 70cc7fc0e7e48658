//! Delivers stored messages in the background.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time};

use super::AuthBuilder;
use crate::{error::with_sources, mail::custody::LEASE, services::Core};

/// Delivers the stored messages of processes that ended before: at once, and again when the leases
/// of a process that ended just now have ended. From then on each sweep does. A database that
/// suspends when it is idle is not kept awake.
pub(crate) fn deliver_at_start(core: &Arc<Core>, runtime: &Handle, delivers: bool) {
    if !delivers || !core.stores_mails() {
        return;
    }
    let core = Arc::downgrade(core);
    runtime.spawn(async move {
        for pause in [Duration::ZERO, LEASE + LEASE / 4] {
            time::sleep(pause).await;
            let Some(core) = Weak::upgrade(&core) else { return };
            core.try_deliver_stored().await;
        }
    });
}

impl AuthBuilder {
    /// Sets whether this process delivers at its start the messages that other processes stored; on by
    /// default. Turn it off, with [`cleanup_interval`](Self::cleanup_interval), in a command that
    /// administers users and ends: the processes that serve requests deliver them.
    ///
    /// ```
    /// # use authlayer::AuthBuilder;
    /// # fn doc(builder: AuthBuilder) -> AuthBuilder {
    /// builder.cleanup_interval(None).deliver_stored_mails(false)
    /// # }
    /// ```
    pub fn deliver_stored_mails(mut self, deliver: bool) -> Self {
        self.delivers_stored = deliver;
        self
    }
}

impl Core {
    /// Delivers stored messages. A failure is logged; the next sweep tries again.
    pub(super) async fn try_deliver_stored(&self) {
        if let Err(error) = self.deliver_stored().await {
            let cause = with_sources(&error);
            tracing::warn!(cause, "stored messages were not delivered and are tried again");
        }
    }
}
