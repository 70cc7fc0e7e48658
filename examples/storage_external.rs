//! Users in the service of another team, which are only read.

#[allow(dead_code, missing_docs, reason = "shared by the examples; each uses a part")]
mod common;

use std::time::Duration;

use authlayer::{
    Auth, Email, Password, PasswordReset, RequireUser, SqliteStore, User, UserDirectory, UserId,
    UserProfile, UserStatus, UserStorage, mail::StderrMailer, store::StoreError,
    users::CachePolicy,
};
use axum::{Json, Router, routing::get};
use common::users::{Person, Service, start};

/// Reads users from the service. An error means that the service failed or did not respond.
struct People(Service);

fn user(person: Person) -> User {
    let mut user = User::new(UserId::new(&person.key), jiff::Timestamp::UNIX_EPOCH);
    user.email = person.mail.as_deref().and_then(|mail| Email::parse(mail).ok());
    user.display_name.clone_from(&person.name);
    user.status = if person.blocked { UserStatus::Disabled } else { UserStatus::Active };
    // Handlers extract it as `UserProfile<Person>`.
    user.with_profile(person)
}

/// `provision` is not implemented, so new users cannot sign up here. Passwords, passkeys and email
/// verification are stored by authlayer.
impl UserDirectory for People {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        Ok(self.0.get(id.as_str()).await.map_err(StoreError::new)?.map(user))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        Ok(self.0.by_mail(email.as_str()).await.map_err(StoreError::new)?.map(user))
    }
}

#[tokio::main]
async fn main() -> common::Outcome {
    let port = common::port()?;
    let ada = Person {
        key: "ada".into(),
        mail: Some("ada@example.com".into()),
        name: Some("Ada".into()),
        ..Person::default()
    };
    let service = Service::at(start(vec![ada]).await?);
    // Results are cached for a minute, and for an hour while the service fails.
    let rules = CachePolicy::default().stale(Duration::from_secs(3600));

    let auth = Auth::builder(SqliteStore::memory().await?)
        .origin(format!("http://localhost:{port}"))
        .users(UserStorage::external_with(People(service), rules))
        .mailer(StderrMailer)
        .flow(Password::new())
        .flow(PasswordReset::new())
        .build()?;
    let app = Router::new()
        .route(
            "/person",
            get(|person: UserProfile<Person>| async move { Json(Person::clone(&person)) }),
        )
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    common::serve(port, app).await
}
