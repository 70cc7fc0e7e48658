//! Transitions of accounts: what ends with them in the same transaction, and who observes them.
//!
//! Every change of an account passes through [`Transitions`], whichever store has the user.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_trait::async_trait;

use crate::{
    model::{Email, Transition, User, UserId, Username},
    store::{
        AccountStore, AccountWrites, Applied, CacheScope, CompleteFn, CreateUserOutcome, Creation,
        Credential, CredentialKind, CredentialStore, Decide, DeleteOutcome, EditFn, EditOutcome,
        Remaining, Remove, StoreError, UserFilter, UserSearch, transitions_of,
    },
};

/// The rules and observers that the flows of a configuration registered.
#[derive(Default)]
pub(crate) struct TransitionRules {
    /// Kinds of challenges.
    pub(crate) challenges: Vec<Ending>,
    /// Kinds of challenges of this crate that end with every transition which ends challenges.
    pub(crate) own_challenges: Vec<&'static str>,
    /// Kinds of credentials.
    pub(crate) credentials: Vec<Ending>,
    /// Kinds of credentials whose changes are a transition.
    pub(crate) changing: Vec<(&'static str, Transition)>,
    pub(crate) observers: Vec<Arc<dyn AnyObserver>>,
}

/// A kind of challenge or credential, and the transitions of its user that it ends with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) kind: &'static str,
    pub(crate) survives: &'static [Transition],
    pub(crate) ends_on: &'static [Transition],
}

impl Ending {
    fn ends_by_default(&self, with: &[Transition]) -> bool {
        with.iter().any(|own| own.ends_challenges() && !self.survives.contains(own))
            || self.ends_on_any(with)
    }

    fn ends_on_any(&self, with: &[Transition]) -> bool {
        with.iter().any(|own| self.ends_on.contains(own))
    }
}

impl TransitionRules {
    /// Returns the transitions that writes amount to, and adds what ends with them.
    fn complete(&self, before: &User, writes: &mut AccountWrites) -> Vec<Transition> {
        let mut all = transitions_of(before, writes);
        for (kind, transition) in &self.changing {
            let is_of = |own: CredentialKind| own == CredentialKind::Custom(kind);
            let is_removed = matches!(&writes.remove, Remove::One { kind, .. } if is_of(*kind));
            let mut added = writes.add.iter().chain(&writes.put);
            if (is_removed || added.any(|own| is_of(own.kind))) && !all.contains(transition) {
                all.push(*transition);
            }
        }
        if all.is_empty() && !writes.end_challenges {
            return all;
        }
        if !writes.end_challenges && all.iter().any(|own| own.ends_challenges()) {
            writes.end_challenge_kinds.extend(&self.own_challenges);
        }
        for own in &self.challenges {
            match (own.ends_by_default(&all), writes.end_challenges) {
                (true, false) => writes.end_challenge_kinds.push(own.kind),
                (false, true) => writes.surviving_challenges.push(own.kind),
                _ => {}
            }
        }
        let ending = self.credentials.iter().filter(|own| own.ends_on_any(&all));
        writes.end_credential_kinds.extend(ending.map(|own| own.kind));
        all
    }
}

/// An observer of any type.
#[async_trait]
pub(crate) trait AnyObserver: Send + Sync {
    /// Reports a transition that was committed. `credentials` are those afterwards, or those before
    /// a deletion.
    async fn report(&self, transition: Transition, user: &User, credentials: &[Credential]);
}

/// An account store whose transitions are completed and observed.
pub(crate) struct Transitions {
    accounts: Arc<dyn AccountStore>,
    credentials: Arc<dyn CredentialStore>,
    rules: OnceLock<TransitionRules>,
}

impl Transitions {
    pub(crate) fn new(
        accounts: Arc<dyn AccountStore>,
        credentials: Arc<dyn CredentialStore>,
    ) -> Self {
        Self { accounts, credentials, rules: OnceLock::new() }
    }

    /// Sets the rules, once all flows are registered.
    pub(crate) fn register(&self, rules: TransitionRules) {
        // Set once, by `build`.
        let _registered = self.rules.set(rules);
    }

    fn complete(&self, before: &User, writes: &mut AccountWrites) -> Vec<Transition> {
        self.rules.get().map_or_else(Vec::new, |rules| rules.complete(before, writes))
    }

