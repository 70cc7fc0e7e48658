//! Sign-outs at the provider of a session.

use serde_json::Value;

use super::hint_key;
use crate::{crypto::token::AccessToken, error::AuthError, event::EventKind, services::Core};

impl Core {
    /// Returns the URL at which the browser signs out at the provider of its session, if the
    /// provider has one. If the provider fails, `None` is returned, so that the sign-out here
    /// succeeds.
    pub(crate) async fn end_elsewhere(
        &self,
        token: &AccessToken,
    ) -> Result<Option<String>, AuthError> {
        let Ok(resolved) = self.sessions.verify(token).await? else { return Ok(None) };
        let Some(from) = &resolved.session.upstream else { return Ok(None) };
        let Some(provider) = self.providers.find(&from.provider) else { return Ok(None) };
        let key = hint_key(resolved.session.id);
        let hint = self.challenges.take_challenge(&key, None, self.clock.now()).await?;
        let hint = hint.as_ref().and_then(|own| own.data.get("id_token")).and_then(Value::as_str);
        match provider.end_session_url(hint).await {
            Ok(url) => Ok(url),
            Err(error) => {
                let event = self.event(EventKind::ProviderRefused).user(&resolved.user.id);
                self.events.record(event.reason(error.kind().code()));
                Ok(None)
            }
        }
    }
}
