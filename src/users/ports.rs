//! Traits for applications that store users or claims themselves.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use serde_json::{Map, Value};

use crate::{
    model::{Email, User, UserId, Username},
    store::{CreateUserOutcome, StoreError},
};

/// The claims of a user that an application stores.
///
/// ```
/// use authlayer::Claims;
/// let mut claims = Claims::new().role("editor");
/// claims.tenant_id = Some("acme".to_owned());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Claims {
    /// The roles, for authorization.
    pub roles: Vec<String>,
    /// The scopes, for authorization.
    pub scopes: Vec<String>,
    /// The default tenant of the user.
    pub tenant_id: Option<String>,
    /// Attributes for policies.
    pub attributes: Map<String, Value>,
    /// Metadata that the user can read.
    pub user_metadata: Map<String, Value>,
    /// Metadata that only the application can read.
    pub app_metadata: Map<String, Value>,
}

impl Claims {
    /// Creates claims without roles, scopes, tenant and metadata.
    ///
    /// ```
    /// assert!(authlayer::Claims::new().roles.is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a role.
    ///
    /// ```
    /// let claims = authlayer::Claims::new().role("editor").role("reviewer");
    /// assert_eq!(claims.roles, ["editor", "reviewer"]);
    /// ```
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<(UserId, Claims), StoreError>> + Send + 'a>>;

/// Runs calls concurrently. Returns all results, or the first error.
async fn join(mut calls: Vec<Call<'_>>) -> Result<HashMap<UserId, Claims>, StoreError> {
    let mut all = HashMap::with_capacity(calls.len());
    poll_fn(move |cx| {
        let mut failed = None;
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok((user, claims))) => {
                all.insert(user, claims);
                false
            }
            Poll::Ready(Err(error)) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => Poll::Ready(Err(error)),
            None if calls.is_empty() => Poll::Ready(Ok(std::mem::take(&mut all))),
            None => Poll::Pending,
        }
    })
    .await
}

/// A source of claims of users, implemented by the application.
///
/// Each call has a time limit, [`UserStorage::timeout`](super::UserStorage::timeout).
///
/// Concurrent requests are batched into one call. After an error, all of them get 503; a user never
/// loses roles because of an error.
///
/// ```
/// use authlayer::{Claims, ClaimsSource, UserId, store::StoreError};
///
/// struct Everyone;
///
/// impl ClaimsSource for Everyone {
///     async fn claims(&self, _: &UserId) -> Result<Claims, StoreError> {
///         Ok(Claims::new().role("reader"))
///     }
/// }
/// ```
pub trait ClaimsSource: Send + Sync + 'static {
    /// Returns the claims of a user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the claims cannot be fetched.
    fn claims(&self, user: &UserId) -> impl Future<Output = Result<Claims, StoreError>> + Send;

    /// Returns the claims of the users of concurrent requests. A user who is missing in the
    /// returned map has no claims. By default it calls [`claims`](Self::claims) for each user,
    /// concurrently; implement it if one query can return the claims of several users.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the claims cannot be fetched.
    fn claims_batch(
        &self,
        users: &[UserId],
    ) -> impl Future<Output = Result<HashMap<UserId, Claims>, StoreError>> + Send {
        async move {
            let calls = users.iter().map(|user| -> Call<'_> {
                Box::pin(async move { Ok((user.clone(), self.claims(user).await?)) })
            });
            join(calls.collect()).await
        }
    }
}

