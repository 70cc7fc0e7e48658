//! Administration of the credentials of users.

use std::sync::Arc;

use super::{
    Core, NewPasswords, PasswordOf, Removal, account::password_credential, device::password_account,
};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{CredentialTag, User, UserId},
    session::{AuthUser, Sessions},
    store::{AccountWrites, Applied, ChallengeKind, EndSessions, Remove, Unmet},
    users::{NewUser, UserFactor, Users},
};

impl Sessions {
    /// Returns a service that records revocations as acts of an administrator; see
    /// [`by`](Self::by).
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, AuthUser, UserId};
    /// async fn sign_out(auth: Auth, admin: AuthUser, user: UserId) -> Result<u64, AuthError> {
    ///     auth.sessions().acting_as(&admin).revoke_all(&user, None).await
    /// }
    /// ```
    #[must_use]
    pub fn acting_as(&self, administrator: &AuthUser) -> Self {
        self.by(&administrator.id)
    }
}

impl Users {
    /// Returns a service that records its changes as acts of an administrator; see [`by`](Self::by).
    /// With the flow [`Admin`](crate::Admin), no act leaves the application without an administrator.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, AuthUser, User, UserId};
    /// async fn block(auth: Auth, admin: AuthUser, user: UserId) -> Result<User, AuthError> {
    ///     auth.users().acting_as(&admin).disable(&user).await
    /// }
    /// ```
    #[must_use]
    pub fn acting_as(&self, administrator: &AuthUser) -> Self {
        self.by(&administrator.id)
    }

    /// Returns the configuration that the credentials of users depend on.
    pub(super) fn configured(&self) -> Result<Arc<Core>, AuthError> {
        let core = self.core::<Core>().filter(|core| core.is_complete());
        core.ok_or_else(|| {
            AuthError::new(ErrorKind::Unavailable).with_source("the configuration is not in use")
        })
    }

    /// Creates a user with a password, and returns the user as stored.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, Email, NewUser};
    /// async fn seed(auth: &Auth, email: Email, password: &str) -> Result<(), AuthError> {
    ///     let new = NewUser::with_email(email).role("admin");
    ///     auth.users().create_with_password(new, password).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`ErrorKind::WeakPassword`] if the password does not comply with
    /// the policy; [`ErrorKind::Unsupported`] without the flow [`Password`](crate::Password).
    pub async fn create_with_password(
        &self,
        user: impl Into<NewUser>,
        password: &str,
    ) -> Result<User, AuthError> {
        let core = self.configured()?;
        let now = whole_millis(core.clock.now());
        let user = user.into().into_user(now)?;
        let turn = core.limits.turn(None, user.id.as_str());
        let hash = core.settable_passwords()?.hash_new(&turn, password, PasswordOf::New(&user));
        let credential = password_credential(&user.id, &hash.await?, now)?;
        self.create_with(user, Some(&credential)).await
    }

    /// Sets the password of a user, and notifies the user. All sessions, links and remembered devices
    /// of the user are deleted.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, UserId};
    /// async fn repair(auth: &Auth, user: &UserId, password: &str) -> Result<(), AuthError> {
    ///     auth.users().set_password(user, password).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist; [`ErrorKind::WeakPassword`];
    /// [`ErrorKind::Unsupported`] without the flow [`Password`](crate::Password), and if a
    /// [`UserDirectory`](crate::UserDirectory) has the passwords; [`ErrorKind::Unavailable`].
    pub async fn set_password(&self, id: &UserId, password: &str) -> Result<(), AuthError> {
        let core = self.configured()?;
        let user = self.find(id).await?.ok_or(ErrorKind::NotFound)?;
        let turn = core.limits.turn(None, id.as_str());
        let hash =
            core.settable_passwords()?.hash_new(&turn, password, PasswordOf::Existing(&user));
        let credential = password_credential(id, &hash.await?, whole_millis(core.clock.now()))?;
        let notice = core.notice(&user, MessageKind::PasswordChanged, Occasion::default());
        let mails = notice.rows();
        let write = |own: &User| {
            Some(AccountWrites {
                password: Some(credential.clone()),
                end: EndSessions::All,
                end_challenges: true,
                mails: mails.clone(),
                ..AccountWrites::new(own.clone())
            })
        };
        let user = match core.users.apply(id, &write).await? {
            Applied::Done(user) => user,
            Applied::Unknown => return Err(ErrorKind::NotFound.into()),
            _ => return Err(ErrorKind::Unavailable.into()),
        };
        self.record(core.event(EventKind::PasswordChanged), id);
        notice.send();
        core.limits.forget_password(password_account(&user)).await;
        Ok(())
    }

    /// Returns the passkeys, security keys and authenticator apps of a user, oldest first.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, UserId};
    /// async fn reset_two_step(auth: &Auth, user: &UserId) -> Result<(), AuthError> {
    ///     for factor in auth.users().factors(user).await? {
    ///         auth.users().remove_factor(user, &factor.id).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist; [`ErrorKind::Unavailable`].
    pub async fn factors(&self, id: &UserId) -> Result<Vec<UserFactor>, AuthError> {
        let core = self.configured()?;
        self.find(id).await?.ok_or(ErrorKind::NotFound)?;
        let all = core.credentials.list_credentials(id).await?;
        let mut factors: Vec<_> = all.iter().filter_map(UserFactor::of).collect();
        factors.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(factors)
    }

    /// Removes a factor of a user, also the last one, and notifies the user. The sessions on which it
    /// was verified end, and remembered devices are forgotten. With the last second factor, recovery
    /// codes are deleted and two-step verification ends.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist or has no such factor;
    /// [`ErrorKind::Unavailable`].
    pub async fn remove_factor(&self, id: &UserId, factor: &str) -> Result<(), AuthError> {
        let core = self.configured()?;
        let user = self.find(id).await?.ok_or(ErrorKind::NotFound)?;
        let all = core.credentials.list_credentials(id).await?;
        let found = all.iter().find(|own| own.id == factor);
        let found = found.and_then(|own| Some((own, UserFactor::of(own)?)));
        let (credential, own) = found.ok_or(ErrorKind::NotFound)?;
        let Removal { dependents, .. } =
            core.factor_removal(&user, None, credential, own.kind).await?;
        let about = Occasion::default().what(own.described());
        let notice = core.notice(&user, MessageKind::FactorRemoved, about);
        let mails = notice.rows();
        let write = |user: &User| {
            Some(AccountWrites {
                remove: Remove::One {
                    kind: credential.kind,
                    id: credential.id.clone(),
                    sign_in: Vec::new(),
                },
                dependents: dependents.clone(),
                end: EndSessions::OfCredential {
                    factor: own.kind.as_str(),
                    tag: CredentialTag::of(&credential.id).to_text(),
                    except: None,
                },
                end_challenges_of: Some(ChallengeKind::TrustedDevice),
                mails: mails.clone(),
                ..AccountWrites::new(user.clone())
            })
        };
        match core.users.apply(id, &write).await? {
            Applied::Done(_) => {}
            Applied::Unmet(Unmet::Removal) | Applied::Unknown => {
                return Err(ErrorKind::NotFound.into());
            }
            _ => return Err(ErrorKind::Unavailable.into()),
        }
        let event = core.event(EventKind::FactorRemovedByAdministrator);
        self.record(event.with("factor", own.kind.as_str()), id);
        notice.send();
        Ok(())
    }
}

impl Core {
    fn settable_passwords(&self) -> Result<&Arc<dyn NewPasswords>, AuthError> {
        self.offered().ok_or_else(|| AuthError::unsupported("set_password"))
    }
}
