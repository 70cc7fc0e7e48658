//! The programs that users approve.

use std::sync::Arc;

use super::{Core, SessionTag};
use crate::{error::AuthError, model::Session};

/// The ids of the programs that users can approve.
#[derive(Clone, Debug)]
pub(crate) struct Programs(pub(crate) Arc<[String]>);

impl Programs {
    /// Returns the tag of the sessions of a program.
    pub(crate) fn tag(id: &str) -> SessionTag {
        SessionTag::new("device_grant", id)
    }
}

impl Core {
    /// Returns the id of the program that a session belongs to; `None` for other sessions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub(crate) async fn program_of(&self, session: &Session) -> Result<Option<&str>, AuthError> {
        let Some(Programs(ids)) = self.offered().filter(|_| session.is_of_program()) else {
            return Ok(None);
        };
        let tags = self.sessions.tags_of(session.id).await?;
        let own = ids.iter().find(|id| tags.contains(&Programs::tag(id)));
        Ok(own.map(String::as_str))
    }
}
