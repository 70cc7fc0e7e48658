//! Sign-ups, also of users who were anonymous.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{claim::Claim, outcome::SignUpOutcome};
use crate::{
    error::{AuthError, ErrorKind},
    model::{Session, SessionId, User, UserId},
    services::Core,
    session::{IssuedTokens, NewSession, SessionTransition},
    store::{
        AccountWrites, Applied, CreateUserOutcome, Creation, Credential, CredentialKind,
        EndSessions, Requirement, Unmet, UserOrigin,
    },
};

/// Adds the fields of a new user to an existing user.
fn add_fields(to: &mut User, from: &User) {
    let fill = |to: &mut Option<String>, from: &Option<String>| {
        if from.is_some() {
            to.clone_from(from);
        }
    };
    fill(&mut to.username, &from.username);
    fill(&mut to.phone, &from.phone);
    fill(&mut to.avatar_url, &from.avatar_url);
    fill(&mut to.tenant_id, &from.tenant_id);
    for (to, from) in [(&mut to.roles, &from.roles), (&mut to.scopes, &from.scopes)] {
        let new = from.iter().filter(|name| !to.contains(name)).cloned();
        let new = Vec::from_iter(new);
        to.extend(new);
    }
    to.attributes.extend(from.attributes.clone());
    to.user_metadata.extend(from.user_metadata.clone());
    to.app_metadata.extend(from.app_metadata.clone());
}

/// The session of an anonymous user that requested a sign-up, and how many times its tokens had
/// been renewed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct AnonymousSession(SessionId, u32);

/// The user to be created by a sign-up.
#[derive(Clone, Debug)]
pub(crate) struct AccountDraft<'a> {
    pub(crate) user: &'a User,
    /// The credential; none if the email address is all that the user has.
    pub(crate) credential: Option<&'a Credential>,
    /// The anonymous user that becomes this user and keeps the id.
    pub(crate) anonymous: Option<&'a UserId>,
    /// The session of the anonymous user, which must still exist for the conversion.
    pub(crate) anonymous_session: Option<AnonymousSession>,
    /// The values that hooks stored.
    pub(crate) kept: Map<String, Value>,
}

impl AnonymousSession {
    /// Returns the user and the session that a sign-up came from, if the user is anonymous.
    pub(crate) fn of(current: Option<(&User, &Session)>) -> Option<(UserId, Self)> {
        let (user, session) = current.filter(|(user, _)| user.is_anonymous)?;
        Some((user.id.clone(), Self(session.id, session.renewals)))
    }
}

impl Core {
    /// Hands over an unverified account to the person who verified its email address, with the
    /// credential and the profile of their sign-up.
    pub(super) async fn take_over(
        &self,
        wanted: &User,
        credential: Option<&Credential>,
        kept: &Map<String, Value>,
        beginning: NewSession,
    ) -> Result<(User, IssuedTokens), AuthError> {
        let taken = || AuthError::from(ErrorKind::EmailTaken);
        let email = wanted.email.as_ref().ok_or_else(taken)?;
        let former = self.users.find_user_by_email(email).await?.ok_or_else(taken)?;
        let credential =
            credential.map(|own| Credential { user_id: former.id.clone(), ..own.clone() });
        let claim = |own: &User, claim: Claim| {
            let unproved = own.email.as_ref() == Some(email) && own.email_verified_at.is_none();
            if !unproved || !own.is_active() {
                return None;
            }
            let mut writes = claim.of(own, Vec::new());
            if claim.wipes_profile() {
                writes.user.display_name.clone_from(&wanted.display_name);
                writes.user.user_metadata.clone_from(&wanted.user_metadata);
            }
            if let Some(creation) = &mut writes.created {
                creation.kept.clone_from(kept);
                if claim.wipes_profile() {
                    add_fields(&mut writes.user, wanted);
                }
            }
            match &credential {
                Some(own) if own.kind == CredentialKind::Password => {
                    writes.password =
                        Some(Credential { lookup: own.user_id.to_string(), ..own.clone() });
                }
                other => writes.add = other.clone(),
            }
            Some(writes)
        };
        let begun = self.begin_claiming(&former.id, beginning, &claim).await?;
        let begun = begun.done().map_err(|_| taken())?;
        self.record_claim(&former.id);
        Ok(begun)
    }

