//! Responses of a provider by a form that the browser posts (OAuth 2.0 Form Post Response Mode).
//!
//! The post comes from another site, without the cookies of the browser, and so decides nothing: it
//! stores its parameters once and leads the browser to the callback, where the cookie decides.

mod routes;

pub(super) use routes::{POSTED_CALLBACK, posted_callback};

use super::{OAuthService, ceremony::Ceremony, posted::Posted};
use crate::{
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    store::ChallengeKind,
};

impl OAuthService {
    /// Stores the parameters of a posted response, if its request is still open and has none. A
    /// state that is unknown changes nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub(super) async fn store_posted(&self, state: &str, posted: &Posted) -> Result<(), AuthError> {
        let Some(state) = OneTimeToken::parse(TokenPurpose::Flow, state) else { return Ok(()) };
        let (id, now) = (state.digest(), self.core.clock.now());
        let found = self.core.challenges.find_challenge(&id, now).await?;
        let Some(found) = found.filter(|own| own.kind == ChallengeKind::OAuth) else {
            return Ok(());
        };
        let Ok(mut ceremony) = serde_json::from_value::<Ceremony>(found.data.clone()) else {
            return Ok(());
        };
        if !ceremony.is_of(&self.provider) || ceremony.posted.is_some() {
            return Ok(());
        }
        ceremony.posted = Some(posted.seal(&state)?);
        let data = serde_json::to_value(&ceremony).map_err(AuthError::misconfigured)?;
        // Of concurrent posts, the first counts.
        let replaced = self.core.challenges.replace_data(&id, &found.data, &data, None, now);
        replaced.await.map(drop).map_err(AuthError::from)
    }
}
