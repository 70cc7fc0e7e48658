//! Users in the service of another team, which this application can change.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use authlayer::{
    Auth, AuthUser, Email, Password, RequireUser, SqliteStore, User, UserId, UserStatus,
    UserStorage, UserStore,
    store::StoreError,
    users::{CreateOutcome, UpdateOutcome},
};
use axum::{Json, Router, http::StatusCode, routing::get};
use common::users::{Person, Service, start};

/// A user store over the service. An error means that the service failed, and becomes 503.
struct People(Service);

fn user(person: Person) -> User {
    let mut user = User::new(UserId::new(person.key), jiff::Timestamp::UNIX_EPOCH);
    user.email = person.mail.and_then(|mail| Email::parse(&mail).ok());
    user.email_verified_at = person.confirmed.then_some(jiff::Timestamp::UNIX_EPOCH);
    user.display_name = person.name;
    user.status = if person.blocked { UserStatus::Disabled } else { UserStatus::Active };
    user
}

fn person(user: &User) -> Person {
    Person {
        key: user.id.to_string(),
        mail: user.email.as_ref().map(ToString::to_string),
        name: user.display_name.clone(),
        confirmed: user.email_verified_at.is_some(),
        blocked: !user.is_active(),
    }
}

impl UserStore for People {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.get(id.as_str()).await.map_err(StoreError::new)?.map(user))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        Ok(self.0.by_mail(email.as_str()).await.map_err(StoreError::new)?.map(user))
    }

    async fn create(&self, user: &User) -> Result<CreateOutcome, StoreError> {
        Ok(match self.0.put(&person(user)).await.map_err(StoreError::new)? {
            StatusCode::CREATED => CreateOutcome::Created(Box::new(user.clone())),
            _ => CreateOutcome::EmailTaken,
        })
    }

    async fn update(&self, _before: &User, after: &User) -> Result<UpdateOutcome, StoreError> {
        let status = self.0.put(&person(after)).await.map_err(StoreError::new)?;
        Ok(if status == StatusCode::CONFLICT {
            UpdateOutcome::Taken
        } else {
            UpdateOutcome::Updated
        })
    }

    async fn delete(&self, id: &UserId) -> Result<bool, StoreError> {
        self.0.delete(id.as_str()).await.map_err(StoreError::new)
    }
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let service = Service::at(start(Vec::new()).await?);
    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .users(UserStorage::custom(People(service)))
        .flow(Password::new())
        .build()?;
    let app = Router::new()
        .route("/me", get(|user: AuthUser| async move { Json(user) }))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
