//! The storage trait for users and their credentials, implemented for every storage mode.

use async_trait::async_trait;

use super::{
    AccountWrites, Applied, Creation, Credential, Decide, DeleteOutcome, Remaining, StoreError,
    Unmet, UserFilter, UserSearch, sealed::Sealed,
};
use crate::model::{Email, User, UserId, Username};

/// The result of creating a user.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CreateUserOutcome {
    /// The user was created, with the credential. The database may have set the id and other
    /// defaults.
    Created(Box<User>),
    /// Another user has the email address; nothing was written.
    EmailTaken,
    /// Another user has the username; nothing was written.
    UsernameTaken,
    /// Another user has the credential; nothing was written.
    CredentialTaken,
    /// The store accepts no new users, or not with these fields; nothing was written.
    Refused,
}

/// The result of editing a user.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EditOutcome {
    /// The user after the change.
    Done(Box<User>),
    /// The user does not exist.
    Unknown,
    /// The edit function returned `false`; nothing was written.
    Refused,
    /// Another user has the email address, the username or the credential.
    Taken,
    /// The store cannot store the field of this name; nothing was written.
    NotKept(&'static str),
    /// The user who must remain does not pass the rule anymore; nothing was written.
    NoneRemains,
}

/// The data that may be cached between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheScope {
    /// Nothing: users are fetched with their sessions, and can change without a notification.
    Nothing,
    /// Sessions; their users are fetched on each request.
    Sessions,
    /// Sessions and their users: every change of a user is reported to [`InvalidationClock`](super::InvalidationClock).
    UserStorage,
}

/// Edits the current state of a user. Returns whether to write the change.
pub type EditFn<'a> = &'a (dyn Fn(&mut User) -> bool + Send + Sync);

/// Completes the writes of an edit, given the user before it.
pub type CompleteFn<'a> = &'a (dyn Fn(&User, &mut AccountWrites) + Send + Sync);

