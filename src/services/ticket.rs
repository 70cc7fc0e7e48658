//! One-time tickets for connections that can carry neither a cookie nor a header.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    clock::{after, whole_millis},
    crypto::{
        handle::{OneTimeToken, TokenPurpose},
        token::TokenString,
    },
    error::{AuthError, ErrorKind},
    model::{Session, SessionId},
    services::Core,
    session::AuthenticatedSession,
    store::{Challenge, ChallengeKind},
};

/// Sufficient to open a connection.
pub(crate) const TICKET_LIFE: Duration = Duration::from_secs(30);

impl Core {
    /// Creates a ticket for the session, which can be used once within [`TICKET_LIFE`].
    pub(crate) async fn issue_ticket(&self, session: &Session) -> Result<TokenString, AuthError> {
        let handle = OneTimeToken::random(TokenPurpose::Ticket)?;
        let now = whole_millis(self.clock.now());
        let challenge = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::Ticket,
            user_id: Some(session.user_id.clone()),
            address: None,
            code: None,
            tries: 0,
            data: json!({ "session": session.id, "renewals": session.renewals }),
            created_at: now,
            expires_at: after(now, TICKET_LIFE),
        };
        self.store_challenge(&challenge).await?;
        Ok(handle.to_token())
    }

    /// Returns the session of a ticket. The ticket is consumed in any case.
    pub(crate) async fn redeem_ticket(
        &self,
        ticket: &str,
    ) -> Result<Arc<AuthenticatedSession>, AuthError> {
        let refused = || AuthError::from(ErrorKind::InvalidToken);
        let handle = OneTimeToken::parse(TokenPurpose::Ticket, ticket).ok_or_else(refused)?;
        let now = self.clock.now();
        let taken = self.challenges.take_challenge(&handle.digest(), None, now).await?;
        let taken = taken.filter(|own| own.kind == ChallengeKind::Ticket).ok_or_else(refused)?;
        let id =
            taken.data.get("session").and_then(|id| id.as_str()).and_then(|id| id.parse().ok());
        let id: SessionId = id.ok_or_else(refused)?;
        let renewals = taken.data.get("renewals").and_then(serde_json::Value::as_u64);
        let found = self.sessions.resolve(id).await?;
        // If the tokens were renewed since, the ticket belongs to the previous ones.
        let found = found.filter(|found| Some(u64::from(found.session.renewals)) == renewals);
        found.ok_or_else(refused)
    }
}
