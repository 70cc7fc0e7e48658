//! Places where an application stores its users, one for each storage mode.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use authlayer::{
    Claims, ClaimsSource, Email, User, UserDirectory, UserId, UserStore, UserTable, Username,
    crypto::password::{NormalizedPassword, PasswordHasher, PasswordHashing},
    store::StoreError,
    users::{CreateOutcome, UpdateOutcome},
};

/// A table with every field, with column types that applications use.
pub(crate) const ACCOUNTS_POSTGRES: &str = r#"
    CREATE TYPE standing AS ENUM ('enabled', 'banned');
    CREATE TABLE accounts (
        account_id UUID PRIMARY KEY,
        mail VARCHAR(254),
        confirmed_at TIMESTAMPTZ,
        phone TEXT,
        phone_confirmed_at TIMESTAMP,
        login TEXT UNIQUE,
        login_skeleton TEXT UNIQUE,
        full_name TEXT,
        picture TEXT,
        org TEXT,
        guest BOOLEAN NOT NULL DEFAULT FALSE,
        roles TEXT[] NOT NULL DEFAULT '{}',
        scopes JSONB,
        facts JSONB NOT NULL DEFAULT '{}',
        state standing NOT NULL DEFAULT 'enabled',
        about JSON,
        internal TEXT,
        born TIMESTAMPTZ NOT NULL DEFAULT now(),
        touched BIGINT NOT NULL DEFAULT 0,
        plan TEXT NOT NULL DEFAULT 'free',
        seats INTEGER NOT NULL DEFAULT 3
    );
    CREATE UNIQUE INDEX accounts_mail ON accounts (lower(mail COLLATE "C"));
"#;

pub(crate) const ACCOUNTS_SQLITE: &str = r#"
    CREATE TABLE accounts (
        account_id TEXT PRIMARY KEY,
        mail VARCHAR(254),
        confirmed_at DATETIME,
        phone TEXT,
        phone_confirmed_at INTEGER,
        login TEXT UNIQUE,
        login_skeleton TEXT UNIQUE,
        full_name TEXT,
        picture TEXT,
        org TEXT,
        guest BOOLEAN NOT NULL DEFAULT FALSE,
        roles TEXT NOT NULL DEFAULT '[]',
        scopes JSON,
        facts TEXT NOT NULL DEFAULT '{}',
        state TEXT NOT NULL DEFAULT 'enabled',
        about TEXT,
        internal TEXT,
        born DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        touched INTEGER NOT NULL DEFAULT 0,
        plan TEXT NOT NULL DEFAULT 'free',
        seats INTEGER NOT NULL DEFAULT 3
    );
    CREATE UNIQUE INDEX accounts_mail ON accounts (lower(mail));
"#;

/// The statements for each database.
pub(crate) const ACCOUNTS: [&str; 2] = [ACCOUNTS_SQLITE, ACCOUNTS_POSTGRES];

/// A table with nothing but the id, the email address and the name, on either database.
pub(crate) const PEOPLE: [&str; 2] = {
    let sql = "CREATE TABLE people (id TEXT PRIMARY KEY, email TEXT UNIQUE, name TEXT)";
    [sql, sql]
};

pub(crate) fn people() -> UserTable {
    UserTable::new("people").display_name("name")
}

pub(crate) fn accounts() -> UserTable {
    UserTable::new("accounts")
        .id("account_id")
        .email("mail")
        .email_verified_at("confirmed_at")
        .phone("phone")
        .phone_verified_at("phone_confirmed_at")
        .username("login")
        .username_skeleton("login_skeleton")
        .display_name("full_name")
        .avatar_url("picture")
        .tenant_id("org")
        .is_anonymous("guest")
        .roles("roles")
        .scopes("scopes")
        .attributes("facts")
        .status("state", "enabled", "banned")
        .user_metadata("about")
        .app_metadata("internal")
        .created_at("born")
        .updated_at("touched")
        .extra("plan")
        .extra("seats")
}

/// A user store in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) users: Arc<Mutex<BTreeMap<UserId, User>>>,
    /// Whether the store fails.
    pub(crate) is_down: Arc<Mutex<bool>>,
    /// The passwords, if the store has them.
    pub(crate) passwords: Option<Arc<Mutex<HashMap<UserId, String>>>>,
}

impl Memory {
    fn all(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<UserId, User>>, StoreError> {
        if *self.is_down.lock().unwrap() {
            return Err(StoreError::new("the store does not respond"));
        }
        Ok(self.users.lock().unwrap())
    }

    fn taken(all: &BTreeMap<UserId, User>, user: &User) -> Option<CreateOutcome> {
        let others = || all.values().filter(|other| other.id != user.id);
        let is_unchanged = all.get(&user.id).is_some_and(|own| own.username == user.username);
        if user.email.is_some() && others().any(|other| other.email == user.email) {
            return Some(CreateOutcome::EmailTaken);
        }
        let skeleton = user.username_skeleton();
        let looks_like = |other: &User| other.username_skeleton() == skeleton;
        let is_taken = !is_unchanged && skeleton.is_some() && others().any(looks_like);
        is_taken.then_some(CreateOutcome::UsernameTaken)
    }
}

impl UserStore for Memory {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        Ok(self.all()?.get(id).cloned())
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        Ok(self.all()?.values().find(|user| user.email.as_ref() == Some(email)).cloned())
    }

