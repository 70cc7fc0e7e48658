//! authlayer, with and without its cache.

use authlayer::{
    Auth, AuthUser, CacheOptions, Factor, LimitOptions, Password, PgStore, RequireUser,
    SessionOptions, SqliteStore, Transport, User, UserId,
    clock::{Clock, SystemClock},
    model::Client,
    store::Store,
};
use axum::{Router, routing::get};

use crate::{
    PEOPLE, file,
    measure::{Credentials, Failure},
    postgres,
};

pub fn auth(store: impl Store, cached: bool) -> Result<Auth, Failure> {
    let cache = cached.then(CacheOptions::default);
    Ok(Auth::builder(store)
        .origin("http://localhost:3000")
        .session(SessionOptions::default().with_cache(cache).with_max_per_user(None))
        .limits(LimitOptions::off())
        .flow(Password::new())
        .build()?)
}

/// A session of a new user, as its access token.
pub async fn sign_in(auth: &Auth, person: usize) -> Result<String, Failure> {
    let mut user =
        User::new(UserId::new(format!("user-{}-{person}", std::process::id())), SystemClock.now());
    user.email =
        Some(authlayer::Email::parse(&format!("p{}x{person}@example.com", std::process::id()))?);
    let user = auth.users().create(&user).await?;
    let (how, client) = (Factor::Password, Client::default());
    let issued = auth.sessions().begin(&user, how, Transport::Bearer, client).await?;
    Ok(issued.access.expose().to_owned())
}

pub fn routes(auth: &Auth) -> Router {
    Router::new()
        .route("/public", get(async || "ok"))
        .route("/me", get(async |user: AuthUser| user.id.as_str().to_owned()))
        .route("/guarded", get(async || "ok").route_layer(RequireUser::new()))
        .layer(auth.layer())
        .nest("/auth", auth.router().layer(auth.layer()))
        .merge(Router::new().route("/layered", get(async || "ok")).layer(auth.layer()))
}

pub async fn router(name: &str) -> Result<(Router, Credentials), Failure> {
    let cached = !name.ends_with("nocache");
    let auth = if name.contains("postgres") {
        auth(PgStore::connect(&postgres()?).await?, cached)?
    } else {
        auth(SqliteStore::open(file()?).await?, cached)?
    };
    let mut credentials = Vec::new();
    for person in 0..PEOPLE {
        let token = sign_in(&auth, person).await?;
        credentials.push(("authorization", format!("Bearer {token}")));
    }
    Ok((routes(&auth), credentials))
}