/// Read access to users in an external system: an HTTP service, LDAP, another database.
///
/// "Not found" is `Ok(None)`; an error means that the system did not respond.
/// `testing::user_store_tests` tests the contract on an implementation. Each call has a time limit,
/// [`UserStorage::timeout`](super::UserStorage::timeout).
pub trait UserDirectory: Send + Sync + 'static {
    /// Returns the user with this id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the system does not respond.
    fn find(&self, id: &UserId) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// Returns the user with this email address, which is in lowercase.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the system does not respond.
    fn find_by_email(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// Returns the user with this username, for sign-in if there are
    /// [usernames](crate::AuthBuilder::usernames). The username is in its normalized form, which is
    /// in lower case. By default there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the system does not respond.
    fn find_by_username(
        &self,
        _name: &Username,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// Creates a user who signs in for the first time, and returns the user as stored there. The
    /// default is [`CreateOutcome::Rejected`], which rejects the sign-up with 403 `sign_up_disabled`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the system does not respond.
    ///
    /// # Security
    ///
    /// If `email_verified_at` is `None`, the email address is unverified and may belong to another
    /// person.
    fn provision(
        &self,
        _wanted: &User,
    ) -> impl Future<Output = Result<CreateOutcome, StoreError>> + Send {
        async { Ok(CreateOutcome::Rejected) }
    }

    /// Returns whether passwords are stored and verified there.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Returns whether the user has a password, if passwords are stored there. By default it is not
    /// known, and a password exists from its first use here on.
    ///
    /// ```
    /// # use authlayer::{User, UserDirectory, store::StoreError};
    /// # async fn form<S: UserDirectory>(store: &S, user: &User) -> Result<(), StoreError> {
    /// let asks_for_current = store.has_password(user).await?.unwrap_or(true);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the system does not respond.
    fn has_password(
        &self,
        _user: &User,
    ) -> impl Future<Output = Result<Option<bool>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// Returns whether this is the password of the user, if passwords are stored there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the system does not respond.
    fn verify_password(
        &self,
        _user: &User,
        _password: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        async { Ok(false) }
    }
}

/// Rules for the cache of users or claims.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::users::CachePolicy;
/// let policy = CachePolicy::default().fresh(Duration::from_secs(5)).users(1_000);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The maximum age of a cache entry. A change in the external system is visible after this
    /// time, or at once if [`Users::notify_changed`](super::Users::notify_changed) is called; a ban
    /// or sign-out in this crate is visible at once. While changes by other nodes are not reported,
    /// the maximum is one second.
    pub fresh: Duration,
    /// The maximum age of a cache entry while the source fails, at least `fresh`. After that the
    /// request gets 503, as it does for users that are not cached or are known to have changed.
    pub stale: Duration,
    /// The maximum number of users in the cache.
    pub users: usize,
}

impl Default for CachePolicy {
    /// Returns rules with `fresh` of 60 seconds, `stale` of zero, and 10,000 users.
    fn default() -> Self {
        Self { fresh: Duration::from_secs(60), stale: Duration::ZERO, users: 10_000 }
    }
}

impl CachePolicy {
    /// Sets the maximum age of a cache entry; zero fetches users for each request.
    ///
    /// ```
    /// # use authlayer::users::CachePolicy;
    /// use std::time::Duration;
    /// assert_eq!(CachePolicy::default().fresh(Duration::ZERO).fresh, Duration::ZERO);
    /// ```
    #[must_use]
    pub fn fresh(mut self, age: Duration) -> Self {
        self.fresh = age;
        self
    }

    /// Sets the maximum age of a cache entry while the source fails.
    ///
    /// ```
    /// # use authlayer::users::CachePolicy;
    /// use std::time::Duration;
    /// let policy = CachePolicy::default().stale(Duration::from_secs(3600));
    /// assert_eq!(policy.stale, Duration::from_secs(3600));
    /// ```
    #[must_use]
    pub fn stale(mut self, age: Duration) -> Self {
        self.stale = age;
        self
    }

    /// Sets the maximum number of users in the cache.
    ///
    /// ```
    /// # use authlayer::users::CachePolicy;
    /// assert_eq!(CachePolicy::default().users(100).users, 100);
    /// ```
    #[must_use]
    pub fn users(mut self, users: usize) -> Self {
        self.users = users;
        self
    }
}

/// The result of creating a user.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CreateOutcome {
    /// The user was created. The store may have set the id and other defaults.
    Created(Box<User>),
    /// Another user has the email address. Nothing was written.
    EmailTaken,
    /// Another user has the username, or one with the same
    /// [skeleton](crate::User::username_skeleton). Nothing was written.
    UsernameTaken,
    /// The store accepts no new users, or not with these fields. Nothing was written; the response
    /// is 403 `sign_up_disabled`.
    Rejected,
}

impl From<CreateOutcome> for CreateUserOutcome {
    fn from(outcome: CreateOutcome) -> Self {
        match outcome {
            CreateOutcome::Created(user) => Self::Created(user),
            CreateOutcome::EmailTaken => Self::EmailTaken,
            CreateOutcome::UsernameTaken => Self::UsernameTaken,
            CreateOutcome::Rejected => Self::Refused,
        }
    }
}

