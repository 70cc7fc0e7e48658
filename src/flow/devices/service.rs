//! Remembered devices, without HTTP.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    error::{AuthError, ErrorKind},
    model::{ClientInfo, Session, User},
    services::Core,
};

#[derive(Clone, Debug)]
pub(crate) struct DeviceService {
    pub(super) core: Arc<Core>,
}

impl DeviceService {
    pub(super) async fn list(&self, session: &Session) -> Result<Vec<Value>, AuthError> {
        self.core.remembered_devices(session).await
    }

    /// Forgets a device of the user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], also for another user's.
    pub(super) async fn forget(
        &self,
        user: &User,
        session: &Session,
        id: &str,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        match self.core.forget_devices(user, session, Some(id), client).await? {
            0 => Err(ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }

    /// Forgets all devices of the user, and returns how many there were.
    pub(super) async fn forget_all(
        &self,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<usize, AuthError> {
        self.core.forget_devices(user, session, None, client).await
    }
}
