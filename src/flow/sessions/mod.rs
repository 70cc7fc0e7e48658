//! The session of the one who asks; always on.
//!
//! | route | answer |
//! |---|---|
//! | `GET /session` | the user and the session |
//! | `GET /sessions` | the live sessions of the user, the newest hundred, newest first |
//! | `DELETE /sessions/{id}` | ends one of them; 404 for another user's |
//! | `DELETE /sessions?scope=` | ends the `others` (default) or `all`; says how many |
//! | `POST /refresh` | the next pair of tokens, by the transport of the session |
//! | `GET /client.js`, `/client.d.ts` | a module for pages, and its types |
//! | `POST /sign-out` | ends the session, expired or not; 204 in any case |

mod routes;
mod script;

use std::sync::Arc;

use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::Core};

/// The flow that every application has.
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