/// Storage of users and their credentials.
///
/// This trait is sealed.
#[async_trait]
pub trait AccountStore: Sealed + Send + Sync + 'static {
    /// Returns the user with this id.
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// Returns the user with this email address.
    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Returns the user with this username. Usernames with the same skeleton differ.
    async fn find_user_by_username(&self, name: &Username) -> Result<Option<User>, StoreError>;

    /// Returns the user whose username has the skeleton of this one.
    async fn find_user_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError>;

    /// Creates a user and its first credential, in one transaction, and runs the hooks in it.
    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
        creation: Creation,
    ) -> Result<CreateUserOutcome, StoreError>;

    /// Applies a transition of a user. It is decided while the user is locked, and written in one
    /// transaction. If the user is not active afterwards, all sessions of the user are deleted in
    /// the same transaction.
    ///
    /// If users are in another store, the user is written there first, and restored if the
    /// remaining writes fail.
    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError>;

    /// Edits the current state of a user and adds a credential, in one transaction.
    async fn edit_user(
        &self,
        id: &UserId,
        edit: EditFn<'_>,
        credential: Option<&Credential>,
    ) -> Result<EditOutcome, StoreError> {
        self.edit_completing(id, edit, credential, None, &|_, _| ()).await
    }

    /// Like [`edit_user`](Self::edit_user), and completes the writes before they are applied. If the
    /// user passes the rule of `remaining` before and not after, the other user must still pass it. A
    /// new email address ends links, codes and pending changes.
    async fn edit_completing(
        &self,
        id: &UserId,
        edit: EditFn<'_>,
        credential: Option<&Credential>,
        remaining: Option<&Remaining>,
        complete: CompleteFn<'_>,
    ) -> Result<EditOutcome, StoreError> {
        let decide = |user: &User| {
            let mut after = user.clone();
            if !edit(&mut after) {
                return None;
            }
            let mut writes = AccountWrites {
                add: credential.cloned(),
                end_challenges: user.email.is_some() && after.email != user.email,
                end_recoveries: (after.email != user.email).then_some(u32::MAX),
                remaining: remaining.filter(|own| own.is_lost(user, &after)).cloned(),
                ..AccountWrites::new(after)
            };
            complete(user, &mut writes);
            Some(writes)
        };
        Ok(match self.apply(id, &decide).await? {
            Applied::Done(user) | Applied::SessionEnded(user) => EditOutcome::Done(user),
            Applied::Unknown => EditOutcome::Unknown,
            Applied::Declined => EditOutcome::Refused,
            Applied::Unmet(Unmet::Administrator) => EditOutcome::NoneRemains,
            Applied::Taken | Applied::Unmet(_) => EditOutcome::Taken,
            Applied::Unsupported(field) => EditOutcome::NotKept(field),
        })
    }

    /// Deletes a user with all credentials, sessions and challenges. Returns whether the user
    /// existed.
    async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Adds to the condition of a change of a user what this storage adds to the users of another
    /// one.
    async fn complete_condition(
        &self,
        condition: Remaining,
        changed: &UserId,
    ) -> Result<Remaining, StoreError> {
        let _ = changed;
        Ok(condition)
    }

    /// Like [`delete_user`](Self::delete_user), if the other user still passes the rule of `remaining`.
    /// Where users are not in this database, the condition is not checked again.
    async fn delete_user_keeping(
        &self,
        id: &UserId,
        remaining: Option<&Remaining>,
    ) -> Result<DeleteOutcome, StoreError> {
        let _ = remaining;
        Ok(match self.delete_user(id).await? {
            true => DeleteOutcome::Deleted,
            false => DeleteOutcome::Unknown,
        })
    }

    /// Returns at most `at_most` users that may match a search, in its order; fewer only at the end.
    /// By default they are all users, in the order of their ids.
    async fn search_users(
        &self,
        search: &UserSearch<'_>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.list_users(search.after(), at_most).await
    }

    /// Returns the number of users that satisfy a filter, or `None` if the store can only list them.
    async fn count_users(&self, filter: &UserFilter) -> Result<Option<u64>, StoreError> {
        let _ = filter;
        Ok(None)
    }

    /// Returns at most `at_most` users in the order of their ids, starting after `after`.
    async fn list_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError>;

    /// Creates users with their credentials, each completely or not at all. Returns the id of each
    /// created user, in the order of `all`. Where supported, this is much faster than separate
    /// inserts.
    async fn import_users(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError>;

    /// Returns the user of a session or an API key. `joined` is the user that was fetched together
    /// with it, if users are in the same database.
    async fn user_of_session(
        &self,
        id: &UserId,
        joined: Option<User>,
    ) -> Result<Option<User>, StoreError> {
        match joined {
            Some(user) => Ok(Some(user)),
            None => self.find_user(id).await,
        }
    }

    /// Returns what may be cached between requests.
    fn keeping(&self) -> CacheScope {
        CacheScope::Sessions
    }

    /// Invalidates caches after the application changed a user outside of this crate.
    async fn announce(&self, _id: &UserId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns whether a member of a user, such as `roles`, can be stored here. An application that
    /// creates the user itself decides then.
    fn stores(&self, member: &str) -> bool {
        let _ = member;
        true
    }

    /// Returns `true` if a user and its credentials are written in one transaction. Otherwise other
    /// tasks may briefly see only one of them.
    fn is_transactional(&self) -> bool {
        true
    }

    /// Returns `true` if the application stores passwords itself;
    /// [`verify_password`](Self::verify_password) is called then.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Returns whether the user has a password that the application stores, or `None` if that is
    /// not known.
    async fn has_password(&self, _user: &User) -> Result<Option<bool>, StoreError> {
        Ok(None)
    }

    /// Verifies a password that the application stores.
    async fn verify_password(&self, _user: &User, _password: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// The error for a table that cannot be used for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserTableError {
    /// The name of a table or column is not a plain identifier.
    #[error(
        "{0:?} is not a valid name: use at most 63 letters, digits and _, not starting with a digit"
    )]
    Name(String),
    /// The table belongs to this crate.
    #[error("{0} is a table of this crate; use a table of the application")]
    Ours(String),
    /// The table does not exist.
    #[error("the table {0} does not exist")]
    NoTable(String),
    /// A required field has no column.
    #[error("the field {0} is required: set its column")]
    Unmapped(&'static str),
    /// A column is not suitable for its field.
    #[error("{column} {problem}")]
    Column {
        /// The table and the column.
        column: String,
        /// The problem.
        problem: String,
    },
    /// The table has email addresses with uppercase letters, but email addresses are compared in
    /// lowercase.
    #[error(
        "{0} has email addresses with uppercase letters: convert them to lower case, or create a unique index on lower(…)"
    )]
    UpperCase(String),
    /// The database query failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
