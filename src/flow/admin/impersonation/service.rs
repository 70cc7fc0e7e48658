//! Impersonation, without HTTP.

use super::super::AdminService;
use crate::{
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MailContent, MessageKind},
    model::{TokenDelivery, Transport, User, UserId},
    session::{AuthUser, IssuedTokens},
};

impl AdminService {
    /// Begins a session as a user. It is recorded, and the user is notified.
    pub(super) async fn impersonate(
        &self,
        admin: &AuthUser,
        id: &UserId,
        reason: &str,
        transport: Option<Transport>,
    ) -> Result<(User, IssuedTokens), AuthError> {
        let (core, own) = (&self.core, admin.session());
        let user = self.user(id).await?;
        if user.id == admin.user().id || self.rule().can_admit(&user) {
            return Err(AuthError::new(ErrorKind::Forbidden)
                .with_detail("Administrators cannot be impersonated."));
        }
        if !user.is_active() {
            return Err(ErrorKind::AccountDisabled.into());
        }
        // The refresh token of a bearer session is not in a cookie, and that of a session which is bound
        // to a device is not valid without a proof: the browser could not return.
        let returns = own.transport == Transport::Cookie && own.bound().is_none();
        let default = if returns { Transport::Cookie } else { Transport::Bearer };
        let transport = transport.unwrap_or(default);
        let transport = core.sessions.options().resolve_transport(Some(transport))?;
        if transport == Transport::Cookie && !returns {
            return Err(ErrorKind::TransportDisabled.into());
        }
        let delivery = TokenDelivery { is_persistent: own.is_persistent, ..transport.into() };
        let issued = core.sessions.impersonate(own, &user, delivery).await?;
        let event = core.event(EventKind::ImpersonationBegan).session(issued.session.id);
        self.users(admin).record(event.with("reason", reason), &user.id);
        if let Some(to) = user.email.clone().filter(|_| self.notifies_impersonated) {
            core.notices(&user, [MailContent::new(MessageKind::Impersonated, to)]).send();
        }
        Ok((user, issued))
    }
}
