//! axum-login with tower-sessions: in memory, on SQLite, on PostgreSQL.

#[path = "../../src/measure.rs"]
mod measure;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use axum_login::{
    AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId, login_required,
};
use http::{Request, StatusCode};
use measure::{Credentials, Failure};
use sqlx::{PgPool, Row, SqlitePool, sqlite::SqliteConnectOptions};
use tower::ServiceExt;
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer, SessionStore};

const PEOPLE: usize = 1000;

#[derive(Clone, Debug)]
struct User {
    id: String,
    password: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.password.as_bytes()
    }
}

#[derive(Clone)]
enum Backend {
    Memory(Arc<HashMap<String, User>>),
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

const FIND: &str = "SELECT id, password FROM login_users WHERE id = $1";

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = String;
    type Error = sqlx::Error;

    async fn authenticate(&self, id: String) -> Result<Option<User>, sqlx::Error> {
        self.get_user(&id).await
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, sqlx::Error> {
        Ok(match self {
            Self::Memory(users) => users.get(id).cloned(),
            Self::Sqlite(pool) => {
                let row = sqlx::query(FIND).bind(id).fetch_optional(pool).await?;
                row.map(|row| User { id: row.get(0), password: row.get(1) })
            }
            Self::Postgres(pool) => {
                let row = sqlx::query(FIND).bind(id).fetch_optional(pool).await?;
                row.map(|row| User { id: row.get(0), password: row.get(1) })
            }
        })
    }
}

fn routes<S: SessionStore + Clone>(backend: Backend, store: S) -> Router {
    let sessions = SessionManagerLayer::new(store)
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(1)));
    let layer = AuthManagerLayerBuilder::new(backend, sessions).build();
    let me = async |auth: AuthSession<Backend>| {
        auth.user.map(|user| user.id).ok_or(StatusCode::UNAUTHORIZED)
    };
    let enter = async |mut auth: AuthSession<Backend>, id: String| {
        let user = auth.authenticate(id).await.ok().flatten().ok_or(StatusCode::UNAUTHORIZED)?;
        auth.login(&user).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    Router::new()
        .route("/me", get(me))
        .route("/layered", get(async || "ok"))
        .route("/guarded", get(async || "ok").route_layer(login_required!(Backend)))
        .route("/enter", post(enter))
        .layer(layer)
        .route("/public", get(async || "ok"))
}

async fn contender(name: &str) -> Result<(Router, Credentials), Failure> {
    let users = |person: usize| User { id: format!("user-{person}"), password: "x".repeat(97) };
    let router = match name {
        "axum-login-memory" => {
            let all = (0..PEOPLE).map(users).map(|user| (user.id.clone(), user)).collect();
            routes(Backend::Memory(Arc::new(all)), MemoryStore::default())
        }
        "axum-login-sqlite" => {
            let dir = std::env::temp_dir().join(format!("authlayer_bench_{}", std::process::id()));
            std::fs::create_dir_all(&dir)?;
            let options = SqliteConnectOptions::new()
                .filename(dir.join("login.db"))
                .create_if_missing(true)
                .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
            let pool = SqlitePool::connect_with(options).await?;
            sqlx::query("CREATE TABLE login_users (id TEXT PRIMARY KEY, password TEXT NOT NULL)")
                .execute(&pool)
                .await?;
            for user in (0..PEOPLE).map(users) {
                sqlx::query("INSERT INTO login_users VALUES ($1, $2)")
                    .bind(user.id)
                    .bind(user.password)
                    .execute(&pool)
                    .await?;
            }
            let store = tower_sessions_sqlx_store::SqliteStore::new(pool.clone());
            store.migrate().await?;
            routes(Backend::Sqlite(pool), store)
        }
        "axum-login-postgres" => {
            let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
            sqlx::query("DROP TABLE IF EXISTS login_users").execute(&pool).await?;
            sqlx::query("CREATE TABLE login_users (id TEXT PRIMARY KEY, password TEXT NOT NULL)")
                .execute(&pool)
                .await?;
            for user in (0..PEOPLE).map(users) {
                sqlx::query("INSERT INTO login_users VALUES ($1, $2)")
                    .bind(user.id)
                    .bind(user.password)
                    .execute(&pool)
                    .await?;
            }
            let store = tower_sessions_sqlx_store::PostgresStore::new(pool.clone());
            store.migrate().await?;
            routes(Backend::Postgres(pool), store)
        }
        _ => return Err(format!("unknown contender {name}").into()),
    };
    let mut credentials = Vec::new();
    for person in 0..PEOPLE {
        let request = Request::post("/enter").body(Body::from(format!("user-{person}")))?;
        let response = router.clone().oneshot(request).await?;
        let cookie = response.headers().get("set-cookie").ok_or("no cookie")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        credentials.push(("cookie", cookie));
    }
    Ok((router, credentials))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name, port] => {
            let (router, credentials) = contender(name).await?;
            measure::serve(router, &credentials, port.parse()?).await
        }
        ["inprocess", name] => {
            let (router, credentials) = contender(name).await?;
            measure::in_process(router, &credentials).await
        }
        _ => Err("serve NAME PORT | inprocess NAME".into()),
    }
}
