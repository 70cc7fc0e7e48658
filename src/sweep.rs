//! Removing what has ended, so that tables stay as small as what is alive.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time};

use crate::{
    auth::{Auth, Core},
    error::AuthError,
};

/// Small enough that no other statement waits long behind it.
const BATCH: u32 = 500;
/// Between two batches, for whoever waits.
const PAUSE: Duration = Duration::from_millis(5);

impl Auth {
    /// Removes what has ended, a few hundred rows at a time with a pause between;
    /// answers how many rows that were.
    /// What can still be used, or whose reuse could still be noticed, stays.
    ///
    /// It also runs by itself, every ten minutes unless
    /// [`sweep_every`](crate::AuthBuilder::sweep_every) says otherwise.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::error::ErrorKind::Unavailable) when the store fails;
    /// what was removed stays removed.
    pub async fn sweep(&self) -> Result<u64, AuthError> {
        self.core.sweep().await
    }
}

impl Core {
    async fn sweep(&self) -> Result<u64, AuthError> {
        let now = self.clock.now();
        let mut swept = 0;
        loop {
            let batch = self.sessions.sweep(BATCH).await?
                + self.challenges.sweep_challenges(now, BATCH).await?
                + self.limits.sweep(BATCH).await?
                + self.keys.sweep_keys(now, BATCH).await?
                + match &self.audit {
                    Some(audit) => audit.sweep(BATCH).await?,
                    None => 0,
                };
            swept += batch;
            if batch == 0 {
                return Ok(swept);
            }
            time::sleep(PAUSE).await;
        }
    }
}

/// Sweeps until the last handle on the core is gone. Several processes may sweep one
/// database: each row is removed by one of them.
pub(crate) fn keep_sweeping(core: &Arc<Core>, every: Duration) {
    let Ok(runtime) = Handle::try_current() else {
        tracing::warn!("no tokio runtime at build: call auth.sweep() now and then");
        return;
    };
    let core = Arc::downgrade(core);
    runtime.spawn(async move {
        loop {
            time::sleep(every).await;
            let Some(core) = Weak::upgrade(&core) else { return };
            if let Err(error) = core.sweep().await {
                tracing::warn!(cause = %error, "what has ended was not removed");
            }
        }
    });
}
