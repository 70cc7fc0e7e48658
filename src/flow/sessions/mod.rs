//! The sessions of the signed-in user. This flow is always enabled.
//!
//! | route | response |
//! |---|---|
//! | `GET /session` | the user and the session |
//! | `GET /sessions` | the sessions of the user, at most 100, newest first |
//! | `DELETE /sessions/{id}` | ends a session; 404 for one of another user |
//! | `DELETE /sessions?scope=` | ends the `others` (default) or `all`; returns their number |
//! | `POST /refresh` | the next pair of tokens, over the transport of the session |
//! | `POST /ticket` | a one-time ticket that opens a live connection |
//! | `GET /client.js`, `/client.d.ts` | a JavaScript module for pages, and its types |
//! | `POST /sign-out` | ends the session, expired or not: 204, also without a session; 200 with `logout_url` for a sign-out at the provider; 400 for a `redirect_to` that is not allowed, and nothing is revoked |

mod routes;
mod script;

use std::sync::Arc;

use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::Core};

/// The flow for sessions, which is always registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionFlow;

impl Flow for SessionFlow {
    type Service = Arc<Core>;

    fn name(&self) -> &str {
        "sessions"
    }

    fn register(self, registry: &mut Registry) -> Result<Arc<Core>, ConfigError> {
        let core = registry.core();
        routes::register(registry, &core);
        script::register(registry);
        Ok(core)
    }
}