/// The result of an update of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateOutcome {
    /// The user was updated.
    Updated,
    /// The user does not exist.
    NotFound,
    /// Another user has the email address or the username.
    Taken,
    /// The user was changed since it was read. Nothing was written, and the update is tried again.
    Conflict,
    /// The store has no field with this name. Nothing was written.
    UnsupportedField(&'static str),
}

/// A store of users, implemented by the application, which writes its functions as `async fn`.
///
/// Each call has a time limit, [`UserStorage::timeout`](super::UserStorage::timeout): when it expires, its
/// future is dropped and the request gets 503. Creations, changes and deletions are completed even
/// if the client closes its connection.
///
/// "Not found" is `Ok(None)`; an error means that the store failed, and the request gets 503. Email
/// addresses are in lowercase and must be unique. If there are
/// [usernames](crate::AuthBuilder::usernames), they must be unique by
/// [`User::username_skeleton`](crate::User::username_skeleton). `testing::user_store_tests` tests the contract on
/// an implementation.
///
/// # Security
///
/// A user who is disabled or deleted in this store is rejected even if sessions exist: the store is
/// queried for every request that is not served from the session cache.
pub trait UserStore: Send + Sync + 'static {
    /// Returns the user with this id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn find(&self, id: &UserId) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// Returns the user with this email address.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn find_by_email(
        &self,
        email: &Email,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// Returns the user with this username, if there are
    /// [usernames](crate::AuthBuilder::usernames). The username is in its normalized form, as it is
    /// in the users that [`create`](Self::create) and [`update`](Self::update) write.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond; by default.
    fn find_by_username(
        &self,
        _name: &Username,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send {
        async { Err(StoreError::new("this UserStore does not implement find_by_username")) }
    }

    /// Returns the user whose username looks like this one, that is, has the same
    /// [skeleton](crate::User::username_skeleton).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond; by default.
    fn find_by_skeleton(
        &self,
        _name: &Username,
    ) -> impl Future<Output = Result<Option<User>, StoreError>> + Send {
        async { Err(StoreError::new("this UserStore does not implement find_by_skeleton")) }
    }

    /// Creates a user, and returns it as stored: the store can set the id and defaults. Of two
    /// concurrent calls with the same email address, or with the same skeleton of a username, one
    /// must succeed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn create(&self, user: &User)
    -> impl Future<Output = Result<CreateOutcome, StoreError>> + Send;

    /// Updates the fields that differ between two versions of a user. Usernames that the store had
    /// before there was an index may look alike: accept an update that does not change the username
    /// even if another user has its skeleton.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn update(
        &self,
        before: &User,
        after: &User,
    ) -> impl Future<Output = Result<UpdateOutcome, StoreError>> + Send;

    /// Deletes a user. Returns whether the user existed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn delete(&self, id: &UserId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Returns at most `at_most` users in the order of their ids, those after `after`, for
    /// [`Users::list`](super::Users::list) and [`Users::export`](super::Users::export).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn list(
        &self,
        _after: Option<&UserId>,
        _at_most: u32,
    ) -> impl Future<Output = Result<Vec<User>, StoreError>> + Send {
        async { Err(StoreError::unsupported("list_users")) }
    }

    /// Returns whether this store has the passwords. If not, they are stored in our tables.
    fn keeps_passwords(&self) -> bool {
        false
    }

    /// Returns whether the user has a password, if this store has the passwords. By default it is not
    /// known, and a password exists from its first use here on.
    ///
    /// ```
    /// # use authlayer::{User, UserStore, store::StoreError};
    /// # async fn form<S: UserStore>(store: &S, user: &User) -> Result<(), StoreError> {
    /// let asks_for_current = store.has_password(user).await?.unwrap_or(true);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn has_password(
        &self,
        _user: &User,
    ) -> impl Future<Output = Result<Option<bool>, StoreError>> + Send {
        async { Ok(None) }
    }

    /// Returns whether this is the password of the user, if this store has the passwords.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn verify_password(
        &self,
        _user: &User,
        _password: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        async { Ok(false) }
    }

    /// Stores the hash of a new password (PHC string), if this store has the passwords.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or does not respond.
    fn set_password(
        &self,
        _user: &UserId,
        _hash: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }
}
