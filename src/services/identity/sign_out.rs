//! The end of a session at its provider.

use serde_json::Value;

use super::hint_key;
use crate::{crypto::token::AccessToken, error::AuthError, event::EventKind, services::Core};

impl Core {
    /// Where the browser of a session goes to sign out at its provider too, if it came from
    /// one that has such a place. A provider that does not answer keeps nobody signed in
    /// here.
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
