//! Users in diesel models of the application.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use std::sync::{Arc, Mutex, PoisonError};

use authlayer::{
    Auth, AuthUser, Email, Password, RequireUser, SqliteStore, User, UserId, UserStorage,
    UserStore,
    store::StoreError,
    users::{CreateOutcome, UpdateOutcome},
};
use axum::{Json, Router, routing::get};
use common::people::{Person, TABLE, people};
use diesel::{connection::SimpleConnection, prelude::*, result::DatabaseErrorKind, result::Error};

/// A user store over a diesel connection.
struct People(Arc<Mutex<SqliteConnection>>);

impl People {
    /// Runs `work` on a blocking thread, because diesel blocks.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let own = Arc::clone(&self.0);
        let job = move || work(&mut own.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(job).await.map_err(StoreError::new)?.map_err(StoreError::new)
    }
}

impl UserStore for People {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let id = id.to_string();
        let found = self.with(|db| people::table.find(id).first::<Person>(db).optional());
        Ok(found.await?.map(User::from))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let own = people::email.eq(email.to_string());
        let found = self.with(|db| people::table.filter(own).first::<Person>(db).optional());
        Ok(found.await?.map(User::from))
    }

    async fn create(&self, new: &User) -> Result<CreateOutcome, StoreError> {
        let insert = diesel::insert_or_ignore_into(people::table).values(Person::from(new));
        let made = self.with(|db| insert.execute(db)).await?;
        Ok(if made == 1 {
            CreateOutcome::Created(Box::new(new.clone()))
        } else {
            CreateOutcome::EmailTaken
        })
    }

    async fn update(&self, _before: &User, after: &User) -> Result<UpdateOutcome, StoreError> {
        let update =
            diesel::update(people::table.find(after.id.to_string())).set(Person::from(after));
        self.with(|db| match update.execute(db) {
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {
                Ok(UpdateOutcome::Taken)
            }
            changed => {
                Ok(if changed? == 0 { UpdateOutcome::NotFound } else { UpdateOutcome::Updated })
            }
        })
        .await
    }

    async fn delete(&self, id: &UserId) -> Result<bool, StoreError> {
        let delete = diesel::delete(people::table.find(id.to_string()));
        Ok(self.with(|db| delete.execute(db)).await? == 1)
    }
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let mut own = SqliteConnection::establish(":memory:")?;
    own.batch_execute(TABLE)?;
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .users(UserStorage::custom(People(Arc::new(Mutex::new(own)))))
        .flow(Password::new())
        .build()?;
    let app = Router::new()
        .route("/me", get(|user: AuthUser| async move { Json(user) }))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
