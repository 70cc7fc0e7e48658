//! The account of the signed-in user. This flow is always enabled.
//!
//! | route | response |
//! |---|---|
//! | `GET /account` | the user, with the numbers of credentials |
//! | `PATCH /account` | changes the profile of the user |
//! | `GET /account/events` | the events of the user, if there is an [audit log](crate::AuthBuilder::audit_log) |
//! | `PUT /account/two-step` | turns two-step verification with passkeys on or off; requires recent authentication |
//! | `DELETE /account` | deletes the user with all data in our tables; requires recent authentication |

mod events;
mod profile;
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
