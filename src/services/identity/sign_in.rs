//! Finds or creates the user of a provider's profile.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Known, Snapshot, lookup};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MessageKind, Occasion},
    model::{ClientInfo, Email, User, UserId},
    provider::{ProviderProfile, RegisteredProvider},
    services::{ChangeNotices, Claim, Core, new_user_id},
    store::{
        AccountWrites, Applied, CreateUserOutcome, Creation, Credential, CredentialKind,
        CredentialUpdate, StoreError, UserOrigin,
    },
};

const LONGEST_NAME: usize = 200;
const LONGEST_URL: usize = 2048;

impl Core {
    /// Returns the user who has an identity, or a new one. A linked identity needs neither an email
    /// address nor a verified one. A verified email address that is not supported here (a local
    /// part beyond ASCII) counts as none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccountDisabled`], also for an identity that its provider barred;
    /// [`ErrorKind::EmailNotVerified`] and
    /// [`ErrorKind::AccountExists`] for an identity that is not linked;
    /// [`ErrorKind::SignUpDisabled`].
    pub(crate) async fn know(
        &self,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
        client: &ClientInfo,
    ) -> Result<Known, AuthError> {
        self.require_not_barred(&lookup(provider, profile)).await?;
        if let Some(known) = self.known(provider, profile).await? {
            return Ok(known);
        }
        if let Some(kind) = profile.newcomer {
            return Err(kind.into());
        }
        let email = match &profile.email {
            None => None,
            Some(_) if !profile.email_verified => return Err(ErrorKind::EmailNotVerified.into()),
            Some(text) => Email::parse(text).ok(),
        };
        if let Some(email) = &email
            && let Some(user) = self.users.find_user_by_email(email).await?
        {
            // A concurrent sign-in of the same person may have linked the identity just now.
            return match self.known(provider, profile).await? {
                Some(known) => Ok(known),
                None => self.matched(provider, profile, user, client).await,
            };
        }
        self.new_by(provider, profile, email, client).await
    }

    /// Returns the user of a linked identity, and stores the current profile from the provider.
    async fn known(
        &self,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
    ) -> Result<Option<Known>, AuthError> {
        let kind = CredentialKind::Identity;
        let found = self.credentials.find_credential(kind, &lookup(provider, profile)).await?;
        let Some(mut identity) = found else { return Ok(None) };
        // The store may find the user again in a moment, so a failed read deletes nothing.
        let user = self.owner_of(&identity).await?.ok_or(ErrorKind::AccountDisabled)?;
        if !user.is_active() {
            return Err(ErrorKind::AccountDisabled.into());
        }
        let using = CredentialUpdate {
            credential: identity.id.clone(),
            expected: identity.data.clone(),
            data: snapshot(provider, profile)?,
            at: whole_millis(self.clock.now()),
        };
        if self.credentials.use_credential(&using).await? {
            identity.data = using.data;
        }
        Ok(Some(Known { user, identity }))
    }

