//! Operations on an account, without HTTP.

use std::sync::Arc;

use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Session, User},
    services::Core,
    store::{AccountWrites, Applied, DeleteOutcome, EndSessions, Requirement, Unmet},
};

#[derive(Clone, Debug)]
pub(crate) struct AccountService {
    pub(super) core: Arc<Core>,
}

impl AccountService {
    /// Deletes the user with all credentials, sessions and challenges, if the session still exists.
    ///
    /// A first transaction requires the session and ends all sessions. A session that was revoked
    /// in the meantime, for example by a password reset, therefore cannot delete the account. Both
    /// require that another administrator remains, if the user is one.
    pub(super) async fn delete(
        &self,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let users = &self.core.users;
        let remaining = self.core.directory.remaining(&user.id).await?;
        let end = |own: &User| {
            Some(AccountWrites {
                requires: vec![Requirement::session(session)],
                end: EndSessions::All,
                remaining: remaining.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        match users.apply(&user.id, &end).await? {
            Applied::Done(_) => {}
            Applied::Unmet(Unmet::Administrator) => return Err(ErrorKind::LastAdmin.into()),
            Applied::Unmet(_) => return Err(ErrorKind::InvalidToken.into()),
            _ => return Err(ErrorKind::NotFound.into()),
        }
        match users.delete_user_keeping(&user.id, remaining.as_ref()).await? {
            DeleteOutcome::Deleted => {}
            DeleteOutcome::Unknown => return Err(ErrorKind::NotFound.into()),
            DeleteOutcome::NoneRemains => return Err(ErrorKind::LastAdmin.into()),
        }
        self.core.events.record(self.core.event(EventKind::AccountDeleted).user(&user.id));
        self.core.notify(user, MessageKind::AccountDeleted, Occasion::of(client));
        Ok(())
    }
}
