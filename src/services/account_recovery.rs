//! Account recovery: requests, and links that stop them.
//!
//! A recovery is a challenge whose handle is the link that stops it. It belongs to the session that
//! requested it, becomes available after a day, and expires a day later together with the link. It
//! is deleted with all pending challenges of the user: by a new password or email address, a claim,
//! and the revocation of all sessions.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::{Asked, Core, Letterhead, Pending, RecoveryPolicy};
use crate::{
    clock::{after, whole_millis},
    crypto::handle::{OneTimeToken, TokenPurpose},
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    mail::{MailContent, MessageKind, Occasion},
    model::{ClientInfo, Email, Session, Strength, User},
    session::IssuedTokens,
    store::{
        AccountWrites, Applied, Challenge, ChallengeKind, Credential, CredentialKind, EndSessions,
        EndedSessions, Requirement,
    },
};

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// The name of the rate limit.
pub(crate) const LIMIT: &str = "account_recovery";
/// The validity of the link that stops a recovery, which expires together with the recovery.
const LINK_MINUTES: u64 = 48 * 60;

/// The data of a recovery.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Recovery {
    /// The session that requested it.
    pub(super) session: String,
    pub(super) requested_at: Timestamp,
    pub(super) available_at: Timestamp,
}

/// A session whose recovery was requested, with new tokens.
pub(super) struct RequestedRecovery {
    pub(super) user: User,
    pub(super) issued: IssuedTokens,
    pub(super) available_at: Timestamp,
}

impl Core {
    /// Mails the code that begins a recovery to the verified email address of a user, once a day.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] for the session of a program; [`ErrorKind::EmailNotVerified`] for a
    /// user without a verified email address; [`ErrorKind::RateLimited`];
    /// [`ErrorKind::Unavailable`].
    pub(crate) async fn request_recovery(
        &self,
        user: &User,
        session: &Session,
        client: &ClientInfo,
    ) -> Result<Pending, AuthError> {
        if session.is_of_program() {
            return Err(ErrorKind::Forbidden.into());
        }
        let to = user.verified_email().ok_or(ErrorKind::EmailNotVerified)?;
        let data = Map::from_iter([("session".to_owned(), json!(session.id))]);
        let letter = Letterhead { kind: MessageKind::RecoveryCode, to, user: Some(user) };
        let kind = ChallengeKind::RecoveryRequest;
        // A full mail queue does not use up the request of the day.
        let prepared = self.prepare(Asked { kind, letter, decoy: false, data, client }).await?;
        if let Some(challenge) = prepared.challenge() {
            let ip = client.ip.as_deref();
            self.limits.of_key(LIMIT, user.id.as_str(), 1, DAY, ip).await?;
            self.store_challenge(challenge).await?;
        }
        prepared.send()
    }

