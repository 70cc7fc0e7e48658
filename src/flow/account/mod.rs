//! The account of the signed-in user. This flow is always enabled.
//!
//! | route | response |
//! |---|---|
//! | `PUT /account/two-step` | turns two-step verification with passkeys on or off; requires recent authentication |
//! | `DELETE /account` | deletes the user with all data in our tables; requires recent authentication |

mod routes;
mod service;
mod two_step;

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
