//! A store whose operations fail on demand.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    crypto::digest::Digest,
    model::{ApiKey, ApiKeyId, Email, Session, SessionBinding, SessionId, User, UserId, Username},
    store::{
        AccessTokenRow, AccountFlagStore, AccountFlags, AccountStore, Allowance, Applied,
        CacheScope, Challenge, ChallengeKind, ChallengeStore, CompleteFn, Count, CreateUserOutcome,
        Creation, Credential, CredentialKind, CredentialStore, CredentialUpdate, Decide,
        DeleteOutcome, DeletedUser, DeviceChallenges, EditFn, EditOutcome, EventQuery, EventStore,
        InsertOptions, InvalidationClock, KeyStore, LimitRule, LimitStore, MailStore, Remaining,
        SessionRow, SessionStore, SessionTag, SigningKeyStore, Store, StoreError, StoredEvent,
        StoredMail, StoredSigningKey, Unreadable, UserFilter, UserSearch, UserTable,
        UserTableError, WatchedRow, WithUser, sealed::Sealed,
    },
};

/// A store whose operations fail on demand, to test how an application responds while its database
/// is unavailable. An operation that fails has no effect. Clones share their faults.
///
/// An operation is a method of the traits in [`store`](crate::store), such as `insert` of
/// [`SessionStore`].
///
/// ```
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// use authlayer::{Auth, SqliteStore, testing::FaultyStore};
///
/// let store = FaultyStore::new(SqliteStore::memory().await?);
/// let auth = Auth::builder(store.clone()).origin("http://localhost:3000").build()?;
/// store.fail("find_user_by_email");
/// assert!(auth.users().find_by_email("ada@example.com").await.is_err());
/// store.recover();
/// assert!(auth.users().find_by_email("ada@example.com").await?.is_none());
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(doc()).unwrap();
/// ```
#[derive(Clone)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    /// The operations that fail: for a number of calls, or until they recover.
    failing: HashMap<&'static str, Option<u32>>,
    calls: HashMap<&'static str, u32>,
}

impl FaultyStore {
    /// Creates a store over another one. No operation fails yet.
    pub fn new(store: impl Store) -> Self {
        Self { inner: Arc::new(store), faults: Arc::default() }
    }

    /// Fails every call of an operation from now on.
    ///
    /// # Panics
    ///
    /// Panics if there is no operation of this name.
    pub fn fail(&self, operation: &str) {
        self.lock().failing.insert(known(operation), None);
    }

    /// Fails the next calls of an operation.
    ///
    /// # Panics
    ///
    /// Panics if there is no operation of this name.
    pub fn fail_next(&self, operation: &str, calls: u32) {
        self.lock().failing.insert(known(operation), Some(calls));
    }

    /// Fails every call of all operations from now on.
    pub fn fail_all(&self) {
        self.lock().failing = Self::OPERATIONS.iter().map(|name| (*name, None)).collect();
    }

    /// Ends all faults.
    pub fn recover(&self) {
        self.lock().failing.clear();
    }

    /// Returns the number of calls of an operation, failed ones included.
    ///
    /// # Panics
    ///
    /// Panics if there is no operation of this name.
    pub fn calls(&self, operation: &str) -> u32 {
        self.lock().calls.get(known(operation)).copied().unwrap_or_default()
    }

    fn of(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Self { inner, faults: Arc::clone(&self.faults) })
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and fails it if that was demanded.
    fn call(&self, operation: &'static str) -> Result<(), StoreError> {
        let mut faults = self.lock();
        *faults.calls.entry(operation).or_default() += 1;
        match faults.failing.get_mut(operation) {
            None | Some(Some(0)) => Ok(()),
            Some(left) => {
                *left = left.map(|left| left - 1);
                Err(StoreError::new(format!("{operation} fails, as the test demands")))
            }
        }
    }
}

