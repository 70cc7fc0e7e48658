//! The programs that users approve.

use std::sync::Arc;

use super::{Core, SessionTag};
use crate::{
    error::{AuthError, ErrorKind},
    model::Session,
};

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
    /// [`ErrorKind::Forbidden`] if the program is no longer one of the flow;
    /// [`ErrorKind::Unavailable`].
    pub(crate) async fn program_of(&self, session: &Session) -> Result<Option<&str>, AuthError> {
        if !session.is_of_program() {
            return Ok(None);
        }
        let tags = self.sessions.tags_of(session.id).await?;
        let mut ids = self.offered::<Programs>().into_iter().flat_map(|all| all.0.iter());
        let own = ids.find(|id| tags.contains(&Programs::tag(id)));
        own.map(|id| Some(id.as_str())).ok_or_else(|| ErrorKind::Forbidden.into())
    }
}
