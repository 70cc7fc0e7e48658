//! The ID token of a sign-in, which is sent to the provider at sign-out.

use serde_json::json;

use super::service::OAuthService;
use crate::{
    error::after_commit,
    model::Session,
    services::identity::hint_key,
    store::{Challenge, ChallengeKind},
};

impl OAuthService {
    /// Stores the ID token, which is sent to the provider as a hint at sign-out.
    pub(super) async fn keep_hint(&self, session: &Session, token: &str) {
        let (id, data) = (hint_key(session.id), json!({ "id_token": token }));
        let times = (session.created_at, session.expires_at);
        let challenge = Challenge {
            user_id: Some(session.user_id.clone()),
            ..Challenge::new(ChallengeKind::LogoutHint, id, data, times)
        };
        let kept = self.core.challenges.insert_of_session(&challenge, session.id);
        after_commit("an ID token is not stored for the sign-out at its provider", kept).await;
    }
}
