//! Somebody new, who may have been here without a name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Outcome,
    account::{new_user_id, password_credential},
    claim::Claim,
    sign_in::read,
};
use crate::{
    auth::Core,
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    model::{Client, Email, Factor, Proof, SessionId, Transport, User, UserId},
    session::{Beginning, Issued},
    store::{AccountWrites, Applied, Challenge, Creation, Credential, Unmet},
};

/// A sign-up that waits for the proof of its address. No user exists before.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignUpData {
    pub(crate) hash: String,
    pub(crate) display_name: Option<String>,
    pub(crate) user_metadata: Map<String, Value>,
    pub(crate) transport: Transport,
    /// The anonymous user whose session asked.
    #[serde(default)]
    pub(crate) anonymous: Option<UserId>,
}

impl Core {
    /// Makes the user of a sign-up whose address was proved, or hands over an account that was
    /// made without proof, with nothing of what was there.
    pub(crate) async fn complete_sign_up(
        &self,
        challenge: &Challenge,
        client: Client,
    ) -> Result<Outcome, AuthError> {
        let email = challenge.address.clone().ok_or(ErrorKind::ChallengeExpired)?;
        let data: SignUpData = read(&challenge.data, "sign_up")?;
        let now = whole_millis(self.clock.now());
        let user = User {
            email: Some(email.clone()),
            email_verified_at: Some(now),
            display_name: data.display_name,
            user_metadata: data.user_metadata,
            ..User::new(new_user_id(now)?, now)
        };
        let password = password_credential(&user.id, &data.hash, now)?;
        let anonymous = data.anonymous.as_ref();
        if !self.passwords()?.allows_sign_up() {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        self.may_sign_in(&user, Factor::Password, &client).await?;
        let factors = [Factor::Password, Factor::EmailCode];
        let factors = factors.map(|method| Proof::new(method, now)).to_vec();
        let beginning = Beginning::new(factors, data.transport, client);
        let creation = self.take_in(&user, &password, anonymous).await?;
        let (user, issued) = match creation {
            Creation::Created(made) => {
                self.events.record(self.event(EventKind::SignedUp).user(&made.id));
                let issued = self.sessions.begin_with(&made, beginning).await?;
                (*made, issued)
            }
            Creation::Refused => return Err(ErrorKind::SignUpDisabled.into()),
            _ => self.take_over(&email, &user, &data.hash, beginning).await?,
        };
        self.end_anonymous(anonymous, issued.session.id).await?;
        self.note_device(&user, &issued.session, false);
        Ok(Outcome::complete(user, issued))
    }

    /// Hands an account that was created without proof of its address to the person who has
    /// verified it, with the password and the profile of their own sign-up.
    async fn take_over(
        &self,
        email: &Email,
        wanted: &User,
        hash: &str,
        beginning: Beginning,
    ) -> Result<(User, Issued), AuthError> {
        let taken = || AuthError::from(ErrorKind::EmailTaken);
        let former = self.users.find_user_by_email(email).await?.ok_or_else(taken)?;
        let password = password_credential(&former.id, hash, whole_millis(self.clock.now()))?;
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
            writes.password = Some(password.clone());
            Some(writes)
        };
        let begun = self.begin_claiming(&former.id, beginning, &claim).await?;
        let begun = begun.map_err(|_| taken())?;
        self.record_claim(&former.id);
        Ok(begun)
    }

    /// Makes a user with a credential; where the sign-up came from the session of an anonymous
    /// one, that one becomes the user and keeps the id. What the application has no place for
    /// of what they say about themselves is not kept.
    pub(crate) async fn take_in(
        &self,
        user: &User,
        credential: &Credential,
        anonymous: Option<&UserId>,
    ) -> Result<Creation, AuthError> {
        let Some(anonymous) = anonymous else {
            return Ok(self.users.create_user(user, Some(credential)).await?);
        };
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
                    after.user_metadata.extend(user.user_metadata.clone());
                }
                let add = Some(credential.clone());
                Some(AccountWrites { add, ..AccountWrites::new(after) })
            };
            match self.users.apply(anonymous, &convert).await? {
                Applied::Done(user) | Applied::SessionEnded(user) => {
                    return Ok(Creation::Created(user));
                }
                Applied::Unmet(Unmet::Taken) => return Ok(Creation::CredentialTaken),
                Applied::Taken | Applied::Unmet(_) => return Ok(Creation::EmailTaken),
                Applied::Unsupported(_) if with_profile => {}
                Applied::Unsupported(_) => return Ok(Creation::Refused),
                // A passkey has the handle of the id that was anonymous; no other user can have it.
                Applied::Declined | Applied::Unknown if user.id == *anonymous => {
                    return Err(AuthError::new(ErrorKind::UnusablePasskey).with_detail(
                        "The account has changed since the sign-up began; start again",
                    ));
                }
                // The user has signed up already, or is gone: then this is another user.
                Applied::Declined | Applied::Unknown => break,
            }
        }
        Ok(self.users.create_user(user, Some(credential)).await?)
    }

    /// Ends what an anonymous user had before becoming somebody (SE-04).
    pub(crate) async fn end_anonymous(
        &self,
        anonymous: Option<&UserId>,
        new: SessionId,
    ) -> Result<(), AuthError> {
        if let Some(anonymous) = anonymous {
            self.sessions.revoke_all(anonymous, Some(new)).await?;
        }
        Ok(())
    }
}