    /// Returns the user of an identity. In a store of the application, a new user is created
    /// shortly after the identity.
    async fn owner_of(&self, identity: &Credential) -> Result<Option<User>, AuthError> {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
        let mut pauses = if self.users.is_transactional() { 0 } else { 5 };
        loop {
            let user = self.users.find_user(&identity.user_id).await?;
            if user.is_some() || pauses == 0 {
                return Ok(user);
            }
            pauses -= 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Links an identity whose email address belongs to an account, if the rules allow it. The
    /// claim of the provider alone is never sufficient.
    async fn matched(
        &self,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
        user: User,
        client: &ClientInfo,
    ) -> Result<Known, AuthError> {
        if !provider.rules().match_email {
            return Err(ErrorKind::AccountExists.into());
        }
        if !user.is_active() {
            return Err(ErrorKind::AccountDisabled.into());
        }
        let identity = self.identity(&user.id, provider, profile)?;
        let claimed = AtomicBool::new(false);
        let notice = self.link_notice(&user, provider, client);
        let mails = notice.rows();
        let link = |own: &User, claim: Claim| {
            if !own.is_active() || own.email != user.email {
                return None;
            }
            let unproved = own.email_verified_at.is_none();
            claimed.store(unproved, Ordering::Relaxed);
            let mut writes = match unproved {
                true => claim.of(own, Vec::new()),
                false => AccountWrites::new(own.clone()),
            };
            writes.add = Some(identity.clone());
            writes.mails.clone_from(&mails);
            Some(writes)
        };
        match self.apply_claiming(&user.id, &link).await? {
            Applied::Done(user) => {
                if claimed.into_inner() {
                    self.record_claim(&user.id);
                }
                self.linked(&user, notice);
                Ok(Known { user: *user, identity })
            }
            Applied::Unmet(_) => self.known(provider, profile).await?.ok_or_else(moved),
            _ => Err(ErrorKind::AccountExists.into()),
        }
    }

    async fn new_by(
        &self,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
        email: Option<Email>,
        client: &ClientInfo,
    ) -> Result<Known, AuthError> {
        if !provider.rules().sign_up {
            return Err(ErrorKind::SignUpDisabled.into());
        }
        let now = whole_millis(self.clock.now());
        let mut user = User {
            email_verified_at: email.is_some().then_some(now),
            email,
            display_name: [&profile.display_name, &profile.given_name]
                .into_iter()
                .find_map(|name| name.as_deref().and_then(line)),
            avatar_url: profile.avatar_url.clone().filter(|url| is_picture(url)),
            ..User::new(new_user_id(now)?, now)
        };
        if let Some(locale) = profile.locale.as_deref().and_then(line) {
            user.user_metadata.insert("locale".to_owned(), json!(locale));
        }
        let (user, kept) = self.may_sign_up(user, client, None).await?;
        let mut identity = self.identity(&user.id, provider, profile)?;
        let creation = Creation::new(UserOrigin::SignUp, kept);
        match self.users.create_user(&user, Some(&identity), creation).await? {
            CreateUserOutcome::Created(user) => {
                self.record_signed_up(&user.id, client, true);
                identity.user_id = user.id.clone();
                Ok(Known { user: *user, identity })
            }
            CreateUserOutcome::Refused => Err(ErrorKind::SignUpDisabled.into()),
            // A concurrent sign-in created the identity first.
            CreateUserOutcome::CredentialTaken => {
                self.known(provider, profile).await?.ok_or_else(moved)
            }
            CreateUserOutcome::EmailTaken => {
                let known = self.known(provider, profile).await?;
                known.ok_or_else(|| ErrorKind::AccountExists.into())
            }
            // A hook set the username.
            CreateUserOutcome::UsernameTaken => {
                let known = self.known(provider, profile).await?;
                known.ok_or_else(|| ErrorKind::UsernameTaken.into())
            }
        }
    }

    pub(super) fn identity(
        &self,
        user: &UserId,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
    ) -> Result<Credential, AuthError> {
        let now = whole_millis(self.clock.now());
        Ok(Credential {
            id: new_user_id(now)?.as_str().to_owned(),
            user_id: user.clone(),
            kind: CredentialKind::Identity,
            lookup: lookup(provider, profile),
            data: snapshot(provider, profile)?,
            created_at: now,
            updated_at: now,
            last_used_at: Some(now),
        })
    }

    /// Records that an identity was linked, and notifies the user.
    pub(super) fn linked(&self, user: &User, notice: ChangeNotices<'_>) {
        self.events.record(self.event(EventKind::IdentityLinked).user(&user.id));
        notice.send();
    }

    /// Creates the message about an identity that is linked.
    pub(super) fn link_notice(
        &self,
        user: &User,
        provider: &RegisteredProvider,
        client: &ClientInfo,
    ) -> ChangeNotices<'_> {
        let about = Occasion::of(client).what(provider.id());
        self.notice(user, MessageKind::IdentityLinked, about)
    }
}

fn snapshot(provider: &RegisteredProvider, profile: &ProviderProfile) -> Result<Value, AuthError> {
    let value = serde_json::to_value(Snapshot::new(provider, profile));
    value.map_err(|cause| AuthError::new(ErrorKind::ProviderError).with_source(cause))
}

/// Returns the error for an identity that was created and deleted concurrently.
fn moved() -> AuthError {
    StoreError::new("an identity was created and deleted concurrently").into()
}

fn line(text: &str) -> Option<String> {
    let line: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!line.trim().is_empty()).then_some(line)
}

fn is_picture(url: &str) -> bool {
    url.starts_with("https://")
        && url.len() <= LONGEST_URL
        && url.bytes().all(|b| b.is_ascii_graphic())
}
