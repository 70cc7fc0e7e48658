//! User management without HTTP.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use super::{NewUser, UserPatch, administrator_rule::Administrators, changed::events_of};
use crate::{
    clock::{Clock, whole_millis},
    error::{AuthError, ErrorKind},
    event::{Event, EventKind, EventSink, record_act},
    hook::{AnyHook, SignUpDraft},
    model::{Email, User, UserId, UserStatus, Username, UsernameRules},
    store::{
        AccountStore, CompleteFn, CreateUserOutcome, Creation, Credential, DeleteOutcome,
        EditOutcome, Store, UserOrigin,
    },
};

/// Reads and changes users in every storage mode, see [`Auth::users`](crate::Auth::users).
///
/// ```
/// use authlayer::{Auth, AuthError, UserId};
///
/// async fn promote(auth: &Auth, id: &UserId) -> Result<(), AuthError> {
///     auth.users().edit(id, |user| user.roles.push("admin".to_owned())).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Users {
    pub(super) accounts: Arc<dyn AccountStore>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    hooks: Vec<Arc<dyn AnyHook>>,
    pub(super) usernames: UsernameRules,
    hashes: Arc<OnceLock<Arc<dyn KnownHashes>>>,
    /// The user who acts, such as an administrator.
    pub(super) actor: Option<UserId>,
    /// Whether every change leaves an administrator, without an actor too.
    pub(super) leaves_administrator: bool,
    /// The users of whom one must remain.
    pub(super) administrators: Arc<OnceLock<Administrators>>,
    /// The configuration.
    core: Weak<dyn Any + Send + Sync>,
}

/// Recognizes password hashes; implemented by the password flow.
pub(crate) trait KnownHashes: Send + Sync {
    /// Returns whether passwords can be verified against this hash.
    fn understands(&self, hash: &str) -> bool;
}

impl Users {
    pub(crate) fn new(
        accounts: Arc<dyn AccountStore>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
        hooks: Vec<Arc<dyn AnyHook>>,
        usernames: UsernameRules,
        core: Weak<dyn Any + Send + Sync>,
    ) -> Self {
        let (hashes, actor, administrators) = (Arc::default(), None, Arc::default());
        Self {
            accounts,
            store,
            clock,
            events,
            hooks,
            usernames,
            hashes,
            actor,
            leaves_administrator: false,
            administrators,
            core,
        }
    }

    /// Returns the configuration, if it is still in use.
    pub(crate) fn core<C: Any + Send + Sync>(&self) -> Option<Arc<C>> {
        self.core.upgrade()?.downcast().ok()
    }

    pub(crate) fn set_known_hashes(&self, known: Arc<dyn KnownHashes>) {
        // The first password flow sets it; a second one is rejected at build time.
        let _set_before = self.hashes.set(known);
    }

    pub(super) fn understands(&self, hash: &str) -> bool {
        self.hashes.get().is_none_or(|known| known.understands(hash))
    }

