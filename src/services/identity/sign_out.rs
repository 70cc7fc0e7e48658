//! Sign-outs at the provider of a session.

use std::error::Error as _;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::hint_key;
use crate::{crypto::token::AccessToken, error::AuthError, event::EventKind, services::Core};

impl Core {
    /// Returns the target in the `state` of a sign-out at a provider, if it is an allowed one. The
    /// user can change it on the way, as any URL.
    pub(crate) fn signed_out_target(&self, state: &str) -> Option<String> {
        let target = String::from_utf8(URL_SAFE_NO_PAD.decode(state).ok()?).ok()?;
        self.redirects.check(&target).is_ok().then_some(target)
    }

    /// Returns the URL at which the browser signs out at the provider of its session, if the
    /// provider has one. If the provider fails, `None` is returned, so that the sign-out here
    /// succeeds. The provider redirects to our route, which redirects to `target`.
    pub(crate) async fn end_elsewhere(
        &self,
        token: &AccessToken,
        target: &str,
    ) -> Result<Option<String>, AuthError> {
        let found = self.sessions.verify(token).await?;
        let Some(resolved) = found.valid() else { return Ok(None) };
        let Some(from) = &resolved.session.upstream else { return Ok(None) };
        let Some(provider) = self.providers.find(&from.provider) else { return Ok(None) };
        let key = hint_key(resolved.session.id);
        let hint = self.challenges.take_challenge(&key, None, self.clock.now()).await?;
        let hint = hint.as_ref().and_then(|own| own.data.get("id_token")).and_then(Value::as_str);
        match provider.end_session_url(hint, &URL_SAFE_NO_PAD.encode(target)).await {
            Ok(url) => Ok(url),
            Err(error) => {
                let cause = error.source().map_or_else(String::new, ToString::to_string);
                tracing::warn!(
                    provider = provider.id(),
                    cause,
                    "the provider returned no valid URL for the sign-out, which is only here"
                );
                let event = self.event(EventKind::ProviderRefused).user(&resolved.user.id);
                self.events.record(event.reason(error.kind().code()));
                Ok(None)
            }
        }
    }
}
