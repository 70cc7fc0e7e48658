//! Connections that outlive a request and end with their session.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{
    poll::{Running, run},
    watcher::SessionWatch,
};
use crate::session::{AuthenticatedSession, Sessions};

impl Sessions {
    /// Watches a verified session. Outside a Tokio runtime the returned handle has ended already.
    pub fn watch(&self, resolved: &Arc<AuthenticatedSession>) -> SessionWatch {
        let (live, begins) = self.watcher.add(resolved);
        if begins {
            let running = Running { watcher: Arc::clone(&self.watcher), is_over: false };
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(run(self.clone(), running));
            }
        }
        live
    }
}

#[cfg(test)]
mod tests;
