//! authlayer, with and without its cache.

use authlayer::{
    Auth, AuthUser, CacheOptions, Factor, Password, PgStore, RateLimits, RequireUser,
    SessionOptions, SqliteStore, Transport, User, UserId,
    clock::{Clock, SystemClock},
    model::ClientInfo,
    session::IssuedTokens,
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
        .session_options(SessionOptions::default().cache(cache).max_per_user(None))
        .rate_limits(RateLimits::disabled())
        .flow(Password::new())
        .build()?)
}

/// Creates a session of a new user and returns its access token.
pub async fn sign_in(auth: &Auth, person: usize) -> Result<String, Failure> {
    Ok(session(auth, person, Transport::Bearer).await?.access.expose().to_owned())
}

async fn session(
    auth: &Auth,
    person: usize,
    transport: Transport,
) -> Result<IssuedTokens, Failure> {
    let mut user =
        User::new(UserId::new(format!("user-{}-{person}", std::process::id())), SystemClock.now());
    user.email =
        Some(authlayer::Email::parse(&format!("p{}x{person}@example.com", std::process::id()))?);
    let user = auth.users().create(&user).await?;
    let (how, client) = (Factor::Password, ClientInfo::default());
    Ok(auth.sessions().create(&user, how, transport, client).await?)
}

/// Creates a session of a new user and returns the header that a browser sends.
async fn cookies(auth: &Auth, person: usize) -> Result<(&'static str, String), Failure> {
    let IssuedTokens { access, refresh, .. } = session(auth, person, Transport::Cookie).await?;
    Ok(("cookie", format!("auth={}; auth-refresh={}", access.expose(), refresh.expose())))
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

/// Creates a contender. A request has both cookies of a browser if the name contains `cookies`, for
/// example `authlayer-sqlite-cookies`; otherwise it has a bearer token.
pub async fn router(name: &str) -> Result<(Router, Credentials), Failure> {
    let cached = !name.ends_with("nocache");
    let auth = if name.contains("postgres") {
        auth(PgStore::connect(&postgres()?).await?, cached)?
    } else {
        auth(SqliteStore::open(file()?).await?, cached)?
    };
    let mut credentials = Vec::new();
    for person in 0..PEOPLE {
        credentials.push(match name.contains("cookies") {
            true => cookies(&auth, person).await?,
            false => ("authorization", format!("Bearer {}", sign_in(&auth, person).await?)),
        });
    }
    Ok((routes(&auth), credentials))
}
