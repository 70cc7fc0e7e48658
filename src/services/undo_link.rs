//! Links that revert a change of the email address.

use std::time::Duration;

use serde_json::Value;

use super::Core;
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::AuthError,
    mail::MailContent,
    model::UserId,
    store::{Challenge, ChallengeKind},
};

const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// A link that reverts a change of the email address.
pub(super) struct UndoLink {
    pub(super) challenge: Challenge,
    link: String,
    token: OneTimeToken,
}

impl UndoLink {
    /// Adds the link to a message.
    pub(super) fn add_to(self, letter: MailContent) -> MailContent {
        letter.with_token_link(self.link, 0, &self.token)
    }
}

impl Core {
    /// Creates the link of the change with this number.
    pub(super) fn undo_link(
        &self,
        user: &UserId,
        number: u32,
        data: Value,
    ) -> Result<UndoLink, AuthError> {
        let token = OneTimeToken::random(TokenPurpose::Link)?;
        let now = whole_millis(self.clock.now());
        let challenge = Challenge {
            id: token.digest(),
            kind: ChallengeKind::EmailUndo,
            user_id: Some(user.clone()),
            address: None,
            code: None,
            tries: number,
            data,
            created_at: now,
            expires_at: after(now, LIFETIME),
        };
        let text = token.to_token();
        let link = self.mail_link("undo-email-change", "/undo-email-change", text.expose());
        Ok(UndoLink { challenge, link, token })
    }
}
