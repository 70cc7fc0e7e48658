//! Linking, listing and unlinking of identities.

use jiff::Timestamp;

use super::{Snapshot, lookup};
use crate::{
    error::{AuthError, ErrorKind, after_commit},
    event::EventKind,
    mail::{MailObject, MessageKind, Occasion},
    model::{ClientInfo, Session, User, UserId},
    provider::{ProviderProfile, RegisteredProvider},
    services::{Addition, Core, Removal},
    session::IssuedTokens,
    store::{Credential, CredentialKind, EndSessions, SessionTag},
};

/// The sign-in methods of a user.
#[derive(Debug)]
pub(crate) struct Identities {
    pub(crate) linked: Vec<(Credential, Snapshot)>,
    pub(crate) has_password: bool,
    pub(crate) passkeys: usize,
}

impl Core {
    /// Links an identity to the user of a session that still exists, and gives the session new
    /// tokens, both or neither (SE-04). Linking does not count as authentication.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::IdentityTaken`] if it belongs to another user, and it is not moved;
    /// [`ErrorKind::AccountDisabled`] if its provider barred it since the link was begun; a bar of
    /// before is lifted. [`ErrorKind::InvalidToken`] if the session has ended.
    pub(crate) async fn link(
        &self,
        user: &User,
        session: &Session,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
        client: &ClientInfo,
        begun_at: Timestamp,
    ) -> Result<(User, IssuedTokens), AuthError> {
        let own = lookup(provider, profile);
        let bar = self.bar_to_lift(&own, begun_at).await?;
        let linked = self.link_or_renew(user, session, provider, profile, client).await?;
        if let Some(bar) = bar {
            after_commit("an identity that was linked again stays barred", self.lift(&own, &bar))
                .await;
        }
        Ok(linked)
    }

    async fn link_or_renew(
        &self,
        user: &User,
        session: &Session,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
        client: &ClientInfo,
    ) -> Result<(User, IssuedTokens), AuthError> {
        let identity = self.identity(&user.id, provider, profile)?;
        let notice = self.link_notice(user, provider, client);
        let addition = Addition { mails: notice.rows(), ..Addition::default() };
        let added = self.add_credential(session, &identity, addition).await?;
        if let Ok(linked) = added.added() {
            self.linked(user, notice);
            return Ok(linked);
        }
        if self.identity_of(user, provider, profile).await?.is_none() {
            return Err(ErrorKind::IdentityTaken.into());
        }
        let issued = self.renew_session(user, session).await?;
        Ok((user.clone(), issued))
    }

    /// Returns the ids of the credentials that are sign-in methods: a password, a passkey, or an
    /// identity of a registered provider that allows sign-in and did not bar it.
    pub(crate) async fn sign_in_credentials(
        &self,
        user: &UserId,
    ) -> Result<Vec<String>, AuthError> {
        let all = self.credentials.list_credentials(user).await?;
        let mut ids = Vec::new();
        for own in all.iter().filter(|own| self.is_sign_in_method(own)) {
            if !self.is_barred(own).await? {
                ids.push(own.id.clone());
            }
        }
        Ok(ids)
    }

    fn is_sign_in_method(&self, own: &Credential) -> bool {
        match own.kind {
            // What only a newer version knows signs the user in there.
            CredentialKind::Password | CredentialKind::Other => true,
            CredentialKind::Passkey => own.is_passkey(),
            CredentialKind::Totp | CredentialKind::RecoveryCodes | CredentialKind::TwoStep => false,
            CredentialKind::Custom(name) => self.kind_signs_in(name),
            CredentialKind::Identity => {
                let provider = own.data.get("provider").and_then(|id| id.as_str());
                let provider = provider.and_then(|id| self.providers.find(id));
                provider.is_some_and(|provider| provider.rules().sign_in)
            }
        }
    }

    /// Returns the identity of a profile if it is linked to this user.
    pub(crate) async fn identity_of(
        &self,
        user: &User,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
    ) -> Result<Option<Credential>, AuthError> {
        let kind = CredentialKind::Identity;
        let found = self.credentials.find_credential(kind, &lookup(provider, profile)).await?;
        Ok(found.filter(|own| own.user_id == user.id))
    }

    /// Returns the sign-in methods of a user.
    pub(crate) async fn identities(&self, user: &User) -> Result<Identities, AuthError> {
        let all = self.credentials.list_credentials(&user.id).await?;
        let has_password = self.has_password(user, &all).await?;
        let passkeys = all.iter().filter(|own| own.is_passkey()).count();
        let linked = all.into_iter().filter(|own| own.kind == CredentialKind::Identity);
        let linked = linked.filter_map(|own| {
            let snapshot = serde_json::from_value(own.data.clone()).ok()?;
            Some((own, snapshot))
        });
        Ok(Identities { linked: linked.collect(), has_password, passkeys })
    }

    /// Unlinks an identity of a user, and ends the other sessions that were created with it, both
    /// or neither. If the stored identity cannot be read, all other sessions are ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::LastCredential`]; [`ErrorKind::InvalidToken`] if the
    /// session has ended.
    pub(crate) async fn unlink(
        &self,
        user: &User,
        id: &str,
        current: &Session,
        client: &ClientInfo,
    ) -> Result<(), AuthError> {
        let all = self.credentials.list_credentials(&user.id).await?;
        let mut all = all.into_iter().filter(|own| own.kind == CredentialKind::Identity);
        let identity = all.find(|own| own.id == id).ok_or(ErrorKind::NotFound)?;
        let snapshot = serde_json::from_value::<Snapshot>(identity.data.clone());
        let (end, what) = match snapshot {
            Ok(Snapshot { provider, issuer, subject, .. }) => {
                let what = MailObject::ProviderSignIn(provider.clone());
                let registered = self.providers.find(&provider);
                let issuer = registered
                    .and_then(|own| own.other_issuer(Some(&issuer)).map(ToOwned::to_owned));
                let tag = SessionTag::of_subject(&provider, issuer.as_deref(), &subject);
                (EndSessions::Tagged { tag, except: current.id }, what)
            }
            Err(cause) => {
                tracing::warn!(
                    credential = identity.id, %cause,
                    "an identity that cannot be read was unlinked; all other sessions are ended"
                );
                (EndSessions::Others(current.id), MailObject::AnyProviderSignIn)
            }
        };
        let about = Occasion::of(client).what(what);
        let notice = self.notice(user, MessageKind::FactorRemoved, about);
        let removal = Removal { end, mails: notice.rows(), ..Removal::default() };
        self.remove_credential(current, &identity, removal).await?;
        self.events.record(self.event(EventKind::IdentityUnlinked).user(&user.id));
        notice.send();
        Ok(())
    }
}
