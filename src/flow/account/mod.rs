//! The account of the one who asks; always on.
//!
//! | route | answer |
//! |---|---|
//! | `DELETE /account` | everything of ours about the user goes; wants a fresh proof |

mod routes;
mod service;

use self::service::AccountService;
use super::Flow;
use crate::{config::ConfigError, registry::Registry};

#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountFlow;

impl Flow for AccountFlow {
    type Service = AccountService;

    fn name(&self) -> &str {
        "account"
    }

    fn register(self, registry: &mut Registry) -> Result<AccountService, ConfigError> {
        let core = registry.core();
        let service = AccountService { core };
        routes::register(registry, &service);
        Ok(service)
    }
}