    /// Calls the observers in a separate task: the request does not wait for them.
    fn report(&self, all: Vec<Transition>, user: &User, credentials: Option<Vec<Credential>>) {
        let observers = self.rules.get().map(|rules| rules.observers.clone()).unwrap_or_default();
        if all.is_empty() || observers.is_empty() {
            return;
        }
        let (store, user) = (Arc::clone(&self.credentials), user.clone());
        tokio::spawn(async move {
            let credentials = match credentials {
                Some(credentials) => Ok(credentials),
                None => store.list_credentials(&user.id).await,
            };
            let credentials = match credentials {
                Ok(credentials) => credentials,
                Err(cause) => {
                    let user = user.id.as_str();
                    tracing::error!(user, %cause, ?all, "a transition was not observed");
                    return;
                }
            };
            for transition in all {
                for observer in &observers {
                    observer.report(transition, &user, &credentials).await;
                }
            }
        });
    }
}

fn taken(seen: Mutex<Vec<Transition>>) -> Vec<Transition> {
    seen.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl crate::store::sealed::Sealed for Transitions {}

#[async_trait]
impl AccountStore for Transitions {
    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError> {
        let seen = Mutex::new(Vec::new());
        let completed = |user: &User| {
            let mut writes = decide(user)?;
            let all = self.complete(user, &mut writes);
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = all;
            Some(writes)
        };
        let applied = self.accounts.apply(id, &completed).await?;
        if let Applied::Done(user) | Applied::SessionEnded(user) = &applied {
            self.report(taken(seen), user, None);
        }
        Ok(applied)
    }

    async fn edit_completing(
        &self,
        id: &UserId,
        edit: EditFn<'_>,
        credential: Option<&Credential>,
        remaining: Option<&Remaining>,
        complete: CompleteFn<'_>,
    ) -> Result<EditOutcome, StoreError> {
        let seen = Mutex::new(Vec::new());
        let completing = |before: &User, writes: &mut AccountWrites| {
            complete(before, writes);
            let all = self.complete(before, writes);
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = all;
        };
        let edited =
            self.accounts.edit_completing(id, edit, credential, remaining, &completing).await?;
        if let EditOutcome::Done(user) = &edited {
            self.report(taken(seen), user, None);
        }
        Ok(edited)
    }

    async fn delete_user(&self, id: &UserId) -> Result<bool, StoreError> {
        Ok(self.delete_user_keeping(id, None).await? == DeleteOutcome::Deleted)
    }

    async fn delete_user_keeping(
        &self,
        id: &UserId,
        remaining: Option<&Remaining>,
    ) -> Result<DeleteOutcome, StoreError> {
        let is_observed = self.rules.get().is_some_and(|rules| !rules.observers.is_empty());
        let before = match is_observed {
            true => self.accounts.find_user(id).await?,
            false => None,
        };
        let Some(user) = before else {
            return self.accounts.delete_user_keeping(id, remaining).await;
        };
        let credentials = self.credentials.list_credentials(id).await?;
        let deleted = self.accounts.delete_user_keeping(id, remaining).await?;
        if deleted == DeleteOutcome::Deleted {
            self.report(vec![Transition::Deleted], &user, Some(credentials));
        }
        Ok(deleted)
    }

    async fn complete_condition(
        &self,
        condition: Remaining,
        changed: &UserId,
    ) -> Result<Remaining, StoreError> {
        self.accounts.complete_condition(condition, changed).await
    }

    async fn search_users(
        &self,
        search: &UserSearch<'_>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.accounts.search_users(search, at_most).await
    }

    async fn count_users(&self, filter: &UserFilter) -> Result<Option<u64>, StoreError> {
        self.accounts.count_users(filter).await
    }

    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.accounts.find_user(id).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.accounts.find_user_by_email(email).await
    }

    async fn find_user_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.accounts.find_user_by_username(name).await
    }

    async fn find_user_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.accounts.find_user_by_skeleton(name).await
    }

    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
        creation: Creation,
    ) -> Result<CreateUserOutcome, StoreError> {
        self.accounts.create_user(user, credential, creation).await
    }

    async fn list_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.accounts.list_users(after, at_most).await
    }

    async fn import_users(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        self.accounts.import_users(all).await
    }

    async fn user_of_session(
        &self,
        id: &UserId,
        joined: Option<User>,
    ) -> Result<Option<User>, StoreError> {
        self.accounts.user_of_session(id, joined).await
    }

    fn keeping(&self) -> CacheScope {
        self.accounts.keeping()
    }

    async fn announce(&self, id: &UserId) -> Result<(), StoreError> {
        self.accounts.announce(id).await
    }

    fn stores(&self, member: &str) -> bool {
        self.accounts.stores(member)
    }

    fn is_transactional(&self) -> bool {
        self.accounts.is_transactional()
    }

    fn keeps_passwords(&self) -> bool {
        self.accounts.keeps_passwords()
    }

    async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        self.accounts.has_password(user).await
    }

    async fn verify_password(&self, user: &User, password: &str) -> Result<bool, StoreError> {
        self.accounts.verify_password(user, password).await
    }
}

impl fmt::Debug for Transitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transitions").finish_non_exhaustive()
    }
}
