//! Pending challenges: verification of codes and second factors of any flow.
//!
//! | route | body | response |
//! |---|---|---|
//! | `POST /verify` | `challenge, code, method?, remember?` | the result of the operation that issued the challenge |
//! | `POST /verify/resend` | `challenge, method?` | 202: another code, or a prompt for another factor |
//! | `POST /factors/{name}/start` | | 202: a step-up with a factor of a flow outside this crate |
//! | `POST /factors/{name}/verify` | `code, challenge?` | 200: the session with the factor and new tokens |

mod routes;

use crate::{
    config::ConfigError,
    registry::{Flow, Registry},
    services::PendingChallenges,
};

/// The flow for pending challenges, which is always registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingFlow;

impl Flow for PendingFlow {
    type Service = PendingChallenges;

    fn name(&self) -> &str {
        "pending"
    }

    fn register(self, registry: &mut Registry) -> Result<PendingChallenges, ConfigError> {
        let service = registry.services().pending();
        routes::register(registry, &service);
        Ok(service)
    }
}
