//! The routes of the registered flows.

use std::sync::Arc;

use axum::Router;

use crate::{http::router, services::Core};

/// The routes of all flows, without middleware.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    pub(super) own: Router,
    pub(super) from_elsewhere: Router,
    pub(super) well_known: Router,
}

impl Routes {
    /// Returns the routes below the mount path.
    pub(crate) fn router(&self, core: &Arc<Core>) -> Router {
        router::router(core, self.own.clone(), self.from_elsewhere.clone())
    }

    /// Returns the routes that browsers call, without middleware.
    pub(crate) fn own(&self) -> Router {
        self.own.clone()
    }

    /// Returns the routes below `/.well-known`.
    pub(crate) fn well_known(&self) -> Router {
        self.well_known.clone()
    }
}
