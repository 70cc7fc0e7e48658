//! Identities of a user: added, listed, removed.

use super::{Profile, Provider, Snapshot, lookup};
use crate::{
    auth::Core,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{Client, Session, User, UserId},
    session::Issued,
    store::{AccountWrites, Applied, Credential, CredentialKind, Remove, Requirement, Unmet},
};

/// By what a user can sign in.
#[derive(Debug)]
pub(crate) struct Identities {
    pub(crate) linked: Vec<(Credential, Snapshot)>,
    pub(crate) has_password: bool,
    pub(crate) passkeys: usize,
}

impl Core {
    /// Links an identity to the user of a session that still exists, and gives the session new
    /// tokens, both or neither (SE-04). Linking verifies nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::IdentityTaken`] if it is another user's, and nothing is moved;
    /// [`ErrorKind::InvalidToken`] if the session has ended.
    pub(crate) async fn link(
        &self,
        user: &User,
        session: &Session,
        provider: &dyn Provider,
        profile: &Profile,
        client: &Client,
    ) -> Result<(User, Issued), AuthError> {
        let identity = self.identity(&user.id, provider, profile)?;
        if let Ok(linked) = self.add_credential(session, &identity, None, None).await? {
            self.linked(user, Occasion::of(client).what(provider.id()));
            return Ok(linked);
        }
        let kind = CredentialKind::Identity;
        let found = self.credentials.find_credential(kind, &lookup(provider, profile)).await?;
        if found.is_none_or(|own| own.user_id != user.id) {
            return Err(ErrorKind::IdentityTaken.into());
        }
        let issued = self.renew_session(user, session).await?;
        Ok((user.clone(), issued))
    }

    /// The ids of the credentials by which a user can sign in: a password, a passkey, or an
    /// identity of a registered provider that is not there for linking alone.
    pub(crate) async fn sign_in_credentials(
        &self,
        user: &UserId,
    ) -> Result<Vec<String>, AuthError> {
        let all = self.credentials.list_credentials(user).await?.into_iter();
        let can = all.filter(|own| match own.kind {
            // What only a newer version knows signs the user in there.
            CredentialKind::Password | CredentialKind::Passkey | CredentialKind::Other => true,
            CredentialKind::Identity => {
                let provider = own.data.get("provider").and_then(|id| id.as_str());
                let provider = provider.and_then(|id| self.providers.find(id));
                provider.is_some_and(|provider| provider.rules().sign_in)
            }
        });
        Ok(can.map(|own| own.id).collect())
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
        current: &Session,
        client: &Client,
    ) -> Result<(), AuthError> {
        if id.contains('\0') {
            // PostgreSQL cannot store a NUL character in text.
            return Err(ErrorKind::NotFound.into());
        }
        let own = self.identities(&user.id).await?.linked.into_iter().find(|own| own.0.id == id);
        let sign_in = self.sign_in_credentials(&user.id).await?;
        let remove = |own: &User| {
            let (kind, id) = (CredentialKind::Identity, id.to_owned());
            Some(AccountWrites {
                requires: vec![Requirement::session(current)],
                remove: Remove::One { kind, id, sign_in: sign_in.clone() },
                ..AccountWrites::new(own.clone())
            })
        };
        match self.users.apply(&user.id, &remove).await? {
            Applied::Done(_) => {}
            Applied::Unmet(Unmet::Removal) if own.is_some() => {
                return Err(ErrorKind::LastCredential.into());
            }
            Applied::Unmet(Unmet::Removal) => return Err(ErrorKind::NotFound.into()),
            _ => return Err(ErrorKind::InvalidToken.into()),
        }
        self.events.record(self.event(EventKind::IdentityUnlinked).user(&user.id));
        let Some((_, gone)) = own else { return Ok(()) };
        let about = Occasion::of(client).what(format!("sign-in by {}", gone.provider));
        self.notify(user, MessageKind::FactorRemoved, about);
        let mut page = self.sessions.list(&user.id).await?;
        while let Some(last) = page.last() {
            let next = self.sessions.list_after(last).await?;
            for session in page {
                let from = session.upstream.as_ref().filter(|_| session.id != current.id);
                if from.is_some_and(|from| {
                    from.provider == gone.provider && from.subject == gone.subject
                }) {
                    self.sessions.revoke(session.id).await?;
                }
            }
            page = next;
        }
        Ok(())
    }
}