fn known(operation: &str) -> &'static str {
    let mut all = FaultyStore::OPERATIONS.iter();
    all.find(|own| **own == operation)
        .unwrap_or_else(|| panic!("no operation of a store is called {operation:?}"))
}

/// Implements traits by calling the other store, unless the operation fails.
macro_rules! faulty {
    ($($port:ident {
        $(async fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty;)*
        $(fn $sync:ident(&self $(, $given:ident: $kind:ty)*) -> $plain:ty;)*
    })*) => {
        impl FaultyStore {
            /// The names of all operations that can fail.
            pub const OPERATIONS: &[&str] = &[$($(stringify!($name),)*)*];
        }

        $(
            #[async_trait]
            impl $port for FaultyStore {
                $(
                    async fn $name(&self $(, $arg: $type)*) -> Result<$out, StoreError> {
                        self.call(stringify!($name))?;
                        $port::$name(&*self.inner $(, $arg)*).await
                    }
                )*

                $(
                    fn $sync(&self $(, $given: $kind)*) -> $plain {
                        $port::$sync(&*self.inner $(, $given)*)
                    }
                )*
            }
        )*
    };
}

faulty! {
    SessionStore {
        async fn insert(&self, row: &SessionRow, opening: &InsertOptions) -> bool;
        async fn list(&self, user: &UserId, now: Timestamp) -> Vec<Session>;
        async fn list_after(&self, last: &Session, now: Timestamp) -> Vec<Session>;
        async fn find(&self, id: SessionId) -> Option<WithUser>;
        async fn find_access(&self, id: SessionId) -> Option<WithUser<AccessTokenRow>>;
        async fn find_many(&self, ids: &[SessionId]) -> Vec<Result<WithUser, Unreadable>>;
        async fn find_watched(&self, ids: &[SessionId]) -> Vec<Result<WithUser<WatchedRow>, Unreadable>>;
        async fn touch(&self, ids: &[SessionId], now: Timestamp, unless_after: Timestamp) -> ();
        async fn rotate(&self, from: &SessionRow, to: &SessionRow) -> bool;
        async fn bind(&self, id: SessionId, binding: &SessionBinding) -> bool;
        async fn set_challenges(&self, id: SessionId, from: &DeviceChallenges, to: &DeviceChallenges) -> bool;
        async fn note_mismatch(&self, id: SessionId, now: Timestamp) -> bool;
        async fn confirm(&self, id: SessionId, generation: u32, now: Timestamp) -> ();
        async fn delete(&self, id: SessionId) -> bool;
        async fn delete_owned(&self, id: SessionId, user: &UserId) -> bool;
        async fn delete_of_user(&self, user: &UserId, except: Option<SessionId>) -> u64;
        async fn mark_impersonator(&self, id: SessionId) -> bool;
        async fn delete_tagged(&self, tags: &[SessionTag]) -> u64;
        async fn delete_any_sessions(&self, batch: u32) -> u64;
        async fn delete_any_challenges(&self, batch: u32) -> u64;
        async fn sweep(&self, now: Timestamp, batch: u32) -> u64;
    }
    CredentialStore {
        async fn find_credential(&self, kind: CredentialKind, lookup: &str) -> Option<Credential>;
        async fn find_settled(&self, kind: CredentialKind, lookup: &str) -> Option<Credential>;
        async fn insert_credential(&self, credential: &Credential) -> bool;
        async fn list_credentials(&self, user: &UserId) -> Vec<Credential>;
        async fn list_credentials_of(&self, users: &[UserId]) -> Vec<Credential>;
        async fn use_credential(&self, using: &CredentialUpdate) -> bool;
        async fn replace_credential(&self, id: &str, expected: &Value, data: &Value, updated_at: Timestamp) -> bool;
    }
    ChallengeStore {
        async fn insert_challenge(&self, challenge: &Challenge) -> bool;
        async fn put_challenge(&self, challenge: &Challenge) -> bool;
        async fn find_challenge(&self, id: &Digest, now: Timestamp) -> Option<Challenge>;
        async fn try_challenge(&self, id: &Digest, now: Timestamp) -> Option<Challenge>;
        async fn take_challenge(&self, id: &Digest, code: Option<&Digest>, now: Timestamp) -> Option<Challenge>;
        async fn replace_code(&self, id: &Digest, code: &Digest, made_at: Timestamp, now: Timestamp) -> bool;
        async fn replace_data(&self, id: &Digest, expected: &Value, data: &Value, code: Option<&Digest>, now: Timestamp) -> bool;
        async fn assign_data(&self, id: &Digest, expected: &Value, data: &Value, user: &UserId, now: Timestamp) -> bool;
        async fn insert_of_session(&self, challenge: &Challenge, session: SessionId) -> bool;
        async fn list_challenges(&self, user: &UserId, kind: ChallengeKind) -> Vec<Challenge>;
        async fn list_expiring(&self, kind: ChallengeKind, from: Timestamp, to: Timestamp, at_most: u32) -> Vec<Challenge>;
        async fn end_recoveries(&self, user: &UserId, rank: u32) -> ();
        async fn sweep_challenges(&self, now: Timestamp, batch: u32) -> u64;
    }
    LimitStore {
        async fn count(&self, key: &Digest, rule: &LimitRule, now: Timestamp) -> Count;
        async fn take(&self, key: &Digest, allowance: &Allowance, now: Timestamp) -> Count;
        async fn uncount(&self, key: &Digest) -> ();
        async fn forget(&self, key: &Digest) -> ();
        async fn sweep_limits(&self, now: Timestamp, batch: u32) -> u64;
    }
    AccountStore {
        async fn find_user(&self, id: &UserId) -> Option<User>;
        async fn find_user_by_email(&self, email: &Email) -> Option<User>;
        async fn find_user_by_username(&self, username: &Username) -> Option<User>;
        async fn find_user_by_skeleton(&self, username: &Username) -> Option<User>;
        async fn create_user(&self, user: &User, credential: Option<&Credential>, creation: Creation) -> CreateUserOutcome;
        async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Applied;
        async fn edit_completing(&self, id: &UserId, edit: EditFn<'_>, credential: Option<&Credential>, remaining: Option<&Remaining>, complete: CompleteFn<'_>) -> EditOutcome;
        async fn delete_user(&self, id: &UserId) -> bool;
        async fn delete_user_keeping(&self, id: &UserId, remaining: Option<&Remaining>) -> DeleteOutcome;
        async fn complete_condition(&self, condition: Remaining, changed: &UserId) -> Remaining;
        async fn search_users(&self, search: &UserSearch<'_>, at_most: u32) -> Vec<User>;
        async fn count_users(&self, filter: &UserFilter) -> Option<u64>;
        async fn list_users(&self, after: Option<&UserId>, at_most: u32) -> Vec<User>;
        async fn import_users(&self, all: &[(User, Vec<Credential>)]) -> Vec<Option<UserId>>;
        async fn user_of_session(&self, id: &UserId, joined: Option<User>) -> Option<User>;
        async fn announce(&self, id: &UserId) -> ();
        async fn verify_password(&self, user: &User, password: &str) -> bool;
        async fn has_password(&self, user: &User) -> Option<bool>;
        fn keeping(&self) -> CacheScope;
        fn stores(&self, member: &str) -> bool;
        fn is_transactional(&self) -> bool;
        fn keeps_passwords(&self) -> bool;
    }
    AccountFlagStore {
        async fn find_standing(&self, id: &UserId) -> AccountFlags;
        async fn has_begun(&self, id: &UserId) -> bool;
        async fn last_seen(&self, users: &[UserId]) -> HashMap<UserId, Timestamp>;
        async fn forget_user(&self, id: &UserId) -> ();
        async fn forget_former_user(&self, id: &UserId) -> ();
    }
    KeyStore {
        async fn insert_key(&self, key: &ApiKey, hash: &Digest) -> bool;
        async fn find_key(&self, hash: &Digest) -> Option<WithUser<ApiKey>>;
        async fn list_keys(&self, user: Option<&UserId>) -> Vec<ApiKey>;
        async fn delete_key(&self, id: ApiKeyId, user: Option<&UserId>) -> bool;
        async fn touch_key(&self, id: ApiKeyId, now: Timestamp, unless_after: Timestamp) -> ();
        async fn sweep_keys(&self, now: Timestamp, batch: u32) -> u64;
    }
    EventStore {
        async fn insert_events(&self, events: &[StoredEvent]) -> ();
        async fn list_events(&self, query: &EventQuery, at_most: u32) -> Vec<StoredEvent>;
        async fn sweep_events(&self, before: Timestamp, batch: u32) -> u64;
        async fn list_deleted_users(&self, after: Option<&UserId>, at_most: u32) -> Vec<DeletedUser>;
        async fn date_deletion(&self, user: &UserId, at: Timestamp) -> ();
        async fn anonymize_events(&self, user: &UserId, until: Timestamp, after: &str, batch: u32) -> Option<String>;
        async fn note_checked(&self, user: &UserId, at: Timestamp, checked_to: &str) -> ();
        async fn remove_deleted_user(&self, user: &UserId, at: Timestamp) -> ();
    }
    MailStore {
        async fn insert_mail(&self, mail: &StoredMail) -> ();
        async fn claim_mails(&self, now: Timestamp, until: Timestamp, at_most: u32) -> Vec<StoredMail>;
        async fn reschedule_mail(&self, id: &str, from: Timestamp, to: Timestamp) -> bool;
        async fn remove_mail(&self, id: &str) -> ();
        async fn copy_link(&self, user: &UserId, link: &Digest, copy: &Digest, now: Timestamp) -> bool;
        async fn replace_link(&self, mail: &str, link: &Digest, new: &Digest, now: Timestamp) -> bool;
        async fn sweep_mails(&self, before: Timestamp, batch: u32) -> u64;
        fn keeps_mails(&self) -> bool;
    }
    SigningKeyStore {
        async fn list_signing_keys(&self) -> Vec<StoredSigningKey>;
        async fn insert_signing_key(&self, key: &StoredSigningKey) -> bool;
        async fn reschedule_signing_key(&self, number: u32, from: Timestamp, to: Timestamp) -> bool;
        async fn reseal_signing_key(&self, number: u32, from: &str, to: &str) -> bool;
        async fn delete_signing_keys(&self) -> ();
        async fn sweep_signing_keys(&self, before: Timestamp) -> ();
    }
}

impl Sealed for FaultyStore {}

#[async_trait]
impl Store for FaultyStore {
    async fn over_table(&self, table: &UserTable) -> Result<Arc<dyn Store>, UserTableError> {
        self.inner.over_table(table).await.map(|inner| self.of(inner))
    }

    fn without_users(&self) -> Arc<dyn Store> {
        self.of(self.inner.without_users())
    }

    fn with_standing(&self) -> Arc<dyn Store> {
        self.of(self.inner.with_standing())
    }

    fn with_usernames(&self) -> Result<Arc<dyn Store>, &'static str> {
        self.inner.with_usernames().map(|inner| self.of(inner))
    }

    fn user_hooks(&self) -> usize {
        self.inner.user_hooks()
    }

    async fn sweep_changes(&self, batch: u32) -> Result<u64, StoreError> {
        self.inner.sweep_changes(batch).await
    }

    async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.server_time().await
    }

    fn changes(&self) -> Arc<InvalidationClock> {
        self.inner.changes()
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing: Vec<_> = self.lock().failing.keys().copied().collect();
        f.debug_struct("FaultyStore").field("failing", &failing).finish_non_exhaustive()
    }
}
