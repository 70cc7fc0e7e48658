//! Users with what signs them in: the port that every storage mode fills.

use async_trait::async_trait;

use super::{AccountWrites, Applied, Credential, Decide, StoreError, sealed::Sealed};
use crate::model::{Email, User, UserId};

/// What came of making a user.
#[derive(Clone, Debug)]
pub enum Creation {
    /// The user stands, with the credential, and is as given here: an id, and defaults, may be
    /// the application's own.
    Created(Box<User>),
    /// Another user has the address; nothing was written.
    EmailTaken,
    /// Another user has the name; nothing was written.
    UsernameTaken,
    /// Another user has the credential; nothing was written.
    CredentialTaken,
    /// Nobody new is taken in, or not like this; nothing was written.
    Refused,
}

/// What came of changing a user.
#[derive(Clone, Debug)]
pub enum Edited {
    /// The user is now like this.
    Done(Box<User>),
    /// There is no such user.
    Unknown,
    /// The change did not want to be made of this user.
    Refused,
    /// Another user has the address, the name or the credential.
    Taken,
    /// There is no place for a field of this name; nothing was written.
    NotKept(&'static str),
}

/// What a cache may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing: users come with their sessions, and may change without a word.
    Nothing,
    /// Sessions; their users are asked for at each request.
    Sessions,
    /// Sessions with their users: every change of one is reported to
    /// [`Changes`](super::Changes).
    Users,
}

/// A change of a user as it is; answers whether it is to be made.
pub type Edit<'a> = &'a (dyn Fn(&mut User) -> bool + Send + Sync);

/// Users with what signs them in.
///
/// This trait is sealed.
#[async_trait]
pub trait AccountStore: Sealed + Send + Sync + 'static {
    /// The user of this id.
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError>;

    /// The user of this address.
    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Makes a user and its first credential, both or neither.
    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
    ) -> Result<Creation, StoreError>;

    /// Applies a transition of a user: decided on the user as locked, and written in one
    /// transaction. A user who is no longer active loses all sessions with it.
    ///
    /// Where users live in another store, the user is written there first, and restored if the
    /// rest cannot be written.
    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError>;

    /// Changes a user as it is at that moment, and adds a credential, both or neither.
    async fn edit_user(
        &self,
        id: &UserId,
        edit: Edit<'_>,
        credential: Option<&Credential>,
    ) -> Result<Edited, StoreError> {
        let decide = |user: &User| {
            let mut after = user.clone();
            let add = credential.cloned();
            edit(&mut after).then(|| AccountWrites { add, ..AccountWrites::new(after) })
        };
        Ok(match self.apply(id, &decide).await? {
            Applied::Done(user) | Applied::SessionEnded(user) => Edited::Done(user),
            Applied::Unknown => Edited::Unknown,
            Applied::Declined => Edited::Refused,
            Applied::Taken | Applied::Unmet(_) => Edited::Taken,
            Applied::Unsupported(field) => Edited::NotKept(field),
        })
    }

    /// Removes a user with all credentials, sessions and challenges. Answers whether the user
    /// existed.
    async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Users in the order of their ids, those after `after`; at most so many.
    async fn list_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError>;

    /// Makes users with their credentials, each wholly or not at all; answers with the id of
    /// each that was made. Much cheaper than one after the other where the store can.
    async fn import_users(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError>;

    /// Returns the user of a session or an API key. `joined` is the user that was fetched together
    /// with it, if users live in the same database.
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

    /// What may be kept between requests.
    fn keeping(&self) -> Keeping {
        Keeping::Sessions
    }

    /// Reports a change of a user that was made without us.
    async fn announce(&self, _id: &UserId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether a user and what signs them in are written in one transaction. Where they are not,
    /// somebody may see the one without the other for a moment.
    fn is_transactional(&self) -> bool {
        true
    }

    /// Whether the application itself keeps passwords; then `verify_password` is called.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Whether this is the password.
    async fn verify_password(&self, _user: &User, _password: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// A table cannot hold the users of an application.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserTableError {
    /// Not the name of a table or a column that needs no more than quotes.
    #[error("{0:?} is no name: letters, digits and _, at most 63, not beginning with a digit")]
    Name(String),
    /// One of our own tables.
    #[error("{0} is a table of this crate; name the application's own")]
    Ours(String),
    /// There is no such table.
    #[error("there is no table {0}")]
    NoTable(String),
    /// A field has to have a column.
    #[error("name the column of {0}")]
    Unmapped(&'static str),
    /// A column cannot stand for what it was named for.
    #[error("{column} {problem}")]
    Column {
        /// Which, with its table.
        column: String,
        /// What is wrong.
        problem: String,
    },
    /// Addresses are compared in lower case.
    #[error(
        "{0} has addresses with capitals, which nobody could sign in with: bring them to lower case, or index lower(…)"
    )]
    UpperCase(String),
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}
