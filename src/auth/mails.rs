//! Delivers stored messages in the background.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time};

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

impl Core {
    /// Delivers stored messages. A failure is logged; the next sweep tries again.
    pub(super) async fn try_deliver_stored(&self) {
        if let Err(error) = self.deliver_stored().await {
            let cause = with_sources(&error);
            tracing::warn!(cause, "stored messages were not delivered and are tried again");
        }
    }
}