    async fn find_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        let is_named = |user: &&User| user.username.as_deref() == Some(name.as_str());
        Ok(self.all()?.values().find(is_named).cloned())
    }

    async fn find_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError> {
        let looks_like =
            |user: &&User| user.username_skeleton().as_deref() == Some(name.skeleton());
        Ok(self.all()?.values().find(looks_like).cloned())
    }

    async fn create(&self, user: &User) -> Result<CreateOutcome, StoreError> {
        let mut all = self.all()?;
        if all.contains_key(&user.id) {
            return Ok(CreateOutcome::EmailTaken);
        }
        if let Some(taken) = Self::taken(&all, user) {
            return Ok(taken);
        }
        all.insert(user.id.clone(), user.clone());
        Ok(CreateOutcome::Created(Box::new(user.clone())))
    }

    async fn update(&self, before: &User, after: &User) -> Result<UpdateOutcome, StoreError> {
        let mut all = self.all()?;
        let Some(own) = all.get(&before.id) else { return Ok(UpdateOutcome::NotFound) };
        if format!("{own:?}") != format!("{before:?}") {
            return Ok(UpdateOutcome::Conflict);
        }
        if Self::taken(&all, after).is_some() {
            return Ok(UpdateOutcome::Taken);
        }
        all.insert(after.id.clone(), after.clone());
        Ok(UpdateOutcome::Updated)
    }

    async fn delete(&self, id: &UserId) -> Result<bool, StoreError> {
        Ok(self.all()?.remove(id).is_some())
    }

    async fn list(&self, after: Option<&UserId>, at_most: u32) -> Result<Vec<User>, StoreError> {
        let all = self.all()?;
        let later = all.values().filter(|user| after.is_none_or(|after| user.id > *after));
        Ok(later.take(at_most as usize).cloned().collect())
    }

    fn keeps_passwords(&self) -> bool {
        self.passwords.is_some()
    }

    async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        Ok(Some(self.passwords.as_ref().unwrap().lock().unwrap().contains_key(&user.id)))
    }

    async fn verify_password(&self, user: &User, password: &str) -> Result<bool, StoreError> {
        let all = self.passwords.as_ref().unwrap().lock().unwrap();
        let Some(hash) = all.get(&user.id) else { return Ok(false) };
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).map_err(StoreError::new)?;
        let Some(text) = NormalizedPassword::parse_existing(password) else { return Ok(false) };
        Ok(hasher.verify(&text, hash).map_err(StoreError::new)?.matches)
    }

    async fn set_password(&self, user: &UserId, hash: &str) -> Result<(), StoreError> {
        let mut all = self.passwords.as_ref().unwrap().lock().unwrap();
        all.insert(user.clone(), hash.to_owned());
        Ok(())
    }
}

/// A read-only directory of users in memory, which can create users at sign-up.
#[derive(Clone)]
pub(crate) struct Directory {
    pub(crate) memory: Memory,
    pub(crate) takes_newcomers: bool,
}

impl Default for Directory {
    fn default() -> Self {
        Self { memory: Memory::default(), takes_newcomers: true }
    }
}

impl UserDirectory for Directory {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        UserStore::find(&self.memory, id).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        UserStore::find_by_email(&self.memory, email).await
    }

    async fn find_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        UserStore::find_by_username(&self.memory, name).await
    }

    async fn provision(&self, wanted: &User) -> Result<CreateOutcome, StoreError> {
        if self.takes_newcomers {
            self.memory.create(wanted).await
        } else {
            Ok(CreateOutcome::Rejected)
        }
    }
}

/// A source of claims in memory.
#[derive(Clone, Default)]
pub(crate) struct Book {
    pub(crate) claims: Arc<Mutex<HashMap<UserId, Claims>>>,
    pub(crate) is_down: Arc<Mutex<bool>>,
    /// The number of users per call.
    pub(crate) asked: Arc<Mutex<Vec<usize>>>,
}

impl Book {
    /// Sets the claims of a user.
    pub(crate) fn say(&self, id: &UserId, set: &dyn Fn(&mut User)) {
        let mut all = self.claims.lock().unwrap();
        let own = all.entry(id.clone()).or_default();
        let mut user = User::new(id.clone(), jiff::Timestamp::UNIX_EPOCH);
        user.roles.clone_from(&own.roles);
        user.scopes.clone_from(&own.scopes);
        user.attributes.clone_from(&own.attributes);
        set(&mut user);
        (own.roles, own.scopes, own.attributes) = (user.roles, user.scopes, user.attributes);
    }
}

impl Directory {
    /// Changes a user, except the status.
    pub(crate) fn say(&self, id: &UserId, set: &dyn Fn(&mut User)) {
        if let Some(user) = self.memory.users.lock().unwrap().get_mut(id) {
            let status = user.status;
            set(user);
            // The status is stored by authlayer.
            user.status = status;
        }
    }
}

impl ClaimsSource for Book {
    async fn claims(&self, user: &UserId) -> Result<Claims, StoreError> {
        let all = self.claims_batch(std::slice::from_ref(user)).await?;
        Ok(all.into_values().next().unwrap_or_default())
    }

    async fn claims_batch(&self, users: &[UserId]) -> Result<HashMap<UserId, Claims>, StoreError> {
        self.asked.lock().unwrap().push(users.len());
        // Waits, so that concurrent requests are batched.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if *self.is_down.lock().unwrap() {
            return Err(StoreError::new("the store does not respond"));
        }
        let all = self.claims.lock().unwrap();
        Ok(users.iter().filter_map(|id| Some((id.clone(), all.get(id)?.clone()))).collect())
    }
}