    /// Creates a user with a credential, and a session. Otherwise returns why no user was created.
    ///
    /// If the sign-up came from an anonymous user, that user is converted and keeps the id. One
    /// transaction converts the user, ends all previous sessions, and creates the new one (SE-04).
    /// It requires the anonymous session; without it, another user is created. Profile fields that
    /// the store does not support are not stored.
    pub(crate) async fn take_in(
        &self,
        account: AccountDraft<'_>,
        beginning: NewSession,
    ) -> Result<SignUpOutcome, AuthError> {
        let client = beginning.client.clone();
        let converted = self.convert(&account, &beginning).await?;
        let (user, issued) = match converted {
            Some(SignUpOutcome::Created(user, issued)) => (user, issued),
            Some(rejected) => return Ok(rejected),
            None => {
                let AccountDraft { user, credential, kept, .. } = account;
                let creation = Creation::new(UserOrigin::SignUp, kept);
                let user = match self.users.create_user(user, credential, creation).await? {
                    CreateUserOutcome::Created(user) => *user,
                    rejected => return Ok(SignUpOutcome::Rejected(rejected)),
                };
                self.record_signed_up(&user.id, &client, true);
                let issued = self.sessions.create_with(&user, beginning).await?;
                return Ok(SignUpOutcome::Created(Box::new(user), Box::new(issued)));
            }
        };
        self.record_signed_up(&user.id, &client, false);
        Ok(SignUpOutcome::Created(user, issued))
    }

    /// Converts the anonymous user of a sign-up, if there is one whose session still exists.
    async fn convert(
        &self,
        account: &AccountDraft<'_>,
        beginning: &NewSession,
    ) -> Result<Option<SignUpOutcome>, AuthError> {
        let AccountDraft { user, credential, anonymous, anonymous_session, kept } = account;
        let Some(anonymous) = *anonymous else { return Ok(None) };
        let session = anonymous_session.map(|own| Requirement::Session(own.0, own.1));
        for with_profile in [true, false] {
            let convert = |own: &User| {
                if !own.is_anonymous || !own.is_active() {
                    return None;
                }
                let mut after = User {
                    email: user.email.clone(),
                    email_verified_at: user.email_verified_at,
                    updated_at: user.updated_at,
                    is_anonymous: false,
                    ..own.clone()
                };
                if with_profile {
                    after.display_name.clone_from(&user.display_name);
                    add_fields(&mut after, user);
                }
                Some(AccountWrites {
                    requires: session.iter().cloned().collect(),
                    add: credential.cloned(),
                    created: Some(Creation::new(UserOrigin::AnonymousUpgrade, kept.clone())),
                    end: EndSessions::All,
                    ..AccountWrites::new(after)
                })
            };
            let begun = self.sessions.begin_within(anonymous, beginning.clone(), &convert).await?;
            let not_applied = match begun {
                SessionTransition::Done(user, issued) => {
                    return Ok(Some(SignUpOutcome::Created(user, issued)));
                }
                SessionTransition::NotApplied(applied) => applied,
            };
            let rejected = match not_applied {
                // Converted in a user store outside this database, but the session could not be
                // created.
                Applied::SessionEnded(user) => {
                    let issued = self.sessions.create_with(&user, beginning.clone()).await?;
                    return Ok(Some(SignUpOutcome::Created(user, Box::new(issued))));
                }
                Applied::Unmet(Unmet::Taken) => CreateUserOutcome::CredentialTaken,
                Applied::Unsupported(_) if with_profile => continue,
                Applied::Unsupported(_) => CreateUserOutcome::Refused,
                // A passkey has the user handle of the anonymous id, so no other user can have it.
                Applied::Declined | Applied::Unknown | Applied::Unmet(Unmet::Session)
                    if user.id == *anonymous =>
                {
                    return Err(AuthError::new(ErrorKind::UnusablePasskey).with_detail(
                        "The account has changed since the sign-up began; start again",
                    ));
                }
                // The user has already signed up, or the user or the session was deleted: the
                // sign-up creates another user.
                Applied::Declined | Applied::Unknown | Applied::Unmet(Unmet::Session) => {
                    return Ok(None);
                }
                Applied::Taken if self.is_username_taken(user, Some(anonymous)).await? => {
                    CreateUserOutcome::UsernameTaken
                }
                Applied::Taken | Applied::Unmet(_) | Applied::Done(_) => {
                    CreateUserOutcome::EmailTaken
                }
            };
            return Ok(Some(SignUpOutcome::Rejected(rejected)));
        }
        Ok(None)
    }
}
