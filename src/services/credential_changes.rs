//! Additions and removals of credentials, with what depends on them.

use super::{Account, AddedCredential, Addition, Core, Removal};
use crate::{
    error::{AuthError, ErrorKind},
    model::{CredentialTag, Factor, Session, User, UserId},
    session::{IssuedTokens, SessionTransition},
    store::{
        AccountWrites, Applied, ChallengeKind, Credential, CredentialKind, Dependents, EndSessions,
        EndedSessions, Remove, Requirement, Unmet,
    },
};

impl Core {
    /// Adds a credential on a session that still exists, and gives the session new tokens, both
    /// or neither (SE-04).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidToken`] if the session has ended.
    pub(crate) async fn add_credential(
        &self,
        session: &Session,
        credential: &Credential,
        addition: Addition,
    ) -> Result<AddedCredential, AuthError> {
        let Addition { at_most, proof, put, once, mails } = addition;
        let write = |own: &User| {
            own.is_active().then(|| AccountWrites {
                add: Some(credential.clone()),
                add_at_most: at_most,
                put: put.clone(),
                challenges: once.iter().cloned().collect(),
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        match self.sessions.renew_within(session, proof, &write).await? {
            SessionTransition::Done(user, issued) => Ok(AddedCredential::Added(user, issued)),
            SessionTransition::NotApplied(Applied::Unmet(unmet)) => {
                Ok(AddedCredential::Unmet(unmet))
            }
            SessionTransition::NotApplied(_) => Err(ErrorKind::InvalidToken.into()),
        }
    }

    /// Returns what ends with a credential that is a factor: the other sessions on which it was
    /// verified, remembered devices, and with the last second factor recovery codes and two-step
    /// verification. Without a session, all sessions end.
    pub(crate) async fn factor_removal(
        &self,
        user: &User,
        session: Option<&Session>,
        credential: &Credential,
        factor: Factor,
    ) -> Result<Removal, AuthError> {
        let all = self.credentials.list_credentials(&user.id).await?;
        let others = all.into_iter().filter(|own| own.id != credential.id);
        let others: Vec<_> =
            others.map(|own| (own.id.clone(), Account::new(user.clone(), vec![own]))).collect();
        let among = |is_enough: &dyn Fn(&Account) -> bool| {
            let enough = others.iter().filter(|(_, account)| is_enough(account));
            enough.map(|(id, _)| id.clone()).collect()
        };
        let dependents = vec![
            Dependents {
                kind: CredentialKind::RecoveryCodes,
                on: among(&|account| self.turns_on_two_step(account)),
            },
            Dependents {
                kind: CredentialKind::TwoStep,
                on: among(&|account| self.has_second_factor(account)),
            },
        ];
        let end = match session {
            Some(session) => EndSessions::OfCredential {
                factor: factor.as_str(),
                tag: CredentialTag::of(&credential.id).to_text(),
                except: Some(session.id),
            },
            None => EndSessions::All,
        };
        Ok(Removal { end, forgets_devices: true, dependents, ..Removal::default() })
    }

    /// Returns what ends with a credential of a flow outside this crate, which is a factor if a
    /// registered second factor is enrolled with it.
    pub(super) async fn removal_of(
        &self,
        user: &User,
        session: Option<&Session>,
        credential: &Credential,
    ) -> Result<Removal, AuthError> {
        let alone = Account::new(user.clone(), vec![credential.clone()]);
        let factor = self.factors().iter().find(|own| own.is_enrolled(&alone));
        match factor.map(|own| own.factor()) {
            Some(factor) => self.factor_removal(user, session, credential, factor).await,
            None => Ok(Removal::default()),
        }
    }

    /// Removes a credential that was found, unless it is the last one, with what ends with it, all
    /// in one transaction.
    pub(crate) async fn remove_credential(
        &self,
        session: &Session,
        credential: &Credential,
        removal: Removal,
    ) -> Result<Option<IssuedTokens>, AuthError> {
        let user = &session.user_id;
        let (kind, id) = (credential.kind, &credential.id);
        let sign_in = self.sign_in_credentials(user).await?;
        let ended = EndedSessions::new(self.clock.now());
        let write = |own: &User| {
            let id = id.clone();
            let mut writes = AccountWrites {
                remove: Remove::One { kind, id, sign_in: sign_in.clone() },
                dependents: removal.dependents.clone(),
                end: removal.end.clone(),
                ended: Some(ended.clone()),
                end_challenges_of: removal.forgets_devices.then_some(ChallengeKind::TrustedDevice),
                challenges: removal.once.iter().cloned().collect(),
                mails: removal.mails.clone(),
                ..AccountWrites::new(own.clone())
            };
            if !removal.renews {
                writes.requires.push(Requirement::session(session));
            }
            Some(writes)
        };
        let applied = match removal.renews {
            true => match self.sessions.renew_within(session, None, &write).await? {
                SessionTransition::Done(_, issued) => {
                    self.sessions.were_ended(user, ended.count());
                    return Ok(Some(*issued));
                }
                SessionTransition::NotApplied(applied) => applied,
            },
            false => self.users.apply(user, &write).await?,
        };
        match applied {
            Applied::Done(_) => {
                self.sessions.were_ended(user, ended.count());
                Ok(None)
            }
            Applied::Unmet(Unmet::Removal) => Err(self.not_removed(user, id).await?.into()),
            Applied::Unmet(Unmet::Taken) => Err(self.step_up_required(session).await),
            _ => Err(ErrorKind::InvalidToken.into()),
        }
    }

    /// Returns the error of a credential that a transition did not remove.
    pub(super) async fn not_removed(
        &self,
        user: &UserId,
        id: &str,
    ) -> Result<ErrorKind, AuthError> {
        let own = self.credentials.list_credentials(user).await?;
        let exists = own.iter().any(|own| own.id == id);
        Ok(if exists { ErrorKind::LastCredential } else { ErrorKind::NotFound })
    }
}