    /// Begins the recovery of a request whose code was verified and consumed. It replaces an earlier
    /// one, and the session gets new tokens, in one transaction.
    pub(super) async fn begin_recovery(
        &self,
        request: &Challenge,
        (user, session): (&User, &Session),
        client: &ClientInfo,
    ) -> Result<RequestedRecovery, AuthError> {
        let now = whole_millis(self.clock.now());
        let waived = self.available_factors(user, session).await?.strength();
        let handle = OneTimeToken::random(TokenPurpose::Link)?;
        let available_at = after(now, DAY);
        let own = Recovery { session: session.id.to_string(), requested_at: now, available_at };
        let recovery = Challenge {
            id: handle.digest(),
            kind: ChallengeKind::Recovery,
            user_id: Some(user.id.clone()),
            address: request.address.clone(),
            code: None,
            tries: waived.map_or(0, Strength::rank),
            data: json!(own),
            created_at: now,
            expires_at: after(available_at, DAY),
        };
        let page = self.offered::<RecoveryPolicy>().map(|own| own.cancel_page.as_str());
        let token = handle.to_token();
        let link = self.mail_link("cancel-recovery", page.unwrap_or_default(), token.expose());
        let letters = self.all_addresses(user).await.into_iter().map(|to| {
            let letter = MailContent::new(MessageKind::RecoveryRequested, to);
            let letter = letter.about(Occasion::of(client));
            letter.with_token_link(link.clone(), LINK_MINUTES, &handle)
        });
        let notices = self.notices(user, letters);
        let mails = notices.rows();
        let begin = |own: &User| {
            let is_same = own.email == request.address && own.email_verified_at.is_some();
            (own.is_active() && is_same).then(|| AccountWrites {
                end_challenges_of: Some(ChallengeKind::Recovery),
                challenges: vec![recovery.clone()],
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        let (user, issued) = match self.sessions.renew_within(session, None, &begin).await?.done() {
            Ok(renewed) => renewed,
            Err(Applied::Declined) => return Err(ErrorKind::ChallengeExpired.into()),
            Err(_) => return Err(ErrorKind::InvalidToken.into()),
        };
        let event = self.event(EventKind::RecoveryRequested).user(&user.id);
        self.events.record(event.session(session.id).client(client));
        notices.send();
        Ok(RequestedRecovery { user, issued, available_at })
    }

    /// Stops a recovery with the link in its message, and revokes all sessions with every pending
    /// challenge, link and remembered device.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidLink`] if there is no such recovery; [`ErrorKind::Unavailable`].
    pub(crate) async fn cancel_recovery(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let invalid = || AuthError::from(ErrorKind::InvalidLink);
        let found = self.live(TokenPurpose::Link, token).await?;
        let found = found.filter(|own| own.kind == ChallengeKind::Recovery).ok_or_else(invalid)?;
        let (link, user) = (found.id, found.user_id.ok_or_else(invalid)?);
        let now = self.clock.now();
        let ended = EndedSessions::new(now);
        let cancel = |own: &User| {
            Some(AccountWrites {
                requires: vec![Requirement::Challenge(link, now)],
                end: EndSessions::All,
                ended: Some(ended.clone()),
                end_challenges: true,
                ..AccountWrites::new(own.clone())
            })
        };
        let Applied::Done(_) = self.users.apply(&user, &cancel).await? else {
            return Err(invalid());
        };
        self.sessions.were_ended(&user, ended.count());
        self.events.record(self.event(EventKind::RecoveryCancelled).user(&user).client(client));
        Ok(())
    }

    /// Notifies the user of a recovery that has become available, once.
    pub(super) async fn announce_recovery(
        &self,
        user: &User,
        recovery: &Challenge,
    ) -> Result<(), AuthError> {
        let (id, now) = (&recovery.id, whole_millis(self.clock.now()));
        // The time of creation changes with the code, so one of concurrent calls replaces it.
        let is_first = recovery.code.is_none()
            && self.challenges.replace_code(id, id, recovery.created_at, now).await?;
        if is_first {
            for to in self.all_addresses(user).await {
                self.notify_by(user, MailContent::new(MessageKind::RecoveryAvailable, to));
            }
        }
        Ok(())
    }

    /// Returns the email address of a user, and those that providers have verified.
    async fn all_addresses(&self, user: &User) -> Vec<Email> {
        let what = "the addresses of linked identities were not notified of a recovery";
        let all = after_commit(what, self.credentials.list_credentials(&user.id)).await;
        let verified = |own: &Credential| {
            let is_verified = own.data.get("email_verified") == Some(&json!(true));
            let email = own.data.get("email").filter(|_| is_verified)?;
            (own.kind == CredentialKind::Identity).then(|| Email::parse(email.as_str()?).ok())?
        };
        let mut addresses: Vec<_> = user.email.iter().cloned().collect();
        for email in all.unwrap_or_default().iter().filter_map(verified) {
            if !addresses.contains(&email) {
                addresses.push(email);
            }
        }
        addresses
    }
}
