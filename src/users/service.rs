//! Users, without HTTP.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::UserPatch;
use crate::{
    clock::{Clock, whole_millis},
    error::{AuthError, ErrorKind},
    event::{Event, EventKind, EventSink},
    model::{Email, Status, User, UserId},
    store::{AccountStore, Creation, Edited, Store},
};

/// Reads and changes users, wherever they live: [`Auth::users`](crate::Auth::users).
#[derive(Clone)]
pub struct UserService {
    pub(super) accounts: Arc<dyn AccountStore>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    hashes: Arc<OnceLock<Arc<dyn KnownHashes>>>,
}

/// Tells a password hash from what is none; the flow for passwords brings it.
pub(crate) trait KnownHashes: Send + Sync {
    /// Whether a password could be compared with this.
    fn understands(&self, hash: &str) -> bool;
}

impl UserService {
    pub(crate) fn new(
        accounts: Arc<dyn AccountStore>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
    ) -> Self {
        Self { accounts, store, clock, events, hashes: Arc::default() }
    }

    pub(crate) fn set_known_hashes(&self, known: Arc<dyn KnownHashes>) {
        // The first flow for passwords; a second one is refused elsewhere.
        let _set_before = self.hashes.set(known);
    }

    pub(super) fn understands(&self, hash: &str) -> bool {
        self.hashes.get().is_none_or(|known| known.understands(hash))
    }

    /// The user of an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, AuthError> {
        Ok(self.accounts.find_user(id).await?)
    }

    /// The user of an address, as typed; nobody has one that is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub async fn find_by_email(&self, email: &str) -> Result<Option<User>, AuthError> {
        match Email::parse(email) {
            Ok(email) => Ok(self.accounts.find_user_by_email(&email).await?),
            Err(_) => Ok(None),
        }
    }

    /// Makes a user without any credential, who gets in by a link or a code, by a provider, or
    /// when somebody else hands over a session. Answers with the user as it is kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::EmailTaken`], for the name too; [`ErrorKind::SignUpDisabled`] where the
    /// application takes nobody in; [`ErrorKind::Unavailable`].
    pub async fn create(&self, user: &User) -> Result<User, AuthError> {
        match self.accounts.create_user(user, None).await? {
            Creation::Created(made) => Ok(*made),
            Creation::Refused => Err(ErrorKind::SignUpDisabled.into()),
            _ => Err(ErrorKind::EmailTaken.into()),
        }
    }

    /// Changes a user as it is at that moment, all or nothing. Of two at once none is lost,
    /// except where a custom store does not say that it was.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn edit(
        &self,
        id: &UserId,
        change: impl Fn(&mut User) + Send + Sync,
    ) -> Result<User, AuthError> {
        let now = whole_millis(self.clock.now());
        let edit = |user: &mut User| {
            change(user);
            user.updated_at = now;
            true
        };
        match self.accounts.edit_user(id, &edit, None).await? {
            Edited::Done(user) => {
                if !user.is_active() {
                    let event = Event::new(EventKind::UserDisabled, self.clock.now());
                    self.events.record(event.user(id));
                }
                Ok(*user)
            }
            Edited::Unknown | Edited::Refused => Err(ErrorKind::NotFound.into()),
            Edited::Taken => Err(ErrorKind::EmailTaken.into()),
            Edited::NotKept(field) => Err(AuthError::new(ErrorKind::InvalidMembers)
                .with_detail("The application keeps no such member of a user here")
                .with_member("member", field)),
        }
    }

    /// Applies a merge patch to a user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::EmailTaken`] for a name that another has;
    /// [`ErrorKind::InvalidMembers`] with the `member` that is not kept in this mode;
    /// [`ErrorKind::Unavailable`].
    pub async fn patch(&self, id: &UserId, patch: &UserPatch) -> Result<User, AuthError> {
        self.edit(id, |user| patch.apply(user)).await
    }

    /// Turns a user away: no sign-in, and every session ends with it.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn disable(&self, id: &UserId) -> Result<User, AuthError> {
        self.edit(id, |user| user.status = Status::Disabled).await
    }

    /// Lets a user in again.
    ///
    /// # Errors
    ///
    /// As [`patch`](Self::patch).
    pub async fn enable(&self, id: &UserId) -> Result<User, AuthError> {
        self.edit(id, |user| user.status = Status::Active).await
    }

    /// Says that a user was changed without this service, in a table or service of the
    /// application or behind its [`ClaimsSource`](super::ClaimsSource), [`UserStore`](super::UserStore)
    /// or [`UserResolver`](super::UserResolver): session and user are looked up again with their
    /// next request, here at once and on other nodes as soon as they hear of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`]; on this node it is known all the same.
    pub async fn changed(&self, id: &UserId) -> Result<(), AuthError> {
        Ok(self.accounts.announce(id).await?)
    }

    /// Removes a user with every session, credential, code and link. Where the user lives
    /// elsewhere and is only read, what is kept here goes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Unavailable`].
    pub async fn delete(&self, id: &UserId) -> Result<(), AuthError> {
        if !self.accounts.delete_user(id).await? {
            return Err(ErrorKind::NotFound.into());
        }
        let event = Event::new(EventKind::AccountDeleted, self.clock.now());
        self.events.record(event.user(id));
        Ok(())
    }
}

impl fmt::Debug for UserService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserService").finish_non_exhaustive()
    }
}
