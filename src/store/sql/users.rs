//! Storage of users in SQL, in the table of this crate or of the application.

use std::sync::Arc;

use super::{
    Db, SqlStore, credentials,
    db::{Arg, Sql, Statement, TransactionOutcome},
    row::Reader,
    standing::{forget_former, is_usual, standing},
    user_row::args,
};
use crate::{
    model::{Email, User, UserId, Username},
    store::{
        AccountStore, Applied, CacheScope, CreateUserOutcome, CreatedUser, Creation, Credential,
        CredentialStore, Decide, DeleteOutcome, Field, InvalidationClock, Remaining, Store,
        StoreError, UserFilter, UserOrigin, UserSearch, UserTable, UserTableError,
    },
};
use async_trait::async_trait;
use jiff::Timestamp;

#[async_trait]
impl<DB: Db> Store for SqlStore<DB> {
    async fn over_table(&self, table: &UserTable) -> Result<Arc<dyn Store>, UserTableError> {
        Ok(Arc::new(self.mapped(table).await?))
    }

    fn without_users(&self) -> Arc<dyn Store> {
        Arc::new(self.elsewhere(false))
    }

    fn with_standing(&self) -> Arc<dyn Store> {
        Arc::new(self.elsewhere(true))
    }

    fn with_usernames(&self) -> Result<Arc<dyn Store>, &'static str> {
        let is_indexed = self.users.find_by_skeleton.is_some();
        let problem = "usernames need the columns `UserTable::username` and \
            `UserTable::username_skeleton`, each with a unique index of its own";
        let store = || Self { usernames: true, ..self.clone() };
        is_indexed.then(|| -> Arc<dyn Store> { Arc::new(store()) }).ok_or(problem)
    }

    fn user_hooks(&self) -> usize {
        self.hooks.len()
    }

    fn changes(&self) -> Arc<InvalidationClock> {
        self.polled_changes()
    }

    async fn sweep_changes(&self, batch: u32) -> Result<u64, StoreError> {
        self.remove_changes(batch).await
    }

    async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        if !DB::IS_POSTGRES {
            return Ok(None);
        }
        let on = self.reader.access();
        let read = || DB::fetch_optional(on, SERVER_TIME.into(), Vec::new());
        let Some(row) = reread!(self.reader.pool, read())? else { return Ok(None) };
        Ok(Some(Reader::<DB>::new(&row, "the clock of the server").time()?))
    }
}

/// Users that are created together if a larger number conflicts.
const TOGETHER: usize = 25;
const SERVER_TIME: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

#[async_trait]
impl<DB: Db> AccountStore for SqlStore<DB> {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let row = self.fetch(self.users.find.clone(), vec![id.as_str().into()]).await?;
        row.as_ref().map_or(Ok(None), |row| self.user(row))
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let args = vec![email.as_str().into()];
        let row = self.fetch(self.users.find_by_email.clone(), args).await?;
        row.as_ref().map_or(Ok(None), |row| self.user(row))
    }

    async fn find_user_by_username(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.find_by(self.users.find_by_username.as_ref(), name.as_str()).await
    }

    async fn find_user_by_skeleton(&self, name: &Username) -> Result<Option<User>, StoreError> {
        self.find_by(self.users.find_by_skeleton.as_ref(), name.skeleton()).await
    }

    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
        creation: Creation,
    ) -> Result<CreateUserOutcome, StoreError> {
        if self.users.needs_email && user.email.is_none() {
            return Ok(CreateUserOutcome::Refused);
        }
        let created = |row: Option<&DB::Row>| {
            Ok(Some(CreatedUser::new(self.made(row, user)?, creation.clone())))
        };
        let steps = self.creation(user, credential.into_iter())?;
        match self.answer(steps, self.after(&created)).await? {
            TransactionOutcome::Committed(row) => {
                Ok(CreateUserOutcome::Created(Box::new(self.made(row.as_ref(), user)?)))
            }
            TransactionOutcome::Rejected(error) => {
                Err(StoreError::of_hook(error.into_auth_error()))
            }
            TransactionOutcome::TakenBack(_) => self.why_not(user, credential).await,
        }
    }

    async fn apply(&self, id: &UserId, decide: Decide<'_>) -> Result<Applied, StoreError> {
        self.transition(id, decide).await
    }

    async fn delete_user(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(self.delete_keeping(user, None).await? == DeleteOutcome::Deleted)
    }

    async fn delete_user_keeping(
        &self,
        user: &UserId,
        remaining: Option<&Remaining>,
    ) -> Result<DeleteOutcome, StoreError> {
        self.delete_keeping(user, remaining).await
    }

    async fn search_users(
        &self,
        search: &UserSearch<'_>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        self.search(search, at_most).await
    }

    async fn count_users(&self, filter: &UserFilter) -> Result<Option<u64>, StoreError> {
        self.count_matching(filter).await
    }

    fn keeping(&self) -> CacheScope {
        if self.is_told { CacheScope::UserStorage } else { CacheScope::Nothing }
    }

    fn stores(&self, member: &str) -> bool {
        !self.users.unmapped.iter().any(|field| field.name() == member)
    }

    async fn announce(&self, id: &UserId) -> Result<(), StoreError> {
        self.announce_user(id).await
    }

    async fn list_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<User>, StoreError> {
        let mut args = vec![i64::from(at_most).into()];
        let sql = match after {
            None => self.users.first.clone(),
            Some(after) => {
                args.push(after.as_str().into());
                self.users.next.clone()
            }
        };
        let rows = self.fetch_all(sql, args).await?;
        rows.iter().filter_map(|row| self.user(row).transpose()).collect()
    }

    async fn import_users(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let mut ids = Vec::with_capacity(all.len());
        let all_ids = |part: &[(User, Vec<Credential>)]| {
            Vec::from_iter(part.iter().map(|(user, _)| Some(user.id.clone())))
        };
        if self.import_together(all).await? {
            return Ok(all_ids(all));
        }
        for part in all.chunks(TOGETHER) {
            match self.import_together(part).await? {
                true => ids.extend(all_ids(part)),
                false => ids.extend(self.import_each(part).await?),
            }
        }
        Ok(ids)
    }
}

