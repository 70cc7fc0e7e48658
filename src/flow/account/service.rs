//! What a user does with the account, without HTTP.

use std::sync::Arc;

use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{Client, User},
};

#[derive(Clone, Debug)]
pub(crate) struct AccountService {
    pub(super) core: Arc<Core>,
}

impl AccountService {
    /// Deletes the user with all credentials, sessions and challenges.
    pub(super) async fn delete(&self, user: &User, client: &Client) -> Result<(), AuthError> {
        if let Some(audit) = &self.core.audit {
            // Events that wait to be written would keep the address that a deletion removes.
            audit.flush().await;
        }
        if !self.core.users.delete_user(&user.id).await? {
            return Err(ErrorKind::NotFound.into());
        }
        self.core.events.record(self.core.event(EventKind::AccountDeleted).user(&user.id));
        self.core.notify(user, MessageKind::AccountDeleted, Occasion::of(client));
        Ok(())
    }
}
