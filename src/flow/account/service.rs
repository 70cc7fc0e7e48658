//! Operations on an account, without HTTP.

use std::sync::Arc;

use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Session, User},
    services::Core,
    store::{AccountWrites, Applied, EndSessions, Requirement},
};

#[derive(Clone, Debug)]
pub(crate) struct AccountService {
    pub(super) core: Arc<Core>,
}

impl AccountService {
    /// Deletes the user with all credentials, sessions and challenges, if the session still exists.
    ///
    /// A first transaction requires the session and ends all sessions. A session that was revoked
    /// in the meantime, for example by a password reset, therefore cannot delete the account.
    pub(super) async fn delete(
        &self,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let end = |own: &User| {
            Some(AccountWrites {
                requires: vec![Requirement::session(session)],
                end: EndSessions::All,
                ..AccountWrites::new(own.clone())
            })
        };
        match self.core.users.apply(&user.id, &end).await? {
            Applied::Done(_) => {}
            Applied::Unmet(_) => return Err(ErrorKind::InvalidToken.into()),
            _ => return Err(ErrorKind::NotFound.into()),
        }
        if !self.core.users.delete_user(&user.id).await? {
            return Err(ErrorKind::NotFound.into());
        }
        self.core.events.record(self.core.event(EventKind::AccountDeleted).user(&user.id));
        self.core.notify(user, MessageKind::AccountDeleted, Occasion::of(client));
        Ok(())
    }
}
