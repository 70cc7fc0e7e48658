//! Administration, without HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::members::{ListFilter, NewCredential, NewMembers, UserChanges};
use crate::{
    clock::whole_millis,
    error::{AuthError, ErrorKind},
    event::EventKind,
    mail::{MailContent, MessageKind, Occasion},
    model::{Email, Rule, Session, SessionId, User, UserId},
    services::{Core, new_user_id},
    session::AuthUser,
    store::{AccountWrites, Applied, EndSessions, EndedSessions},
    users::{UserFactor, Users},
};

/// Administers users on behalf of an administrator, for the routes of the flow. Without HTTP, use
/// [`Auth::users`](crate::Auth::users) and [`Users::acting_as`](crate::Users::acting_as).
///
/// ```
/// use authlayer::{Admin, Auth, AuthError, AuthUser};
///
/// async fn is_administrator(auth: &Auth, user: &AuthUser) -> Result<bool, AuthError> {
///     let admin = auth.service::<Admin>().expect("the flow is registered");
///     Ok(auth.authorize(user, admin.rule()).await.is_ok())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AdminService {
    pub(super) core: Arc<Core>,
    rule: Arc<Rule>,
    pub(super) notifies_impersonated: bool,
}

impl AdminService {
    pub(super) fn new(core: Arc<Core>, rule: Rule, notifies_impersonated: bool) -> Self {
        Self { core, rule: Arc::new(rule), notifies_impersonated }
    }

    /// Returns the rule of administrators.
    ///
    /// ```
    /// # use authlayer::flow::admin::AdminService;
    /// fn print(admin: &AdminService) {
    ///     println!("administrators: {}", admin.rule());
    /// }
    /// ```
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(super) fn users(&self, admin: &AuthUser) -> Users {
        self.core.directory.acting_as(admin)
    }

    pub(super) async fn list(
        &self,
        filter: ListFilter,
    ) -> Result<(Vec<Value>, Option<String>), AuthError> {
        let page = self.core.directory.list(&filter.into_query()).await?;
        Ok((self.core.admin_views(page.users).await?, page.next_cursor))
    }

    pub(super) async fn find(&self, id: &UserId) -> Result<Value, AuthError> {
        self.view(self.user(id).await?).await
    }

    pub(super) async fn create(
        &self,
        admin: &AuthUser,
        new: NewMembers,
    ) -> Result<Value, AuthError> {
        let NewMembers { email, credential, display_name, roles, scopes, email_verified } = new;
        let given = [
            ("display_name", display_name.is_some()),
            ("roles", !roles.is_empty()),
            ("scopes", !scopes.is_empty()),
        ];
        let is_lost = |(name, is_given): &(&str, bool)| *is_given && !self.core.users.stores(name);
        let lost: Vec<_> = given.iter().filter(|member| is_lost(member)).map(|own| own.0).collect();
        if !lost.is_empty() {
            return Err(AuthError::new(ErrorKind::InvalidMembers).with_extension("members", lost));
        }
        let email = Email::parse(&email).map_err(|_| ErrorKind::InvalidEmail)?;
        let now = whole_millis(self.core.clock.now());
        let user = User {
            email: Some(email),
            email_verified_at: email_verified.then_some(now),
            display_name,
            roles,
            scopes,
            ..User::new(new_user_id(now)?, now)
        };
        let users = self.users(admin);
        let made = match credential {
            NewCredential::None => users.create(user).await?,
            NewCredential::Password(password) => {
                users.create_with_password(user, &password).await?
            }
            NewCredential::Invitation => users.invite(user).await?,
        };
        self.view(made).await
    }

    /// Changes a user, all members or none. A former email address is notified of a new one.
    pub(super) async fn edit(
        &self,
        admin: &AuthUser,
        id: &UserId,
        changes: UserChanges,
    ) -> Result<Value, AuthError> {
        let core = &self.core;
        if !changes.username.is_keep() && !core.usernames.is_enabled() {
            return Err(AuthError::invalid_username());
        }
        let (changes, now) = (changes.checked()?, whole_millis(core.clock.now()));
        let notice = Mutex::new(None);
        // The former address is notified in the transaction of the change.
        let complete = |before: &User, writes: &mut AccountWrites| {
            let own = core.notices(before, of_new_address(before, &writes.user));
            writes.mails.extend(own.rows());
            *notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(own);
        };
        let apply = |user: &mut User| changes.apply(user, now);
        let user = self.users(admin).edit_completing(id, apply, &complete).await?;
        if let Some(notice) = notice.into_inner().unwrap_or_else(PoisonError::into_inner) {
            notice.send();
        }
        self.view(user).await
    }

    pub(super) async fn delete(&self, admin: &AuthUser, id: &UserId) -> Result<(), AuthError> {
        self.user(id).await?;
        self.users(admin).delete(id).await
    }

    /// Returns the sessions of a user, newest first, at most 100.
    pub(super) async fn sessions(&self, id: &UserId) -> Result<Vec<Session>, AuthError> {
        self.user(id).await?;
        self.core.sessions.list(id).await
    }

    /// Ends all sessions of a user with every pending sign-in, link and remembered device. Returns the
    /// number of sessions.
    pub(super) async fn revoke_all(
        &self,
        admin: &AuthUser,
        id: &UserId,
    ) -> Result<usize, AuthError> {
        let ended = EndedSessions::new(self.core.clock.now());
        let write = |own: &User| {
            Some(AccountWrites {
                end: EndSessions::All,
                ended: Some(ended.clone()),
                end_challenges: true,
                ..AccountWrites::new(own.clone())
            })
        };
        let Applied::Done(_) = self.core.users.apply(id, &write).await? else {
            return Err(ErrorKind::NotFound.into());
        };
        let event = self.core.event(EventKind::SessionsRevokedByAdministrator);
        self.users(admin).record(event, id);
        Ok(ended.count())
    }

    pub(super) async fn revoke(
        &self,
        admin: &AuthUser,
        id: &UserId,
        session: SessionId,
    ) -> Result<(), AuthError> {
        if !self.core.sessions.delete_owned(session, id).await? {
            return Err(ErrorKind::NotFound.into());
        }
        let event = self.core.event(EventKind::SessionsRevokedByAdministrator).session(session);
        self.users(admin).record(event, id);
        Ok(())
    }

    pub(super) async fn factors(&self, id: &UserId) -> Result<Vec<UserFactor>, AuthError> {
        self.core.directory.factors(id).await
    }

    pub(super) async fn remove_factor(
        &self,
        admin: &AuthUser,
        id: &UserId,
        factor: &str,
    ) -> Result<(), AuthError> {
        self.users(admin).remove_factor(id, factor).await
    }

    pub(super) async fn send_reset(&self, admin: &AuthUser, id: &UserId) -> Result<(), AuthError> {
        self.users(admin).send_password_reset(id).await
    }

    pub(super) async fn user(&self, id: &UserId) -> Result<User, AuthError> {
        let user = self.core.users.find_user(id).await?;
        user.ok_or_else(|| ErrorKind::NotFound.into())
    }

    async fn view(&self, user: User) -> Result<Value, AuthError> {
        let mut views = self.core.admin_views(vec![user]).await?;
        views.pop().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// Returns the message to the former email address of a user who has another one.
fn of_new_address(before: &User, after: &User) -> Option<MailContent> {
    let (former, email) = before.email.clone().zip(after.email.as_ref())?;
    let about = Occasion::default().what(email.as_str());
    (former != *email).then(|| MailContent::new(MessageKind::EmailChanged, former).about(about))
}
