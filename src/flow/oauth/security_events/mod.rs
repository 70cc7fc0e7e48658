//! Security events of a provider (RISC and CAEP, by RFC 8935), such as those of a hijacked account.
//!
//! The token authenticates the request. What it ends and whom it bars is in `services/identity`.

mod routes;

pub(super) use routes::register;

use super::OAuthService;
use crate::{
    error::{AuthError, ErrorKind},
    provider::EventFormat,
};

impl OAuthService {
    /// Processes a Security Event Token of the provider: the sessions of its subject end, and the
    /// identity can be barred. A token that was processed before has no effect.
    ///
    /// ```
    /// use authlayer::{AuthError, flow::{EventFormat, OAuthService}};
    ///
    /// // A token that was fetched from the provider (RFC 8936).
    /// async fn polled(service: &OAuthService, token: &str) -> Result<(), AuthError> {
    ///     service.receive_security_events(token, EventFormat::Standard).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidRequest`] if the token is invalid. It is recorded as an event and
    ///   logged.
    /// - [`ErrorKind::NotFound`] if the flow receives no security events.
    /// - [`ErrorKind::ProviderError`] if the keys of the provider cannot be fetched, and
    ///   [`ErrorKind::Unavailable`]: the token has to be sent again.
    pub async fn receive_security_events(
        &self,
        token: &str,
        format: EventFormat,
    ) -> Result<(), AuthError> {
        if !self.provider.receives_security_events() {
            return Err(ErrorKind::NotFound.into());
        }
        let received = self.provider.verify_security_events(token, format).await;
        let events = received.inspect_err(|error| {
            self.record_rejected(error, "a Security Event Token", "security_events")
        })?;
        let events = events.ok_or(ErrorKind::NotFound)?;
        self.core().receive_events(&self.provider, events).await
    }
}
