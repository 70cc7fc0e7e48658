//! The account of the one who asks; always on.
//!
//! | route | answer |
//! |---|---|
//! | `DELETE /account` | everything of ours about the user goes; wants a fresh proof |

mod routes;
mod service;

use std::sync::Arc;

use axum::Router;

use self::service::AccountService;
use super::Flow;
use crate::{config::ConfigError, services::Core};

#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountFlow;

impl Flow for AccountFlow {
    type Service = AccountService;

    fn build(self, core: Arc<Core>) -> Result<AccountService, ConfigError> {
        Ok(AccountService { core })
    }

    fn routes(service: AccountService) -> Router {
        routes::router(service)
    }
}
