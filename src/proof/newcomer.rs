//! Somebody new, who may have been here without a name.

use crate::{
    auth::Core,
    error::AuthError,
    model::{SessionId, User, UserId},
    store::{Creation, Credential, Edited},
};

impl Core {
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
            let edit = |own: &mut User| {
                own.email.clone_from(&user.email);
                own.email_verified_at = user.email_verified_at;
                own.updated_at = user.updated_at;
                if with_profile {
                    own.display_name.clone_from(&user.display_name);
                    let said = user.user_metadata.iter();
                    own.user_metadata.extend(said.map(|(name, own)| (name.clone(), own.clone())));
                }
                std::mem::replace(&mut own.is_anonymous, false)
            };
            match self.users.edit_user(anonymous, &edit, Some(credential)).await? {
                Edited::Done(user) => return Ok(Creation::Created(user)),
                Edited::Taken => return Ok(Creation::EmailTaken),
                Edited::NotKept(_) if with_profile => {}
                Edited::NotKept(_) => return Ok(Creation::Refused),
                // Somebody already, or gone: then this is somebody else.
                Edited::Refused | Edited::Unknown => break,
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