    /// Returns a service that records its changes as acts of this user, for example of an
    /// administrator: the events have the `actor_id`. The user of the account sees that an
    /// administrator acted, but neither who nor from where.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, AuthUser, UserId};
    /// async fn block(auth: Auth, admin: AuthUser, user: UserId) -> Result<(), AuthError> {
    ///     auth.users().by(&admin.id).disable(&user).await?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn by(&self, actor: &UserId) -> Self {
        Self { actor: Some(actor.clone()), ..self.clone() }
    }

    pub(crate) fn record(&self, event: Event, user: &UserId) {
        record_act(&*self.events, event.user(user), self.actor.as_ref());
    }

    /// Returns the user with this id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, AuthError> {
        Ok(self.accounts.find_user(id).await?)
    }

    /// Returns the user with this email address, in any case. Returns `None` if the text is not a
    /// valid email address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<User>, AuthError> {
        match Email::parse(email) {
            Ok(email) => Ok(self.accounts.find_user_by_email(&email).await?),
            Err(_) => Ok(None),
        }
    }

    /// Returns the user with this username, in any case. Returns `None` if the text is not a valid
    /// username, or there are no [usernames](crate::AuthBuilder::usernames).
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError};
    /// # async fn doc(auth: Auth) -> Result<(), AuthError> {
    /// let ada = auth.users().find_by_username("Ada").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the store fails.
    pub async fn find_by_username(&self, username: &str) -> Result<Option<User>, AuthError> {
        match Username::parse(username) {
            Ok(name) if self.usernames.is_enabled() => {
                Ok(self.accounts.find_user_by_username(&name).await?)
            }
            _ => Ok(None),
        }
    }

    /// Creates a user without a credential, and returns it as stored. The user can sign in with an
    /// email link or code, with a provider, or with a session that the application creates.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, Email, NewUser};
    /// # async fn doc(auth: Auth, email: Email) -> Result<(), AuthError> {
    /// let admin = auth.users().create(NewUser::with_email(email).role("admin")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::EmailTaken`] if another user has the email address.
    /// - [`ErrorKind::UsernameTaken`] if another user has the username.
    /// - [`ErrorKind::InvalidMembers`] if there are [usernames](crate::AuthBuilder::usernames) and
    ///   this is not one. Reserved usernames are allowed.
    /// - [`ErrorKind::SignUpDisabled`] if the application rejects the user.
    /// - The error of [`AuthHook::before_sign_up`](crate::AuthHook::before_sign_up), which runs
    ///   without a client.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn create(&self, user: impl Into<NewUser>) -> Result<User, AuthError> {
        let user = user.into().into_user(whole_millis(self.clock.now()))?;
        self.create_with(user, None).await
    }

    /// Creates a user with a credential of the user.
    pub(crate) async fn create_with(
        &self,
        user: User,
        credential: Option<&Credential>,
    ) -> Result<User, AuthError> {
        let draft = SignUpDraft::new(user, None, None);
        let (user, kept) = draft.run(&self.hooks, &self.usernames).await?;
        let creation = Creation::new(UserOrigin::Administration, kept);
        match self.accounts.create_user(&user, credential, creation).await? {
            CreateUserOutcome::Created(made) => {
                let origin = UserOrigin::Administration.as_str();
                let event = Event::new(EventKind::UserCreated, self.clock.now());
                self.record(event.with("origin", origin), &made.id);
                Ok(*made)
            }
            CreateUserOutcome::Refused => Err(ErrorKind::SignUpDisabled.into()),
            CreateUserOutcome::UsernameTaken => Err(ErrorKind::UsernameTaken.into()),
            _ => Err(ErrorKind::EmailTaken.into()),
        }
    }

    /// Changes a user atomically, based on its current state. Of concurrent changes none is lost,
    /// unless a custom store does not report conflicts. A new email address ends links, codes and
    /// pending changes of the user.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn edit(
        &self,
        id: &UserId,
        change: impl Fn(&mut User) + Send + Sync,
    ) -> Result<User, AuthError> {
        self.edit_completing(id, change, &|_, _| ()).await
    }

    /// Like [`edit`](Self::edit), and completes the writes before they are applied.
    pub(crate) async fn edit_completing(
        &self,
        id: &UserId,
        change: impl Fn(&mut User) + Send + Sync,
        complete: CompleteFn<'_>,
    ) -> Result<User, AuthError> {
        let now = whole_millis(self.clock.now());
        let states = Mutex::new((None, (None, None)));
        let edit = |user: &mut User| {
            let former = user.clone();
            change(user);
            user.updated_at = now;
            let is_renamed = user.username != former.username;
            let is_valid = !is_renamed || self.usernames.normalize(user).is_ok();
            let email = user.email.clone().filter(|own| Some(own) != former.email.as_ref());
            let username = user.username.clone().filter(|_| is_renamed);
            *states.lock().unwrap_or_else(PoisonError::into_inner) =
                (Some(former), (email, username));
            is_valid
        };
        let outcome = self.edit_keeping(id, &edit, complete).await?;
        let (before, wanted) = states.into_inner().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            EditOutcome::Done(user) => {
                let changed = before.map(|before| events_of(&before, &user, self.clock.now()));
                for event in changed.into_iter().flatten() {
                    self.record(event, id);
                }
                Ok(*user)
            }
            // Only an invalid username is rejected.
            EditOutcome::Refused => Err(AuthError::invalid_username()),
            EditOutcome::Unknown => Err(ErrorKind::NotFound.into()),
            EditOutcome::Taken => Err(self.what_is_taken(id, wanted).await?.into()),
            EditOutcome::NoneRemains => Err(ErrorKind::LastAdmin.into()),
            EditOutcome::NotKept(field) => Err(AuthError::new(ErrorKind::InvalidMembers)
                .with_detail("This member of a user cannot be stored in this mode")
                .with_extension("members", vec![field])),
        }
    }

    /// Returns which of the new values of a user another user has: the username, if both are taken,
    /// as when a user is created.
    async fn what_is_taken(
        &self,
        id: &UserId,
        wanted: (Option<Email>, Option<String>),
    ) -> Result<ErrorKind, AuthError> {
        let (email, username) = match wanted {
            (Some(email), Some(username)) => (email, username),
            (None, Some(_)) => return Ok(ErrorKind::UsernameTaken),
            (_, None) => return Ok(ErrorKind::EmailTaken),
        };
        let is_taken = |holder: Option<User>| holder.is_some_and(|holder| holder.id != *id);
        if let (true, Ok(name)) = (self.usernames.is_enabled(), Username::parse(&username)) {
            return Ok(match is_taken(self.accounts.find_user_by_skeleton(&name).await?) {
                true => ErrorKind::UsernameTaken,
                false => ErrorKind::EmailTaken,
            });
        }
        // Without usernames, users are not found by them.
        Ok(match is_taken(self.accounts.find_user_by_email(&email).await?) {
            true => ErrorKind::EmailTaken,
            false => ErrorKind::UsernameTaken,
        })
    }

    /// Applies a merge patch to a user.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`] if the user does not exist.
    /// - [`ErrorKind::UsernameTaken`] if another user has the username.
    /// - [`ErrorKind::LastAdmin`] for an act of an [administrator](Self::by), if no active user would
    ///   pass the rule of the flow [`Admin`](crate::Admin) afterwards.
    /// - [`ErrorKind::InvalidMembers`] with the `member` that cannot be stored in this mode, or with
    ///   the `members` that are invalid: the username, if there are
    ///   [usernames](crate::AuthBuilder::usernames). Reserved usernames are allowed.
    /// - [`ErrorKind::Unavailable`] if the store fails.
    pub async fn patch(&self, id: &UserId, patch: &UserPatch) -> Result<User, AuthError> {
        self.edit(id, |user| patch.apply(user)).await
    }

    /// Disables a user: all sessions end, and the user cannot sign in.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn disable(&self, id: &UserId) -> Result<User, AuthError> {
        self.edit(id, |user| user.status = UserStatus::Disabled).await
    }

    /// Enables a user.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn enable(&self, id: &UserId) -> Result<User, AuthError> {
        self.edit(id, |user| user.status = UserStatus::Active).await
    }

    /// Reports that a user was changed without this service, for example in a table of the
    /// application or behind its [`ClaimsSource`](super::ClaimsSource),
    /// [`UserStore`](super::UserStore) or [`UserDirectory`](super::UserDirectory). Cache entries of
    /// the user and their sessions are invalidated, on this node at once and on other nodes as soon
    /// as they are notified.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if the other nodes cannot be notified; on this node the entries
    /// are invalidated nevertheless.
    pub async fn notify_changed(&self, id: &UserId) -> Result<(), AuthError> {
        Ok(self.accounts.announce(id).await?)
    }

    /// Deletes a user with all sessions, credentials, codes and links. A user in an external system
    /// remains there; the data in our tables is deleted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the user does not exist; [`ErrorKind::LastAdmin`] as for
    /// [`patch`](Self::patch); [`ErrorKind::Unavailable`] if the store fails.
    pub async fn delete(&self, id: &UserId) -> Result<(), AuthError> {
        match self.delete_keeping(id).await? {
            DeleteOutcome::Deleted => {}
            DeleteOutcome::Unknown => return Err(ErrorKind::NotFound.into()),
            DeleteOutcome::NoneRemains => return Err(ErrorKind::LastAdmin.into()),
        }
        self.record(Event::new(EventKind::UserDeleted, self.clock.now()), id);
        Ok(())
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}
