//! Identities of a user: added, listed, removed.

use super::{Profile, Provider, Snapshot, lookup};
use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::MessageKind,
    model::{SessionId, User, UserId},
    store::{Credential, CredentialKind, Removal},
};

/// By what a user can sign in.
#[derive(Debug)]
pub(crate) struct Identities {
    pub(crate) linked: Vec<(Credential, Snapshot)>,
    pub(crate) has_password: bool,
    pub(crate) passkeys: usize,
}

impl Core {
    /// Links an identity to a user; one that is linked already stays as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::IdentityTaken`] when it is another user's, and nothing is moved.
    pub(crate) async fn link(
        &self,
        user: &User,
        provider: &dyn Provider,
        profile: &Profile,
    ) -> Result<(), AuthError> {
        let identity = self.identity(&user.id, provider, profile)?;
        if self.credentials.insert_credential(&identity).await? {
            self.linked(user);
            return Ok(());
        }
        let kind = CredentialKind::Identity;
        let found = self.credentials.find_credential(kind, &lookup(provider, profile)).await?;
        match found {
            Some(own) if own.user_id == user.id => Ok(()),
            _ => Err(ErrorKind::IdentityTaken.into()),
        }
    }

    /// Whether the identity of a profile is linked to this user.
    pub(crate) async fn is_identity_of(
        &self,
        user: &User,
        provider: &dyn Provider,
        profile: &Profile,
    ) -> Result<bool, AuthError> {
        let kind = CredentialKind::Identity;
        let found = self.credentials.find_credential(kind, &lookup(provider, profile)).await?;
        Ok(found.is_some_and(|own| own.user_id == user.id))
    }

    /// By what a user can sign in.
    pub(crate) async fn identities(&self, user: &UserId) -> Result<Identities, AuthError> {
        let all = self.credentials.list_credentials(user).await?;
        let count = |kind| all.iter().filter(|own| own.kind == kind).count();
        let (passwords, passkeys) =
            (count(CredentialKind::Password), count(CredentialKind::Passkey));
        let linked = all.into_iter().filter(|own| own.kind == CredentialKind::Identity);
        let linked = linked.filter_map(|own| {
            let snapshot = serde_json::from_value(own.data.clone()).ok()?;
            Some((own, snapshot))
        });
        Ok(Identities { linked: linked.collect(), has_password: passwords > 0, passkeys })
    }

    /// Takes an identity off a user, and ends the other sessions that came from it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::LastCredential`].
    pub(crate) async fn unlink(
        &self,
        user: &User,
        id: &str,
        current: SessionId,
    ) -> Result<(), AuthError> {
        let own = self.identities(&user.id).await?.linked.into_iter().find(|own| own.0.id == id);
        let kind = CredentialKind::Identity;
        match self.credentials.remove_credential(&user.id, kind, id).await? {
            Removal::Removed => {
                self.events.record(self.event(EventKind::IdentityUnlinked).user(&user.id));
                self.notify(user, MessageKind::FactorRemoved);
                let Some((_, gone)) = own else { return Ok(()) };
                for session in self.sessions.list(&user.id).await? {
                    let from = session.upstream.as_ref().filter(|_| session.id != current);
                    if from.is_some_and(|from| {
                        from.provider == gone.provider && from.subject == gone.subject
                    }) {
                        self.sessions.revoke(session.id).await?;
                    }
                }
                Ok(())
            }
            Removal::Last => Err(ErrorKind::LastCredential.into()),
            Removal::Unknown => Err(ErrorKind::NotFound.into()),
        }
    }
}
