//! Changes of an account after a verification.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

use super::{
    NewPasswords, Outcome, claim::Claim, device::password_account, notice::ChangeNotices,
    sign_in::Verified,
};
use crate::{
    clock::whole_millis,
    crypto::random,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Email, Factor, FactorProof, Session, User, UserId},
    services::Core,
    session::{IssuedTokens, SessionTransition},
    store::{
        AccountWrites, Applied, Challenge, Credential, CredentialUpdate, EndSessions,
        EndedSessions, Requirement, Unmet,
    },
};

/// A verified factor of a session, and the data that must be unchanged when the session gets new
/// tokens for it.
#[derive(Debug)]
pub(crate) struct StepUp<'a> {
    pub(crate) proof: FactorProof,
    pub(crate) relies_on: ReliesOn<'a>,
}

/// The basis of a step-up.
#[derive(Debug)]
pub(crate) enum ReliesOn<'a> {
    /// The use of a credential, which is recorded.
    Use(CredentialUpdate),
    /// A credential, which must be unchanged.
    Credential(Verified),
    /// An email address, which must still be that of the user and be verified.
    Email(&'a Email),
    /// Nothing that can change.
    Nothing,
}

/// A new password of a user.
#[derive(Debug)]
pub(crate) struct PasswordChange<'a> {
    pub(crate) hash: &'a str,
    /// The password that was compared, which must be unchanged.
    pub(crate) current: Option<Requirement>,
    /// Whether the new password counts as verified on the session.
    pub(crate) is_verified: bool,
}

impl Core {
    /// Sets a password with a link that was sent to the email address of a user, which verifies the
    /// address. All sessions, links and remembered devices are deleted. Returns whether the link
    /// was still valid for the account when the transition was applied.
    pub(crate) async fn reset_password(
        &self,
        user: &User,
        link: &Challenge,
        hash: &str,
        client: &ClientInfo,
    ) -> Result<bool, AuthError> {
        let now = whole_millis(self.clock.now());
        let password = password_credential(&user.id, hash, now)?;
        let claimed = AtomicBool::new(false);
        let notice = self.notice(user, MessageKind::PasswordChanged, Occasion::of(client));
        let mails = notice.rows();
        let reset = |own: &User, claim: Claim| {
            if !own.is_active() || own.email != link.address {
                return None;
            }
            let unproved = own.email_verified_at.is_none();
            claimed.store(unproved, Ordering::Relaxed);
            let mut writes = match unproved {
                true => claim.of(own, Vec::new()),
                false => AccountWrites::new(own.clone()),
            };
            writes.requires.push(Requirement::Challenge(link.id, now));
            writes.password = Some(password.clone());
            (writes.end, writes.end_challenges) = (EndSessions::All, true);
            writes.mails.clone_from(&mails);
            Some(writes)
        };
        let Applied::Done(user) = self.apply_claiming(&user.id, &reset).await? else {
            return Ok(false);
        };
        if claimed.into_inner() {
            self.record_claim(&user.id);
        }
        self.events.record(self.event(EventKind::PasswordReset).user(&user.id));
        self.password_was_set(&user, notice).await;
        Ok(true)
    }

    /// Notifies the user of a new password, and deletes the failures of the previous one.
    async fn password_was_set(&self, user: &User, notice: ChangeNotices<'_>) {
        notice.send();
        self.limits.forget_password(password_account(user)).await;
    }

    /// Gives a session new tokens after a step-up. The session id does not change.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidCredentials`] if the credential was deleted or changed, and
    /// [`ErrorKind::ChallengeExpired`] if the email address has changed;
    /// [`ErrorKind::InvalidToken`] if the session has ended.
    pub(crate) async fn step_up(
        &self,
        user: &User,
        session: &Session,
        step_up: StepUp<'_>,
    ) -> Result<Outcome, AuthError> {
        let StepUp { proof, relies_on } = step_up;
        let end_recoveries = self.ended_recoveries(&proof);
        let write = |own: &User| {
            let mut writes = AccountWrites { end_recoveries, ..AccountWrites::new(own.clone()) };
            let is_met = match &relies_on {
                ReliesOn::Use(using) => {
                    writes.using = Some(using.clone());
                    true
                }
                ReliesOn::Credential(verified) => {
                    writes.requires.push(verified.requirement());
                    true
                }
                ReliesOn::Email(email) => {
                    own.email.as_ref() == Some(*email) && own.email_verified_at.is_some()
                }
                ReliesOn::Nothing => true,
            };
            (own.is_active() && own.id == user.id && is_met).then_some(writes)
        };
        match self.sessions.renew_within(session, Some(proof), &write).await?.done() {
            Ok((user, issued)) => Ok(Outcome::complete(user, issued)),
            Err(Applied::Unmet(Unmet::Credential)) => Err(ErrorKind::InvalidCredentials.into()),
            Err(Applied::Declined) => Err(ErrorKind::ChallengeExpired.into()),
            Err(_) => Err(ErrorKind::InvalidToken.into()),
        }
    }