impl<DB: Db> SqlStore<DB> {
    /// Creates each user completely or not at all.
    async fn import_each(
        &self,
        all: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        let created = all.iter().map(|(user, _)| {
            move |row: Option<&DB::Row>| {
                Ok(Some(CreatedUser::new(self.made(row, user)?, UserOrigin::Import.into())))
            }
        });
        let created = Vec::from_iter(created);
        let groups = all.iter().zip(&created).map(|((user, credentials), created)| {
            Ok((self.creation(user, credentials.iter())?, self.after(created)))
        });
        let groups: Vec<_> = groups.collect::<Result<_, StoreError>>()?;
        self.count(groups.iter().map(|(steps, _)| steps.len()).sum());
        let rows = repeated!(DB::transact_each(self.writer.access(), groups.clone()))?;
        let ids = rows.iter().map(|row| match row {
            Some(row) => Ok(self.user(row)?.map(|user| user.id)),
            None => Ok(None),
        });
        ids.collect()
    }

    /// Returns the steps that create a user.
    fn creation<'c>(
        &self,
        user: &User,
        credentials: impl Iterator<Item = &'c Credential>,
    ) -> Result<Vec<Statement>, StoreError> {
        let insert = &self.users.insert;
        let mut steps =
            vec![Statement::answers(insert.sql.clone(), args(insert, user, self.usernames)?)];
        let id = if self.users.makes_ids { Arg::Answered } else { user.id.as_str().into() };
        if self.users.makes_ids {
            // An id that the application reuses after a deletion must not get the credentials of
            // the former user.
            steps.extend(forget_former(&id));
        }
        if self.users.keeps_standing() && !is_usual(user) {
            steps.push(standing(&id, &user.into()));
        }
        for credential in credentials {
            steps.push(credentials::insert_of(credential, &id)?);
        }
        Ok(steps)
    }

    /// Returns a new user as stored, from its row.
    fn made(&self, row: Option<&DB::Row>, wanted: &User) -> Result<User, StoreError> {
        let made = row.map_or(Ok(None), |row| self.user(row))?;
        let made = made.ok_or_else(|| StoreError::new("the new user was not returned"))?;
        Ok(self.with_standing(made, wanted))
    }

    /// Reports a change of the user with the id in the first column. A table of the application may
    /// accept several notations of a UUID or a number; caches use the one that the database
    /// returns.
    pub(super) fn report(&self, row: Option<&DB::Row>) {
        match row.map(|row| DB::text(row, 0)) {
            Some(Ok(Some(id))) => self.changes.invalidate_user(&UserId::new(id)),
            _ => self.changes.invalidate_all(),
        }
    }

    /// Returns the user that a statement finds by a text; `None` if the table has no such column.
    async fn find_by(&self, sql: Option<&Sql>, text: &str) -> Result<Option<User>, StoreError> {
        let Some(sql) = sql else { return Ok(None) };
        let row = self.fetch(sql.clone(), vec![text.into()]).await?;
        row.as_ref().map_or(Ok(None), |row| self.user(row))
    }

    /// Returns why a user was not created. A username is judged before the email address, so that
    /// the result for a taken one does not depend on the email address.
    async fn why_not(
        &self,
        user: &User,
        credential: Option<&Credential>,
    ) -> Result<CreateUserOutcome, StoreError> {
        let name = user.username.as_deref().filter(|_| self.usernames);
        if let Some(name) = name.and_then(|name| Username::parse(name).ok())
            && self.find_user_by_skeleton(&name).await?.is_some()
        {
            return Ok(CreateUserOutcome::UsernameTaken);
        }
        let by_email = match &user.email {
            Some(email) => self.find_user_by_email(email).await?,
            None => None,
        };
        let is_kept = match credential {
            Some(own) => self.find_credential(own.kind, &own.lookup).await?.is_some(),
            None => false,
        };
        match (by_email, &user.username) {
            (Some(_), _) => Ok(CreateUserOutcome::EmailTaken),
            (None, _) if is_kept => Ok(CreateUserOutcome::CredentialTaken),
            (None, Some(_)) => Ok(CreateUserOutcome::UsernameTaken),
            // The id exists, or the email address was released in the meantime.
            (None, None) => Err(StoreError::new("a new user conflicts with an existing one")),
        }
    }

    /// Adds the values of fields without a column, which the new row does not contain.
    fn with_standing(&self, made: User, wanted: &User) -> User {
        let lacks = |field| self.users.unmapped.contains(&field);
        User {
            email_verified_at: if lacks(Field::EmailVerifiedAt) {
                wanted.email_verified_at
            } else {
                made.email_verified_at
            },
            status: if lacks(Field::UserStatus) { wanted.status } else { made.status },
            is_anonymous: made.is_anonymous || wanted.is_anonymous,
            ..made
        }
    }

    pub(super) fn user(&self, row: &DB::Row) -> Result<Option<User>, StoreError> {
        self.read_user(Reader::<DB>::new(row, "the table of users"))
    }
}