    /// Gives a session new tokens without a verified factor (SE-04).
    pub(crate) async fn renew_session(
        &self,
        user: &User,
        session: &Session,
    ) -> Result<IssuedTokens, AuthError> {
        let write = |own: &User| {
            (own.is_active() && own.id == user.id).then(|| AccountWrites::new(own.clone()))
        };
        let renewed = self.sessions.renew_within(session, None, &write).await?;
        renewed.done().map(|(_, issued)| issued).map_err(|_| ErrorKind::InvalidToken.into())
    }

    /// Ends the other sessions of a user on the request of one that still exists, or all of them
    /// with every pending proof, link and remembered device. Returns how many sessions were ended
    /// that had not expired.
    pub(crate) async fn end_sessions(
        &self,
        session: &Session,
        all: bool,
    ) -> Result<usize, AuthError> {
        let user = &session.user_id;
        let ended = EndedSessions::new(self.clock.now());
        let end = if all { EndSessions::All } else { EndSessions::Others(session.id) };
        let write = |own: &User| {
            Some(AccountWrites {
                requires: vec![Requirement::session(session)],
                end: end.clone(),
                ended: Some(ended.clone()),
                end_challenges: all,
                ..AccountWrites::new(own.clone())
            })
        };
        match self.users.apply(user, &write).await? {
            Applied::Done(_) => {}
            _ => return Err(ErrorKind::InvalidToken.into()),
        }
        self.sessions.were_ended(user, ended.count());
        Ok(ended.count())
    }

    /// Changes the password on the session that requested it.
    pub(crate) async fn change_password(
        &self,
        user: &User,
        session: &Session,
        change: PasswordChange<'_>,
        client: &ClientInfo,
    ) -> Result<Outcome, AuthError> {
        let now = whole_millis(self.clock.now());
        let PasswordChange { hash, current, is_verified } = change;
        let password = password_credential(&user.id, hash, now)?;
        let proof = is_verified.then(|| FactorProof::new(Factor::Password, now));
        let notice = self.notice(user, MessageKind::PasswordChanged, Occasion::of(client));
        let mails = notice.rows();
        let change = |own: &User| {
            own.is_active().then(|| AccountWrites {
                requires: current.iter().cloned().collect(),
                mails: mails.clone(),
                password: Some(password.clone()),
                end: EndSessions::Others(session.id),
                end_challenges: true,
                ..AccountWrites::new(own.clone())
            })
        };
        let changed = self.sessions.renew_within(session, proof, &change).await?;
        // The user is notified of a new password even if the session has ended in the meantime.
        let after = match &changed {
            SessionTransition::Done(after, _)
            | SessionTransition::NotApplied(Applied::SessionEnded(after)) => &**after,
            SessionTransition::NotApplied(_) => return Err(ErrorKind::InvalidToken.into()),
        };
        let event = self.event(EventKind::PasswordChanged).user(&after.id);
        self.events.record(event.session(session.id));
        self.password_was_set(after, notice).await;
        let (user, mut issued) =
            changed.done().map_err(|_| AuthError::from(ErrorKind::InvalidToken))?;
        if matches!(current, Some(Requirement::NoPassword)) {
            // A first password is a registration.
            issued.offer = None;
        }
        Ok(Outcome::complete(user, issued))
    }

    pub(crate) fn passwords(&self) -> Result<&Arc<dyn NewPasswords>, AuthError> {
        self.offered().ok_or_else(|| AuthError::misconfigured("register the Password flow too"))
    }

    /// Returns the outcome of a sign-in if its password is unchanged since it was compared, or else
    /// ends the session. It is called after the session or challenge was created: an earlier change
    /// is detected here, and a later change ends the session itself.
    pub(crate) async fn is_still(
        &self,
        password: &Credential,
        outcome: Outcome,
    ) -> Result<Outcome, AuthError> {
        let now = self.credentials.find_settled(password.kind, &password.lookup).await?;
        if now.is_some_and(|now| now.id == password.id && now.updated_at == password.updated_at) {
            return Ok(outcome);
        }
        self.undo_sign_in(&outcome).await
    }

    async fn undo_sign_in(&self, outcome: &Outcome) -> Result<Outcome, AuthError> {
        if let Outcome::Complete(complete) = outcome {
            let session = &complete.1.session;
            self.sessions.revoke_own(session.id, &session.user_id).await?;
        }
        Err(ErrorKind::InvalidCredentials.into())
    }
}

pub(crate) fn password_credential(
    user: &UserId,
    hash: &str,
    now: Timestamp,
) -> Result<Credential, AuthError> {
    Ok(Credential::password(random::uuid_v7(now)?, user, hash, now))
}

/// Returns a new user id: a UUIDv7 with the time of the clock.
pub(crate) fn new_user_id(now: Timestamp) -> Result<UserId, AuthError> {
    random::uuid_v7(now).map(UserId::new)
}
